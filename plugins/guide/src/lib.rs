//! A reply plugin for a first run: answers without a model, and shows what just happened to the message.

mod settings;
mod text;
mod visit;

use std::sync::OnceLock;

wit_bindgen::generate!({ path: "../../wit/v0.1", world: "reply-plugin", additional_derives: [PartialEq] });

use exports::switchhook::plugin::about::{self, Capabilities, Description, Problem};
use exports::switchhook::plugin::reply::{self, Outcome};
use switchhook::plugin::kv::{self, KvError};
use switchhook::plugin::log::{Level, log};
use switchhook::plugin::types::{Action, ContentKinds, HookError, Message, Outgoing, TextFormat};
#[cfg(test)]
use switchhook::plugin::types::{Chat, ChatKind, Content, Party, Standing};

use settings::Settings;

/// Set by `configure`, which is the first call of every instance.
static SETTINGS: OnceLock<Settings> = OnceLock::new();

struct Guide;

impl about::Guest for Guide {
    fn describe() -> Description {
        Description {
            name: "guide".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: env!("CARGO_PKG_DESCRIPTION").into(),
            settings_schema: settings::SCHEMA.into(),
            content: ContentKinds::TEXT,
            groups: vec![],
            capabilities: Capabilities::KV,
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

impl reply::Guest for Guide {
    fn handle(message: Message) -> Result<Outcome, HookError> {
        let settings = SETTINGS.get().ok_or_else(|| HookError::Internal("handle came before configure".into()))?;
        let visit = visit::record(&Host, &settings.greeting)
            .inspect_err(|error| log(Level::Warn, &format!("this message is not counted: {error:?}")))
            .ok();
        let answer = Outgoing {
            to: None,
            text: text::text(settings, &message, visit.as_ref()),
            format: TextFormat::Markdown,
            reply_to: None,
            attachments: vec![],
            buttons: vec![],
            extra: vec![],
        };
        Ok(Outcome::Answered(vec![Action::Send(answer)]))
    }
}

/// The host's own store.
struct Host;

impl visit::Store for Host {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        kv::get(key)
    }
    fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        kv::set(key, value)
    }
    fn increment(&self, key: &str, by: i64) -> Result<i64, KvError> {
        kv::increment(key, by)
    }
}

// Nowhere else: a native linker refuses names such as `switchhook:plugin/about@0.1.0#describe`.
#[cfg(target_arch = "wasm32")]
export!(Guide);
