//! Attacks on one call and on the host that loads the plugin, by the plugins of `tests/hostile`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchhook_core::catalogue::{Catalogue, Limits};
use switchhook_core::hook::{Hook, HookFailure, Outcome, PolicyHook, Verdict};
use switchhook_plugin::{Compiler, HookGrants, HostOptions, PluginHost};

use crate::components;
use crate::guests;
use crate::kit::{LIMITS, Services, decide, message, place, policy_of, reply, shared};

/// The attacker, in a version of its own.
fn attacker(number: u8, settings: Value, limits: &Limits) -> Arc<dyn PolicyHook> {
    prepared(&guests::version(components::rust("policy"), number), settings, limits)
}

fn prepared(bytes: &[u8], settings: Value, limits: &Limits) -> Arc<dyn PolicyHook> {
    let folder = tempfile::tempdir().unwrap();
    let source = place(folder.path(), "hostile", bytes);
    policy_of(shared().prepare(&source, &settings, limits, &HookGrants::default()).unwrap())
}

/// F4: each attack ends as what it is, and the next call knows nothing of it.
#[tokio::test]
async fn every_attack_costs_its_own_call() {
    // What ends by another limit has all the time it wants: on a busy machine the clock would be quicker.
    let limited = |deadline| attacker(0, json!({}), &Limits { deadline, ..LIMITS });
    let [hurried, patient] = [Duration::from_millis(500), Duration::from_secs(60)].map(limited);
    for (attack, code) in [
        ("loop", "deadline"),
        ("hold-future", "deadline"),
        ("wasi-calls", "deadline"),
        ("logs", "deadline"),
        ("print", "deadline"),
        ("memory", "memory"),
        ("handles", "trap"),
        ("trap", "trap"),
        ("stack", "trap"),
        ("exit", "trap"),
        ("host-calls", "limit"),
        ("kv", "limit"),
        ("kv-keys", "limit"),
        ("string", "limit"),
        ("long-reason", "limit"),
        ("error", "internal"),
    ] {
        let hook = if code == "deadline" { &hurried } else { &patient };
        let failure = decide(hook, attack).await.expect_err(attack);
        assert_eq!(failure.code(), code, "{attack}: {failure}");
        assert!(failure.to_string().len() < 1_000, "{attack} fills the journal with its reason");
        assert_eq!(decide(hook, "hello").await, Ok(Verdict::Pass), "after {attack}");
    }
}

/// F4
#[tokio::test]
async fn tables_are_bounded() {
    let hook = prepared(&components::text("table"), json!({}), &LIMITS);
    match decide(&hook, &"long ".repeat(10_000)).await {
        Err(HookFailure::Limit { what }) => assert!(what.contains("table"), "{what}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(decide(&hook, "short").await, Ok(Verdict::Pass));
}

/// F4: a few bytes each, and a flood for whoever has to read it.
#[tokio::test]
async fn actions_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let source = place(folder.path(), "hostile", &components::rust("reply"));
    let prepared = shared().prepare(&source, &json!({}), &LIMITS, &HookGrants::default()).unwrap();
    let Hook::Reply(hook) = prepared.hook else { panic!("a {} hook", prepared.kind) };
    match hook.handle(Arc::new(Services::default()).call(), &message("sends")).await {
        Err(HookFailure::Limit { what }) => assert!(what.contains("5000 things"), "{what}"),
        other => panic!("{other:?}"),
    }
}

/// F3, F4: a description is believed in nothing.
#[test]
fn lies_are_refused_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (lie, expect) in [
        ("lie:name--------", "more data"),
        ("lie:groups------", "more data"),
        ("lie:text--------", "no JSON"),
        ("lie:trap--------", "it does not say"),
        ("lie:loop--------", "longer than 2s"),
    ] {
        let bytes = guests::patched(components::rust("policy"), "lie:none--------", lie);
        let error = shared().describe(&place(folder.path(), "liar", &bytes)).expect_err(lie).to_string();
        assert!(error.contains(expect) && error.contains("`describe`"), "{lie}: {error}");
    }
}

/// F3, F4
#[test]
fn configure_that_attacks_is_refused() {
    let limits = Limits { deadline: Duration::from_millis(200), ..LIMITS };
    let folder = tempfile::tempdir().unwrap();
    let source = place(folder.path(), "hostile", &components::rust("policy"));
    for (attack, expect) in [("panic", "these settings hurt"), ("loop", "longer than"), ("problems", "more data")] {
        let error = Catalogue::configure(shared(), &source, &json!({ "do": attack }), &limits).unwrap_err().to_string();
        assert!(error.contains(expect), "{attack}: {error}");
    }
}

/// What the fuzzers and their seeds lift from is what its text says. `SWITCHHOOK_WRITE_MIRRORS=1` makes it so.
#[test]
fn mirrors_are_woven_from_their_text() {
    for hook in ["policy", "reply", "prompt"] {
        let woven = components::woven("mirror", hook);
        let seed = format!("{}/../../tests/fuzz/seeds/component/mirror-{hook}.wasm", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("SWITCHHOOK_WRITE_MIRRORS").is_some() {
            std::fs::write(&seed, &woven).unwrap();
        }
        assert!(std::fs::read(&seed).unwrap() == woven, "{seed} is of another text");
    }
}

/// F4: two plugins that never give back what they have leave slots for a third.
#[tokio::test(flavor = "multi_thread")]
async fn several_spinning_plugins_starve_nobody() {
    let limits = Limits { deadline: Duration::from_secs(1), ..LIMITS };
    let innocent = reply(&LIMITS);
    let mut spinners = tokio::task::JoinSet::new();
    for number in 1..3 {
        let hook = attacker(number, json!({}), &limits);
        for _ in 0..shared().report().slots {
            let hook = Arc::clone(&hook);
            spinners.spawn(async move { decide(&hook, "loop").await });
        }
    }
    let mut meanwhile = 0;
    while !spinners.is_empty() {
        let outcome = innocent.handle(Arc::new(Services::default()).call(), &message("pass")).await;
        assert_eq!(outcome, Ok(Outcome::Pass));
        meanwhile += usize::from(!spinners.is_empty());
        while let Some(result) = spinners.try_join_next() {
            let failure = result.unwrap().expect_err("it spins");
            assert!(matches!(failure.code(), "deadline" | "host"), "{failure}");
        }
    }
    assert!(meanwhile > 20, "only {meanwhile} calls went through");
}

/// F3, F4: what was refused is not compiled again at each reload, and is told of the file it is in now.
#[test]
fn refused_component_is_compiled_once() {
    let folder = tempfile::tempdir().unwrap();
    let count = folder.path().join("count");
    let script = format!("echo compiled >> {}; echo it is no good; exit 1", count.display());
    let compiler = Compiler::Child { exe: "/bin/sh".into(), args: vec!["-c".into(), script] };
    let host = PluginHost::new(HostOptions { compiler, ..HostOptions::new(folder.path().join("cache")) }).unwrap();
    let bytes = components::rust("policy");
    for name in ["first", "first", "second"] {
        let error = host.describe(&place(folder.path(), name, &bytes)).unwrap_err().to_string();
        assert!(error.contains("it is no good") && error.contains(name), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), 1);
    host.describe(&place(folder.path(), "first", &guests::version(bytes, 1))).unwrap_err();
    assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), 2, "other bytes are another matter");
}
