//! A prompt plugin: frames messages for a language model, and turns its answer into a message.

mod clock;
mod dialogue;
mod settings;
mod speech;
#[cfg(test)]
mod testing;
mod turn;
mod wire;

use std::sync::OnceLock;

wit_bindgen::generate!({ path: "../../wit/v0.1", world: "prompt-plugin", additional_derives: [PartialEq] });

use exports::switchhook::plugin::about::{self, Capabilities, Description, Problem};
use exports::switchhook::plugin::prompt::{
    self, Completion, Next, Parameters, PromptMessage, Request, Role, Tool as ToolOffer, ToolCall,
};
use switchhook::plugin::history::{self, Speaker, Turn};
use switchhook::plugin::types::{
    Action, Attachment, AttachmentKind, ChatKind, Content, ContentKinds, HookError, Message, Outgoing, TextFormat,
};
#[cfg(test)]
use switchhook::plugin::types::{Chat, Party, Standing};

use settings::Settings;
use turn::{State, Step};

/// Set by `configure`, which is the first call of every instance.
static SETTINGS: OnceLock<Settings> = OnceLock::new();

struct Assistant;

impl about::Guest for Assistant {
    fn describe() -> Description {
        Description {
            name: "assistant".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: env!("CARGO_PKG_DESCRIPTION").into(),
            settings_schema: settings::SCHEMA.into(),
            content: ContentKinds::TEXT,
            groups: vec![],
            capabilities: Capabilities::HISTORY,
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

impl prompt::Guest for Assistant {
    fn compose(messages: Vec<Message>) -> Result<Request, HookError> {
        let settings = configured()?;
        let lines = dialogue::compose(settings, &messages, history::turns);
        wire::request(settings, State { lines, rounds: 0 })
    }

    fn read(state: Vec<u8>, completion: Completion) -> Result<Next, HookError> {
        let settings = configured()?;
        let state = wire::state(&state)?;
        let calls = wire::calls(completion.tool_calls);
        Ok(match turn::read(settings, state, &completion.text, calls, runtime::now) {
            Step::Say(text) => Next::Done(vec![wire::send(text)]),
            Step::Ask(state) => Next::Again(wire::request(settings, state)?),
        })
    }
}

fn configured() -> Result<&'static Settings, HookError> {
    SETTINGS.get().ok_or_else(|| HookError::Internal("a call came before configure".into()))
}

// Nowhere else: a native linker refuses names such as `switchhook:plugin/about@0.1.0#describe`.
#[cfg(target_arch = "wasm32")]
export!(Assistant);
