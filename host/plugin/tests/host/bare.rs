//! Guests without WASI: those that the host brings, and what `plugins/runtime` gives them.

use serde_json::json;
use switchhook_core::hook::HookFailure;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::kit::{LIMITS, NOW, ask, decide, policy_of, prepare, shared};

/// They import what the contract offers and the clock: each function more is linked into every new instance.
#[test]
fn what_the_host_brings_has_no_wasi_but_the_clock() {
    let engine = Engine::default();
    for name in switchhook_builtin::names() {
        let component = Component::new(&engine, switchhook_builtin::component(name).unwrap()).unwrap();
        for (import, _) in component.component_type().imports(&engine) {
            let may = import.starts_with("switchhook:plugin/") || import.starts_with("wasi:clocks/wall-clock@");
            assert!(may, "{name} imports {import}");
        }
    }
}

/// F4
#[tokio::test]
async fn its_last_words_are_heard() {
    let hook = policy_of(prepare(shared(), "bare", json!({}), &LIMITS));
    match decide(&hook, "panic").await {
        Err(HookFailure::Trap { detail }) => assert!(detail.contains("it hurts"), "{detail}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_knows_what_time_it_is() {
    let hook = policy_of(prepare(shared(), "bare", json!({}), &LIMITS));
    assert_eq!(ask(&hook, "now").await, NOW.0.to_string());
}

#[tokio::test]
async fn its_memory_keeps_what_is_written() {
    let hook = policy_of(prepare(shared(), "bare", json!({}), &LIMITS));
    for seed in 0..20 {
        assert_eq!(ask(&hook, &format!("churn {seed}")).await, "0", "seed {seed}");
    }
}
