//! A reply plugin: answers commands without a model.

mod answer;
mod command;
mod settings;
#[cfg(test)]
mod testing;

use std::sync::OnceLock;

wit_bindgen::generate!({ path: "../../wit/v0.1", world: "reply-plugin", additional_derives: [PartialEq] });

use exports::switchhook::plugin::about::{self, Capabilities, Description, Problem};
use exports::switchhook::plugin::reply::{self, Outcome};
use switchhook::plugin::types::{Action, ChatKind, Content, ContentKinds, HookError, Message, Outgoing, TextFormat};
#[cfg(test)]
use switchhook::plugin::types::{Chat, Party, Standing};

use settings::Settings;

/// Set by `configure`, which is the first call of every instance.
static SETTINGS: OnceLock<Settings> = OnceLock::new();

struct Commands;

impl about::Guest for Commands {
    fn describe() -> Description {
        Description {
            name: "commands".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: env!("CARGO_PKG_DESCRIPTION").into(),
            settings_schema: settings::SCHEMA.into(),
            content: ContentKinds::TEXT,
            groups: vec![],
            capabilities: Capabilities::empty(),
        }
    }

    fn configure(json: String) -> Result<(), Vec<Problem>> {
        runtime::start();
        let settings = settings::parse(&json)?;
        SETTINGS
            .set(settings)
            .map_err(|_| vec![Problem { path: String::new(), message: "configure was called twice".into() }])
    }
}

impl reply::Guest for Commands {
    fn handle(message: Message) -> Result<Outcome, HookError> {
        let settings = SETTINGS.get().ok_or_else(|| HookError::Internal("handle came before configure".into()))?;
        Ok(match command::recognise(settings, &message) {
            Some(command) => Outcome::Answered(answer::answer(settings, command, &message)),
            None => Outcome::Pass,
        })
    }
}

// Nowhere else: a native linker refuses names such as `switchhook:plugin/about@0.1.0#describe`.
#[cfg(target_arch = "wasm32")]
export!(Commands);
