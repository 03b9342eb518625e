//! From bytes to a hook, and everything that is refused on the way.

use std::sync::{Arc, Mutex};

use serde_json::json;
use switchhook_core::catalogue::{
    Capability, Catalogue, CatalogueError, HookKind, Limits, PluginSource, SettingsProblem,
};
use switchhook_core::hook::Verdict;
use switchhook_core::message::ContentKind;
use switchhook_plugin::{Compiler, HookGrants, HostOptions, PluginHost};

use crate::guests;
use crate::kit::{LIMITS, decide, place, policy_of, prepare, shared, source};

fn refused(bytes: &[u8]) -> CatalogueError {
    let folder = tempfile::tempdir().unwrap();
    match shared().load(&place(folder.path(), "bad", bytes)) {
        Err(error) => error,
        Ok(loaded) => panic!("{:?} was taken", loaded.description),
    }
}

#[track_caller]
fn check(error: &CatalogueError, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// F1
#[test]
fn a_plugin_is_described() {
    let description = shared().describe(&source("policy")).unwrap();
    assert_eq!((description.kind, description.contract.as_str()), (HookKind::Policy, "0.1"));
    assert_eq!((description.name.as_str(), description.version.as_str()), ("obedient", "1.2.3"));
    assert_eq!(description.settings_schema, Some(json!({ "type": "object" })));
    assert_eq!(description.content.iter().copied().collect::<Vec<_>>(), [ContentKind::Text, ContentKind::Button]);
    assert_eq!(description.groups[0].as_str(), "allow_from");
    let asked = [Capability::History, Capability::Kv, Capability::Attachments];
    assert_eq!(description.capabilities.iter().copied().collect::<Vec<_>>(), asked);
    assert_eq!(description.digest.as_str().len(), 64);
}

/// F1
#[test]
fn every_builtin_loads() {
    for name in switchhook_builtin::names() {
        let source = PluginSource::Builtin((*name).to_owned());
        assert_eq!(shared().describe(&source).map(|description| description.name).as_deref(), Ok(*name));
    }
}

/// F3
#[test]
fn truncated_component_is_refused() {
    let whole = guests::bytes("policy");
    for length in [5, 9, 1_000, whole.len() / 2, whole.len() - 1] {
        assert!(matches!(refused(&whole[..length]), CatalogueError::NotAPlugin { .. }), "{length}");
    }
}

/// F3
#[test]
fn module_is_not_a_component() {
    check(&refused(b"\0asm\x01\0\0\0"), &["core module", "wasm32-wasip2"]);
}

/// F3
#[test]
fn another_contract_is_named() {
    let mut bytes = guests::bytes("policy");
    for name in ["about", "policy", "types", "log", "groups", "history", "kv", "kv-shared", "attachments"] {
        let (from, to) = (format!("switchhook:plugin/{name}@0.1.0"), format!("switchhook:plugin/{name}@0.9.0"));
        bytes = guests::patched(bytes, &from, &to);
    }
    check(&refused(&bytes), &["contract 0.9", "speaks 0.1"]);
}

/// F3
#[test]
fn an_import_that_is_not_offered_is_named() {
    let bytes =
        guests::patched(guests::bytes("policy"), "switchhook:plugin/kv-shared@", "switchhook:plugon/kv-shared@");
    check(&refused(&bytes), &["does not offer", "switchhook:plugon/kv-shared@0.1.0"]);
    let bytes =
        guests::patched(guests::bytes("policy"), "switchhook:plugin/kv-shared@", "switchhook:plugin/kv-sharee@");
    check(&refused(&bytes), &["switchhook:plugin/kv-sharee@0.1.0"]);
}

/// F3
#[test]
fn two_hooks_in_one_component_are_refused() {
    check(&shared().load(&source("both")).map(|_| ()).unwrap_err(), &["several hooks (policy, reply)"]);
}

/// F3
#[test]
fn functions_of_another_type_are_refused() {
    let error = shared().describe(&source("misfit")).unwrap_err();
    check(&error, &["`decide` of `switchhook:plugin/policy@0.1.0`", "expected `record` found `string`"]);
    check(&error, &["`describe` of `switchhook:plugin/about@0.1.0`", "`configure` of `switchhook:plugin/about@0.1.0`"]);
}

/// F3
#[test]
fn a_trap_in_describe_is_told_without_numbers() {
    let error = shared().describe(&source("broken")).unwrap_err();
    check(&error, &["failed in `describe`", "nothing to say about +[number]"]);
}

#[test]
fn what_is_not_there_is_named() {
    let missing = PluginSource::File("/nowhere/at/all.wasm".into());
    check(&shared().describe(&missing).unwrap_err(), &["/nowhere/at/all.wasm", "can't be read"]);
    let unknown = PluginSource::Builtin("no-such-thing".into());
    assert!(matches!(shared().describe(&unknown), Err(CatalogueError::NoSuchBuiltin { .. })));
}

/// F3
#[test]
fn refused_settings_name_their_places() {
    let settings = json!({ "refuse": true });
    let problems = Catalogue::configure(shared(), &source("policy"), &settings, &LIMITS).unwrap();
    let expect = |path: &str, message: &str| SettingsProblem { path: path.into(), message: message.into() };
    assert_eq!(problems, [expect("/refuse", "never"), expect("", "not like this")]);
    let grants = HookGrants { attachments: true, ..HookGrants::default() };
    let error = shared().prepare(&source("policy"), &settings, &LIMITS, &grants).map(|_| ()).unwrap_err();
    check(&error, &["`configure`", "/refuse: never; not like this"]);
}

/// F4: a plugin that fails while it is configured is an error, never a hook.
#[test]
fn configure_is_bounded_and_asks_nothing() {
    let configure = |settings| {
        let limits = Limits { deadline: std::time::Duration::from_millis(100), ..LIMITS };
        Catalogue::configure(shared(), &source("policy"), &settings, &limits).unwrap_err()
    };
    check(&configure(json!({ "panic": 1 })), &["these settings hurt"]);
    check(&configure(json!({ "loop": 1 })), &["took longer"]);
    check(&configure(json!({ "ask": 1 })), &["groups.sender-in", "may only log"]);
    check(&configure(json!({ "big": "x".repeat(70_000) })), &["65536 is the most"]);
}

/// F5
#[test]
fn attachments_need_a_grant() {
    let error = shared().prepare(&source("policy"), &json!({}), &LIMITS, &HookGrants::default()).map(|_| ());
    check(&error.unwrap_err(), &["attachments = true"]);
}

/// A start with a warm cache neither compiles nor describes.
#[test]
fn what_is_known_is_not_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = PluginHost::new(HostOptions::new(folder.path())).unwrap();
    let digest = first.load(&source("reply")).unwrap().digest;
    let file = |extension: &str| {
        let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut matching = entries.filter(|path| path.extension().is_some_and(|found| found == extension));
        matching.next().unwrap_or_else(|| panic!("no .{extension}"))
    };
    assert!(file("cwasm").to_string_lossy().contains(digest.as_str()));
    let kept = std::fs::read_to_string(file("json")).unwrap();
    std::fs::write(file("json"), kept.replace("everything", "from the cache")).unwrap();

    let no_compiler = Compiler::Child { exe: "/nowhere/at/all".into(), args: Vec::new() };
    let second = PluginHost::new(HostOptions { compiler: no_compiler, ..HostOptions::new(folder.path()) }).unwrap();
    assert_eq!(second.describe(&source("reply")).unwrap().name, "from the cache");
    check(&second.describe(&source("prompt")).unwrap_err(), &["compiler did not start", "/nowhere/at/all"]);
}

#[test]
fn a_damaged_cache_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let load = || PluginHost::new(HostOptions::new(folder.path())).unwrap().load(&source("reply")).unwrap();
    let digest = load().digest;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        // Replaced, not overwritten: the first one is still mapped.
        let path = entry.unwrap().path();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "half a file").unwrap();
    }
    assert_eq!(load().digest, digest);
}

/// F2: many calls are in flight while one version after the other is loaded and put in place.
#[tokio::test(flavor = "multi_thread")]
async fn swapping_versions_under_load_loses_no_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = place(folder.path(), "plugin", &guests::bytes("policy"));
    let current = Arc::new(Mutex::new(policy_of(prepare(shared(), "policy", json!({}), &LIMITS))));
    let mut callers = tokio::task::JoinSet::new();
    let (stop, stopped) = tokio::sync::watch::channel(());
    for _ in 0..4 {
        let (current, stopped) = (Arc::clone(&current), stopped.clone());
        callers.spawn(async move {
            let mut calls = 0;
            while !stopped.has_changed().unwrap() {
                let hook = Arc::clone(&current.lock().unwrap());
                assert_eq!(decide(&hook, "pass").await, Ok(Verdict::Pass));
                calls += 1;
            }
            calls
        });
    }
    let digests = tokio::task::spawn_blocking(move || {
        let mut digests = std::collections::BTreeSet::new();
        for number in 0..4 {
            let aside = folder.path().join("aside");
            std::fs::write(&aside, guests::version(guests::bytes("policy"), number)).unwrap();
            std::fs::rename(&aside, folder.path().join("plugin.wasm")).unwrap();
            let grants = HookGrants { attachments: true, ..HookGrants::default() };
            let prepared = shared().prepare(&path, &json!({ "version": number }), &LIMITS, &grants).unwrap();
            digests.insert(prepared.digest.clone());
            *current.lock().unwrap() = policy_of(prepared);
        }
        digests
    });
    assert_eq!(digests.await.unwrap().len(), 4);
    stop.send(()).unwrap();
    while let Some(calls) = callers.join_next().await {
        assert!(calls.unwrap() > 0);
    }
}
