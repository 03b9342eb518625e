//! Contract 0.1 (`wit/v0.1`): what its guests export and may import.

mod convert;
mod function;

use std::sync::Arc;

use switchhook_core::catalogue::{Capability, HookKind, SettingsProblem};
use switchhook_core::hook::{HookError, KvSpace, LogLevel, MAX_KV_KEY, MAX_KV_VALUE, Next, Outcome, Verdict};
use switchhook_core::id::MAX_NAME;
use switchhook_core::message::Message;
use switchhook_core::model::{Completion, ModelRequest};
use wasmtime::Engine;
use wasmtime::component::{HasSelf, InstancePre, Linker};

use self::bindings::exports::switchhook::plugin::{about, policy, prompt, reply};
use self::bindings::switchhook::plugin::{attachments, groups, history, kv, kv_shared, log, types};
use self::function::{Fits, Function, Signature};
use super::{About, Bound, BoundHook, Described, Invocation, Policy, Prompt, Reply};
use crate::breach::Breach;
use crate::state::State;

/// The versions that match it: 0.1.0, 0.1.1 and so on.
pub(super) const TRACK: &str = "0.1";

/// The most turns and bytes of history that one question may ask for.
const MAX_TURNS: u32 = 1_000;
const MAX_HISTORY: u32 = 256 * 1024;
/// The longest name of a person or an attachment that is looked up.
const MAX_LOOKUP: usize = 512;

/// The three worlds as one, so that they share their types. Which of the exports a component has is probed.
#[allow(dead_code, unreachable_pub, reason = "generated for all uses of the contract")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        inline: "
            package switchhook:host;
            world everything {
                import switchhook:plugin/log@0.1.0;
                import switchhook:plugin/groups@0.1.0;
                import switchhook:plugin/history@0.1.0;
                import switchhook:plugin/kv@0.1.0;
                import switchhook:plugin/kv-shared@0.1.0;
                import switchhook:plugin/attachments@0.1.0;
                export switchhook:plugin/about@0.1.0;
                export switchhook:plugin/policy@0.1.0;
                export switchhook:plugin/reply@0.1.0;
                export switchhook:plugin/prompt@0.1.0;
            }
        ",
        world: "switchhook:host/everything",
        imports: {
            "switchhook:plugin/log": trappable,
            "switchhook:plugin/groups": trappable,
            default: async | trappable,
        },
        exports: { default: async },
    });
}

pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    super::wasi(&mut linker)?;
    bindings::Everything::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// Finds the functions of a component that exports `about` and the hook of this kind.
pub(super) fn bind(pre: InstancePre<State>, kind: HookKind) -> wasmtime::Result<Bound> {
    let (of_hook, hook): (Vec<Arc<dyn Fits>>, _) = match kind {
        HookKind::Policy => {
            let decide = Arc::new(Function::<Decide>::find(&pre)?);
            (vec![decide.clone()], BoundHook::Policy(Arc::new(Policies { decide })))
        }
        HookKind::Reply => {
            let handle = Arc::new(Function::<Handle>::find(&pre)?);
            (vec![handle.clone()], BoundHook::Reply(Arc::new(Replies { handle })))
        }
        HookKind::Prompt => {
            let (compose, read) = (Arc::new(Function::<Compose>::find(&pre)?), Arc::new(Function::<Read>::find(&pre)?));
            (vec![compose.clone(), read.clone()], BoundHook::Prompt(Arc::new(Prompts { compose, read })))
        }
    };
    let describe = Arc::new(Function::<Describe>::find(&pre)?);
    let configure = Arc::new(Function::<Configure>::find(&pre)?);
    let functions = [describe.clone() as _, configure.clone() as _].into_iter().chain(of_hook).collect();
    let about = Guest { describe, configure, functions };
    Ok(Bound { pre, contract: TRACK, about: Arc::new(about), hook })
}

macro_rules! signatures {
    ($($name:ident = $function:literal of $interface:literal: ($($parameter:ty),*) -> $answer:ty;)*) => {$(
        struct $name;

        impl Signature for $name {
            const INTERFACE: &str = concat!("switchhook:plugin/", $interface, "@0.1.0");
            const NAME: &str = $function;
            type Parameters<'a> = ($($parameter,)*);
            type Answer = ($answer,);
        }
    )*};
}
signatures! {
    Describe = "describe" of "about": () -> about::Description;
    Configure = "configure" of "about": (&'a str) -> Result<(), Vec<about::Problem>>;
    Decide = "decide" of "policy": (&'a types::Message) -> Result<policy::Verdict, types::HookError>;
    Handle = "handle" of "reply": (&'a types::Message) -> Result<reply::Outcome, types::HookError>;
    Compose = "compose" of "prompt": (&'a [types::Message]) -> Result<prompt::Request, types::HookError>;
    Read = "read" of "prompt": (&'a [u8], &'a prompt::Completion) -> Result<prompt::Next, types::HookError>;
}

/// `about`, together with all functions whose types it proves.
struct Guest {
    describe: Arc<Function<Describe>>,
    configure: Arc<Function<Configure>>,
    functions: Arc<[Arc<dyn Fits>]>,
}

struct Policies {
    decide: Arc<Function<Decide>>,
}

struct Replies {
    handle: Arc<Function<Handle>>,
}

struct Prompts {
    compose: Arc<Function<Compose>>,
    read: Arc<Function<Read>>,
}

impl About for Guest {
    fn describe(&self) -> Invocation<Described> {
        let (describe, functions) = (self.describe.clone(), self.functions.clone());
        Box::new(move |store, instance| {
            Box::pin(async move {
                let misfits = functions.iter().filter_map(|function| function.check(store, instance).err());
                let misfits: Vec<String> = misfits.map(|error| error.to_string()).collect();
                if !misfits.is_empty() {
                    return Err(Breach::Forbidden(misfits.join("; ")).into());
                }
                let (description,) = describe.call(store, instance, ()).await?;
                Ok(convert::described(description))
            })
        })
    }
    fn configure(&self, settings: Arc<str>) -> Invocation<Vec<SettingsProblem>> {
        let configure = self.configure.clone();
        Box::new(move |store, instance| {
            Box::pin(async move {
                let (answer,) = configure.call(store, instance, (&settings,)).await?;
                Ok(answer.map_or_else(convert::problems, |()| Vec::new()))
            })
        })
    }
}

impl Policy for Policies {
    fn decide(&self, message: &Message) -> Invocation<Result<Verdict, HookError>> {
        let (decide, message) = (self.decide.clone(), convert::message(message));
        Box::new(move |store, instance| {
            Box::pin(async move {
                let (answer,) = decide.call(store, instance, (&message,)).await?;
                Ok(answer.map(convert::verdict).map_err(convert::hook_error))
            })
        })
    }
}

impl Reply for Replies {
    fn handle(&self, message: &Message) -> Invocation<Result<Outcome, HookError>> {
        let (handle, message) = (self.handle.clone(), convert::message(message));
        Box::new(move |store, instance| {
            Box::pin(async move {
                let (answer,) = handle.call(store, instance, (&message,)).await?;
                Ok(answer.map(convert::outcome).map_err(convert::hook_error))
            })
        })
    }
}

impl Prompt for Prompts {
    fn compose(&self, messages: &[Message]) -> Invocation<Result<ModelRequest, HookError>> {
        let (compose, messages) = (self.compose.clone(), messages.iter().map(convert::message).collect::<Vec<_>>());
        Box::new(move |store, instance| {
            Box::pin(async move {
                let (answer,) = compose.call(store, instance, (&messages,)).await?;
                Ok(answer.map(convert::request).map_err(convert::hook_error))
            })
        })
    }
    fn read(&self, state: &[u8], completion: &Completion) -> Invocation<Result<Next, HookError>> {
        let (read, state, completion) = (self.read.clone(), state.to_vec(), convert::completion(completion));
        Box::new(move |store, instance| {
            Box::pin(async move {
                let (answer,) = read.call(store, instance, (&state, &completion)).await?;
                Ok(answer.map(convert::next).map_err(convert::hook_error))
            })
        })
    }
}

impl types::Host for State {}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.log.line(level, &message);
        Ok(())
    }
}

impl groups::Host for State {
    fn sender_in(&mut self, group: String) -> wasmtime::Result<bool> {
        let host = self.gate.pass("groups.sender-in", None)?;
        Ok(group.len() <= MAX_NAME && host.sender_in(&group))
    }
    fn contains(&mut self, group: String, party: String) -> wasmtime::Result<bool> {
        let host = self.gate.pass("groups.contains", None)?;
        Ok(group.len() <= MAX_NAME && party.len() <= MAX_LOOKUP && host.contains(&group, &party))
    }
}

impl history::Host for State {
    async fn turns(&mut self, max_turns: u32, max_bytes: u32) -> wasmtime::Result<Vec<history::Turn>> {
        let host = self.gate.pass("history.turns", Some(Capability::History))?;
        let turns = host.history(max_turns.min(MAX_TURNS), max_bytes.min(MAX_HISTORY)).await;
        Ok(turns.into_iter().map(convert::turn).collect())
    }
}

impl attachments::Host for State {
    async fn read(&mut self, handle: String, offset: u64, length: u32) -> wasmtime::Result<Option<Vec<u8>>> {
        let host = self.gate.pass("attachments.read", Some(Capability::Attachments))?;
        let length = self.gate.take_attached(length)?;
        if handle.len() > MAX_LOOKUP {
            return Ok(None);
        }
        let mut bytes = host.attachment(&handle, offset, length).await;
        if let Some(bytes) = &mut bytes {
            bytes.truncate(length as usize);
        }
        Ok(bytes)
    }
}

/// The two key-value spaces differ in where they keep things and in nothing else.
macro_rules! key_value {
    ($interface:ident, $name:literal, $space:expr, $capability:expr) => {
        impl $interface::Host for State {
            async fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
                let host = self.gate.pass(concat!($name, ".get"), Some($capability))?;
                if key.len() > MAX_KV_KEY {
                    return Ok(None);
                }
                Ok(host.kv_get($space, &key).await)
            }
            async fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), kv::KvError>> {
                let host = self.gate.pass(concat!($name, ".set"), Some($capability))?;
                if key.len() > MAX_KV_KEY || value.len() > MAX_KV_VALUE {
                    return Ok(Err(kv::KvError::TooLarge));
                }
                Ok(host.kv_set($space, &key, value).await.map_err(convert::kv_error))
            }
            async fn delete(&mut self, key: String) -> wasmtime::Result<()> {
                let host = self.gate.pass(concat!($name, ".delete"), Some($capability))?;
                if key.len() <= MAX_KV_KEY {
                    host.kv_delete($space, &key).await;
                }
                Ok(())
            }
            async fn increment(&mut self, key: String, by: i64) -> wasmtime::Result<Result<i64, kv::KvError>> {
                let host = self.gate.pass(concat!($name, ".increment"), Some($capability))?;
                if key.len() > MAX_KV_KEY {
                    return Ok(Err(kv::KvError::TooLarge));
                }
                Ok(host.kv_increment($space, &key, by).await.map_err(convert::kv_error))
            }
        }
    };
}
key_value!(kv, "kv", KvSpace::Chat, Capability::Kv);
key_value!(kv_shared, "kv-shared", KvSpace::Shared, Capability::KvShared);
