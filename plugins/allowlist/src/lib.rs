//! A policy plugin: lets in the people of the channel's `allow_from`, and turns everybody else away.

mod rule;
mod settings;

use std::sync::OnceLock;

wit_bindgen::generate!({ path: "../../wit/v0.1", world: "policy-plugin", additional_derives: [PartialEq] });

use exports::switchhook::plugin::about::{self, Capabilities, Description, Problem};
use exports::switchhook::plugin::policy::{self, Denial, Verdict};
use switchhook::plugin::groups;
#[cfg(test)]
use switchhook::plugin::types::{Chat, Party};
use switchhook::plugin::types::{ChatKind, Content, ContentKinds, HookError, Message, Standing};

use settings::Settings;

/// Set by `configure`, which is the first call of every instance.
static SETTINGS: OnceLock<Settings> = OnceLock::new();

struct Allowlist;

impl about::Guest for Allowlist {
    fn describe() -> Description {
        Description {
            name: "allowlist".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: env!("CARGO_PKG_DESCRIPTION").into(),
            settings_schema: settings::SCHEMA.into(),
            // Everything: what a policy is not asked about, it does not keep out.
            content: ContentKinds::all(),
            groups: vec![rule::GROUP.into()],
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

impl policy::Guest for Allowlist {
    fn decide(message: Message) -> Result<Verdict, HookError> {
        let settings = SETTINGS.get().ok_or_else(|| HookError::Internal("decide came before configure".into()))?;
        Ok(rule::decide(settings, &message, groups::sender_in))
    }
}

// Nowhere else: a native linker refuses names such as `switchhook:plugin/about@0.1.0#describe`.
#[cfg(target_arch = "wasm32")]
export!(Allowlist);
