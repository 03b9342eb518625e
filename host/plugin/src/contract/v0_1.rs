//! Contract 0.1 (`wit/v0.1`): what its guests export and may import.

mod convert;

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
use super::{About, Bound, BoundHook, Described, Invocation, Policy, Prompt, Reply};
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
    let about = about::GuestIndices::new(&pre)?;
    let (about, hook): (Arc<dyn About>, _) = match kind {
        HookKind::Policy => {
            let hook = policy::GuestIndices::new(&pre)?;
            (Arc::new(Guest { about, hook: hook.clone() }), BoundHook::Policy(Arc::new(Hook(hook))))
        }
        HookKind::Reply => {
            let hook = reply::GuestIndices::new(&pre)?;
            (Arc::new(Guest { about, hook: hook.clone() }), BoundHook::Reply(Arc::new(Hook(hook))))
        }
        HookKind::Prompt => {
            let hook = prompt::GuestIndices::new(&pre)?;
            (Arc::new(Guest { about, hook: hook.clone() }), BoundHook::Prompt(Arc::new(Hook(hook))))
        }
    };
    Ok(Bound { pre, contract: TRACK, about, hook })
}

/// `about` together with the hook whose types it proves.
struct Guest<H> {
    about: about::GuestIndices,
    hook: H,
}

struct Hook<H>(H);

/// Whether a hook's functions have the types of this contract.
trait Shape: Clone + Send + Sync + 'static {
    fn check(
        &self,
        store: &mut wasmtime::Store<State>,
        instance: &wasmtime::component::Instance,
    ) -> wasmtime::Result<()>;
}

macro_rules! shape {
    ($($interface:ident),*) => {$(
        impl Shape for $interface::GuestIndices {
            fn check(
                &self,
                store: &mut wasmtime::Store<State>,
                instance: &wasmtime::component::Instance,
            ) -> wasmtime::Result<()> {
                self.load(store, instance).map(|_| ())
            }
        }
    )*};
}
shape!(policy, reply, prompt);

impl<H: Shape> About for Guest<H> {
    fn describe(&self) -> Invocation<Described> {
        let (about, hook) = (self.about.clone(), self.hook.clone());
        Box::new(move |store, instance| {
            Box::pin(async move {
                hook.check(store, instance)?;
                let guest = about.load(&mut *store, instance)?;
                guest.call_describe(&mut *store).await.map(convert::described)
            })
        })
    }
    fn configure(&self, settings: Arc<str>) -> Invocation<Vec<SettingsProblem>> {
        let about = self.about.clone();
        Box::new(move |store, instance| {
            Box::pin(async move {
                let guest = about.load(&mut *store, instance)?;
                Ok(guest.call_configure(&mut *store, &settings).await?.map_or_else(convert::problems, |()| Vec::new()))
            })
        })
    }
}

impl Policy for Hook<policy::GuestIndices> {
    fn decide(&self, message: &Message) -> Invocation<Result<Verdict, HookError>> {
        let (indices, message) = (self.0.clone(), convert::message(message));
        Box::new(move |store, instance| {
            Box::pin(async move {
                let guest = indices.load(&mut *store, instance)?;
                let answer = guest.call_decide(&mut *store, &message).await?;
                Ok(answer.map(convert::verdict).map_err(convert::hook_error))
            })
        })
    }
}

impl Reply for Hook<reply::GuestIndices> {
    fn handle(&self, message: &Message) -> Invocation<Result<Outcome, HookError>> {
        let (indices, message) = (self.0.clone(), convert::message(message));
        Box::new(move |store, instance| {
            Box::pin(async move {
                let guest = indices.load(&mut *store, instance)?;
                let answer = guest.call_handle(&mut *store, &message).await?;
                Ok(answer.map(convert::outcome).map_err(convert::hook_error))
            })
        })
    }
}

impl Prompt for Hook<prompt::GuestIndices> {
    fn compose(&self, messages: &[Message]) -> Invocation<Result<ModelRequest, HookError>> {
        let (indices, messages) = (self.0.clone(), messages.iter().map(convert::message).collect::<Vec<_>>());
        Box::new(move |store, instance| {
            Box::pin(async move {
                let guest = indices.load(&mut *store, instance)?;
                let answer = guest.call_compose(&mut *store, &messages).await?;
                Ok(answer.map(convert::request).map_err(convert::hook_error))
            })
        })
    }
    fn read(&self, state: &[u8], completion: &Completion) -> Invocation<Result<Next, HookError>> {
        let (indices, state, completion) = (self.0.clone(), state.to_vec(), convert::completion(completion));
        Box::new(move |store, instance| {
            Box::pin(async move {
                let guest = indices.load(&mut *store, instance)?;
                let answer = guest.call_read(&mut *store, &state, &completion).await?;
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
