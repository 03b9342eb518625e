//! The versions of the contract. Which one a component was built against is read off its exports; from there on only
//! the traits here are seen, in the words of `core`.

mod v0_1;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use switchhook_core::catalogue::{Capability, CatalogueError, HookKind, SettingsProblem};
use switchhook_core::hook::{HookError, Next, Outcome, Verdict};
use switchhook_core::message::{ContentKind, Message};
use switchhook_core::model::{Completion, ModelRequest};
use wasmtime::component::{Component, Instance, InstancePre, Linker};
use wasmtime::{Engine, Store};

use crate::nature;
use crate::state::State;

/// The package whose interfaces are the contract.
const PACKAGE: &str = "switchhook:plugin/";
/// What of WASI a plugin finds, with nothing granted.
const WASI: [&str; 6] = ["wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:cli/", "wasi:filesystem/", "wasi:sockets/"];

/// One function of a guest with its arguments, to be run in an instance.
pub(crate) type Invocation<R> =
    Box<dyn for<'a> FnOnce(&'a mut Store<State>, &'a Instance) -> BoxFuture<'a, wasmtime::Result<R>> + Send>;

/// What a guest says of itself, not checked yet.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) summary: String,
    pub(crate) settings_schema: String,
    pub(crate) content: Vec<ContentKind>,
    pub(crate) groups: Vec<String>,
    pub(crate) capabilities: Vec<Capability>,
}

pub(crate) trait About: Send + Sync {
    /// Also proves that the hook's functions have the types of the contract.
    fn describe(&self) -> Invocation<Described>;
    fn configure(&self, settings: Arc<str>) -> Invocation<Vec<SettingsProblem>>;
}

pub(crate) trait Policy: Send + Sync {
    fn decide(&self, message: &Message) -> Invocation<Result<Verdict, HookError>>;
}

pub(crate) trait Reply: Send + Sync {
    fn handle(&self, message: &Message) -> Invocation<Result<Outcome, HookError>>;
}

pub(crate) trait Prompt: Send + Sync {
    fn compose(&self, messages: &[Message]) -> Invocation<Result<ModelRequest, HookError>>;
    fn read(&self, state: &[u8], completion: &Completion) -> Invocation<Result<Next, HookError>>;
}

#[derive(Clone)]
pub(crate) enum BoundHook {
    Policy(Arc<dyn Policy>),
    Reply(Arc<dyn Reply>),
    Prompt(Arc<dyn Prompt>),
}

impl BoundHook {
    pub(crate) fn kind(&self) -> HookKind {
        match self {
            Self::Policy(_) => HookKind::Policy,
            Self::Reply(_) => HookKind::Reply,
            Self::Prompt(_) => HookKind::Prompt,
        }
    }
}

/// A component linked to the version of the contract that it speaks.
#[derive(Clone)]
pub(crate) struct Bound {
    pub(crate) pre: InstancePre<State>,
    pub(crate) contract: &'static str,
    pub(crate) about: Arc<dyn About>,
    pub(crate) hook: BoundHook,
}

/// Every version this host speaks, linked once.
pub(crate) struct Contracts {
    v0_1: Linker<State>,
}

impl Contracts {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        Ok(Self { v0_1: v0_1::linker(engine)? })
    }

    /// Finds the version a component speaks, and links it.
    pub(crate) fn bind(&self, component: &Component, source: &str) -> Result<Bound, CatalogueError> {
        let exports = names(component.component_type().exports(component.engine()).map(|(name, _)| name));
        let imports = names(component.component_type().imports(component.engine()).map(|(name, _)| name));
        check_versions(source, exports.iter().chain(&imports))?;
        let unfit = |reason: String| CatalogueError::NotAPlugin { source_name: source.to_owned(), reason };
        let kind = hook_kind(&exports).map_err(unfit)?;
        check_imports(&imports).map_err(unfit)?;
        let pre = self.v0_1.instantiate_pre(component).map_err(|error| unfit(format!("{error:#}")))?;
        v0_1::bind(pre, kind).map_err(|error| unfit(format!("{error:#}")))
    }
}

fn names<'a>(items: impl Iterator<Item = &'a str>) -> Vec<String> {
    items.map(str::to_owned).collect()
}

/// `switchhook:plugin/policy@0.1.3` is the interface `policy` of the track `0.1`.
fn interface(name: &str) -> Option<(&str, String)> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    let mut parts = version.split('.');
    let track = match (parts.next()?, parts.next()) {
        ("0", Some(minor)) => format!("0.{minor}"),
        (major, _) => major.to_owned(),
    };
    Some((interface, track))
}

fn check_versions<'a>(source: &str, names: impl Iterator<Item = &'a String>) -> Result<(), CatalogueError> {
    for (_, track) in names.filter_map(|name| interface(name)) {
        if track != v0_1::TRACK {
            return Err(CatalogueError::Contract {
                source_name: source.to_owned(),
                found: track,
                supported: v0_1::TRACK.to_owned(),
            });
        }
    }
    Ok(())
}

/// The one hook a component exports.
fn hook_kind(exports: &[String]) -> Result<HookKind, String> {
    let ours: Vec<&str> = exports.iter().filter_map(|name| interface(name)).map(|(interface, _)| interface).collect();
    let hooks: Vec<(HookKind, &str)> = [HookKind::Policy, HookKind::Reply, HookKind::Prompt]
        .into_iter()
        .zip(["policy", "reply", "prompt"])
        .filter(|(_, name)| ours.contains(name))
        .collect();
    match hooks[..] {
        _ if ours.is_empty() => Err(format!(
            "it exports nothing of {PACKAGE}; build it against one of the worlds policy-plugin, reply-plugin and \
             prompt-plugin"
        )),
        [] => Err("it exports no hook: one of policy, reply and prompt is needed".to_owned()),
        [(kind, _)] if ours.contains(&"about") => Ok(kind),
        [_] => Err("it does not export `about`".to_owned()),
        _ => {
            let list: Vec<&str> = hooks.iter().map(|(_, name)| *name).collect();
            Err(format!("it exports several hooks ({}); make a component of each", list.join(", ")))
        }
    }
}

fn check_imports(imports: &[String]) -> Result<(), String> {
    let offered = |name: &&String| name.starts_with(PACKAGE) || WASI.iter().any(|package| name.starts_with(package));
    let missing: Vec<&str> = imports.iter().filter(|name| !offered(name)).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("it imports what this host does not offer: {}", missing.join(", ")))
}

/// WASI 0.2 with nothing granted, and time and chance of our own.
fn wasi(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    nature::link(linker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn tracks_are_read_off_names() {
        assert_eq!(interface("switchhook:plugin/policy@0.1.3"), Some(("policy", "0.1".to_owned())));
        assert_eq!(interface("switchhook:plugin/policy@2.4.0"), Some(("policy", "2".to_owned())));
        assert_eq!(interface("wasi:io/poll@0.2.6"), None);
    }

    /// F3
    #[test]
    fn exactly_one_hook_and_about_are_wanted() {
        let about = "switchhook:plugin/about@0.1.0";
        let policy = "switchhook:plugin/policy@0.1.0";
        let reply = "switchhook:plugin/reply@0.1.0";
        assert_eq!(hook_kind(&strings(&[about, policy])), Ok(HookKind::Policy));
        for (exports, expect) in [
            (&[][..], "exports nothing"),
            (&[about], "no hook"),
            (&[policy], "`about`"),
            (&[about, policy, reply], "several hooks (policy, reply)"),
        ] {
            let reason = hook_kind(&strings(exports)).unwrap_err();
            assert!(reason.contains(expect), "{reason}");
        }
    }

    #[test]
    fn what_is_not_offered_is_named() {
        let imports = strings(&["wasi:http/types@0.2.6", "wasi:io/poll@0.2.6", "acme:db/sql@1.0.0"]);
        let reason = check_imports(&imports).unwrap_err();
        assert!(reason.contains("wasi:http/types@0.2.6") && reason.contains("acme:db/sql@1.0.0"), "{reason}");
        assert!(!reason.contains("wasi:io"), "{reason}");
    }
}
