//! One call and its bounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use switchhook_core::catalogue::Limits;
use switchhook_core::hook::{HookError, HookFailure, LogLevel, Verdict};

use crate::kit::{LIMITS, Services, ask, decide, message, policy, policy_of, prepare, shared};

#[tokio::test]
async fn verdicts_come_back() {
    let hook = policy(&LIMITS);
    assert_eq!(decide(&hook, "pass").await, Ok(Verdict::Pass));
    let denied = Verdict::Deny { reason: "spam".into(), notice: Some("no".into()) };
    assert_eq!(decide(&hook, "deny spam").await, Ok(denied));
    assert_eq!(decide(&hook, "route other").await, Ok(Verdict::Route { name: "other".into() }));
    let unavailable = HookFailure::Guest(HookError::Unavailable("the moon".into()));
    assert_eq!(decide(&hook, "error").await, Err(unavailable));
}

/// F4
#[tokio::test]
async fn looping_policy_is_cut_off() {
    let limits = Limits { deadline: Duration::from_millis(50), ..LIMITS };
    let hook = policy(&limits);
    let started = Instant::now();
    assert_eq!(decide(&hook, "loop").await, Err(HookFailure::Deadline { limit: limits.deadline }));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(decide(&hook, "pass").await, Ok(Verdict::Pass));
}

/// F4: who asks from where guests run has the call in their own task, bounded all the same.
#[tokio::test]
async fn looping_policy_is_cut_off_where_guests_run() {
    let limits = Limits { deadline: Duration::from_millis(50), ..LIMITS };
    let hook = policy(&limits);
    let asked = shared().worker().spawn(async move {
        let looping = decide(&hook, "loop").await;
        (looping, decide(&hook, "pass").await)
    });
    let (looping, passing) = asked.await.expect("the caller's task goes on");
    assert_eq!(looping, Err(HookFailure::Deadline { limit: limits.deadline }));
    assert_eq!(passing, Ok(Verdict::Pass));
}

/// F4: a fault of the host's own in a call is that call's failure, and not its caller's.
#[tokio::test]
async fn a_panic_in_the_host_fails_the_call_wherever_it_runs() {
    let hook = policy(&LIMITS);
    let services = || Arc::new(Services { panics: true, ..Services::default() });
    let failed = |result| matches!(result, Err(HookFailure::Host { .. }));
    assert!(failed(hook.decide(services().call(), &message("history")).await));
    let asked = shared().worker().spawn(async move { hook.decide(services().call(), &message("history")).await });
    assert!(failed(asked.await.expect("the caller's task goes on")));
}

/// F4: time in the host counts, too.
#[tokio::test]
async fn a_host_that_never_answers_is_cut_off() {
    let limits = Limits { deadline: Duration::from_millis(50), ..LIMITS };
    let services = Arc::new(Services { hangs: true, ..Services::default() });
    let result = policy(&limits).decide(services.call(), &message("history")).await;
    assert_eq!(result, Err(HookFailure::Deadline { limit: limits.deadline }));
}

/// F4
#[tokio::test]
async fn a_trap_costs_one_call_and_says_why() {
    let hook = policy(&LIMITS);
    match decide(&hook, "panic").await {
        Err(HookFailure::Trap { detail }) => assert!(detail.contains("it hurts"), "{detail}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(decide(&hook, "recurse").await, Err(HookFailure::Trap { .. })));
    match decide(&hook, "exit").await {
        Err(HookFailure::Trap { detail }) => assert!(detail.contains("exit code"), "{detail}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(decide(&hook, "pass").await, Ok(Verdict::Pass));
}

/// F4
#[tokio::test]
async fn memory_is_bounded() {
    let hook = policy(&LIMITS);
    assert_eq!(decide(&hook, "grow").await, Err(HookFailure::Memory { limit: LIMITS.memory }));
    let tight = Limits { memory: 8 << 20, ..LIMITS };
    assert_eq!(decide(&policy(&tight), "grow").await, Err(HookFailure::Memory { limit: tight.memory }));
}

/// F4
#[tokio::test]
async fn host_calls_are_counted() {
    let hook = policy(&LIMITS);
    assert_eq!(decide(&hook, "flood-host 64").await, Ok(Verdict::Pass));
    match decide(&hook, "flood-host 65").await {
        Err(HookFailure::Limit { what }) => assert!(what.contains("64"), "{what}"),
        other => panic!("{other:?}"),
    }
}

/// F4: a little too much, and far more than the host wants to copy.
#[tokio::test]
async fn what_is_returned_is_bounded() {
    let hook = policy(&LIMITS);
    assert_eq!(ask(&hook, "return 262144").await.len(), 262_144);
    for size in ["262145", "3000000", "40000000"] {
        let result = decide(&hook, &format!("return {size}")).await;
        assert!(matches!(result, Err(HookFailure::Limit { .. })), "{size}");
    }
}

/// F4
#[tokio::test]
async fn logs_are_bounded_and_redacted() {
    let hook = policy(&LIMITS);
    let log = async |text: &str| {
        let services = Arc::new(Services::default());
        assert_eq!(hook.decide(services.call(), &message(text)).await, Ok(Verdict::Pass));
        services
    };
    let flood = log("flood-log").await.lines();
    assert_eq!(flood.len(), 65);
    assert_eq!(flood[63], "line 63");
    assert!(flood[64].contains("dropped"), "{}", flood[64]);
    assert_eq!(log("log from +15551234567").await.lines(), ["from +[number]"]);
    let long = log(&format!("log {}", "x".repeat(40_000))).await.lines();
    assert_eq!(long[0].len(), 16 * 1024);
}

#[tokio::test]
async fn what_a_guest_prints_is_logged() {
    let services = Arc::new(Services::default());
    assert_eq!(policy(&LIMITS).decide(services.call(), &message("print")).await, Ok(Verdict::Pass));
    let logged = services.logged.lock().unwrap().clone();
    let expect = [
        (LogLevel::Info, "to standard output".to_owned()),
        (LogLevel::Warn, "to standard error of +[number]".to_owned()),
        (LogLevel::Info, "unfinished".to_owned()),
    ];
    assert_eq!(logged, expect);
}

#[tokio::test]
async fn the_host_answers() {
    let hook = policy(&LIMITS);
    assert_eq!(ask(&hook, "in allow_from").await, "true");
    assert_eq!(ask(&hook, "in others").await, "false");
    assert_eq!(ask(&hook, "kv").await, "Some([118]) 42 None");
    assert!(ask(&hook, "kv-large").await.contains("TooLarge"));
    assert_eq!(ask(&hook, "history").await, "2");
    assert_eq!(ask(&hook, "attachment").await, "Some([101, 108, 108])");
}

/// F5: what a plugin did not ask for in its description it does not get.
#[tokio::test]
async fn only_what_was_asked_for_is_given() {
    match decide(&policy(&LIMITS), "kv-shared").await {
        Err(HookFailure::Trap { detail }) => assert!(detail.contains("`kv-shared`"), "{detail}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_instance_is_configured_first() {
    let settings = json!({ "greeting": "hello", "list": [1, 2] });
    let hook = policy_of(prepare(shared(), "policy", settings.clone(), &LIMITS));
    for _ in 0..3 {
        assert_eq!(serde_json::from_str::<serde_json::Value>(&ask(&hook, "settings").await).unwrap(), settings);
    }
}

/// F4: whoever stops waiting stops the guest, too.
#[tokio::test]
async fn a_dropped_call_ends_its_guest() {
    let hook = policy(&LIMITS);
    let services = Arc::new(Services::default());
    let gone = Arc::downgrade(&services);
    let call = services.call();
    drop(services);
    let started = Instant::now();
    let cut = tokio::time::timeout(Duration::from_millis(30), hook.decide(call, &message("loop"))).await;
    assert!(cut.is_err());
    // The instance holds the services until it is torn down.
    while gone.strong_count() > 0 {
        assert!(started.elapsed() < LIMITS.deadline / 2, "the guest goes on");
        tokio::task::yield_now().await;
    }
}
