//! What WhatsApp refuses, or does not answer, while linking and later: with a code, in words, and who did what.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{OWNER, World, eventually, whatsapp_config};
use crate::linking::{in_state, unlinked};

const ALICE: &str = "15550002222";

/// E2: two who ask for a code at once are shown the same, and WhatsApp is asked once.
#[tokio::test]
async fn two_requests_at_once_give_one_code() {
    let world = unlinked().await;
    let number = format!("+{OWNER}");
    let mut first = world.host.link(&["wa", "--code", &number]);
    let mut second = world.host.link(&["wa", "--code", &number]);
    let (one, other) = tokio::join!(first.code(), second.code());
    assert_eq!(one, other);
    assert_eq!(world.whatsapp().entries("code").await.len(), 1);
    let refused = world.host.link(&["wa"]).end().await;
    assert_eq!(refused.code, Some(5), "another method waits its turn: {refused:?}");
    world.whatsapp().post("enter-code", json!({ "account": OWNER, "code": one })).await;
    for linking in [first, second] {
        assert_eq!(linking.end().await.last["status"], "success");
    }
}

/// E3, E6, B11: a request for a code that WhatsApp never answers ends within 20 s and holds nobody up; one that it refuses
/// is told in words that say what to do.
#[tokio::test]
async fn request_that_hangs_or_is_refused_ends_in_words() {
    let world = unlinked().await;
    let number = format!("+{OWNER}");
    let code = async |fault: Value| {
        world.whatsapp().fault(json!({ "code": fault })).await;
        let began = Instant::now();
        let ended = world.host.link(&["wa", "--code", &number]).end().await;
        assert_eq!((ended.code, &ended.last["status"]), (Some(6), &json!("failed")), "{ended:?}");
        (ended.last["error"].clone(), began.elapsed())
    };
    let (hung, took) = code(json!({ "code": 0, "times": 1 })).await;
    assert_eq!((&hung["code"], &hung["retryable"]), (&json!("CONNECTION_TIMEOUT"), &json!(true)), "{hung}");
    assert!(took < Duration::from_secs(23), "{took:?}");
    let (slow_down, _) = code(json!({ "code": 429, "text": "rate-overlimit", "times": 1 })).await;
    assert_eq!(slow_down["code"], "RATE_LIMITED", "{slow_down}");
    assert!(slow_down["message"].as_str().is_some_and(|words| words.contains("wait")), "{slow_down}");
    let (no_codes, _) = code(json!({ "code": 452, "times": 1 })).await;
    assert_eq!(no_codes["code"], "AUTHENTICATION_FAILED", "{no_codes}");
    assert!(no_codes["message"].as_str().is_some_and(|words| words.contains("Scan the QR code")), "{no_codes}");
    world.link().await;
}

/// B4, B10, C7: who linked, unlinked and reset is written down, with from where and by what; what an attempt is remembered
/// with as well.
#[tokio::test]
async fn acts_are_audited_with_who_and_from_where() {
    let world = unlinked().await;
    let linked = world.link().await;
    assert_eq!((&linked.last["asked_by"], &linked.last["asked_from"]), (&json!("api-token"), &json!("127.0.0.1")));
    for command in ["unlink", "reset"] {
        assert!(world.host.cli(&[command, "wa"]).status.success(), "{command}");
        in_state(&world, "needs-link").await;
    }
    let (_, audit) = world.host.call("GET", "audit?of=people", Value::Null).await;
    let audit = audit.as_array().expect("a list");
    let acts: Vec<_> = audit.iter().rev().map(|entry| entry["act"].as_str().expect("an act")).collect();
    assert_eq!(acts, ["link_start", "link_complete", "unlink", "reset"]);
    for entry in audit {
        assert_eq!((&entry["actor"], &entry["subject"]), (&json!("api-token"), &json!("wa")), "{entry}");
        assert_eq!(entry["address"], "127.0.0.1", "{entry}");
        assert!(entry["at"].is_u64() && entry["user_agent"].is_string() && entry["detail"].is_object(), "{entry}");
    }
}

/// B4, B11, C2, C4: what WhatsApp does to a device later shows in its status, with a stable code and words. A replaced or a
/// locked device is not fought for; one that is let in again comes back by itself, or is brought back.
#[tokio::test]
async fn trouble_with_a_device_has_its_code() {
    let world = World::linked(&whatsapp_config(&format!("\"+{ALICE}\""))).await;
    world.whatsapp().contact(ALICE, "Alice").await;
    let refuse = |reason: u16| json!({ "reason": reason, "code": 101, "expire": 3600, "message": "no" });
    let table = [
        (refuse(503), "reconnecting", "CONNECTION_CLOSED", "active"),
        (refuse(405), "reconnecting", "CONNECTION_CLOSED", "active"),
        (refuse(402), "restricted", "DEVICE_BANNED", "active"),
        (refuse(403), "restricted", "DEVICE_BANNED", "active"),
        (Value::Null, "failed", "DEVICE_DISCONNECTED", "disconnected"),
    ];
    for (n, (refusal, state, code, status)) in table.into_iter().enumerate() {
        let body = if refusal.is_null() {
            json!({ "account": OWNER, "code": 409, "conflict": "replaced" })
        } else {
            world.whatsapp().fault(json!({ "refuse": refusal })).await;
            json!({ "account": OWNER, "code": 503 })
        };
        world.whatsapp().post("stream-error", body).await;
        let device = eventually(&format!("{code} of {refusal}"), || async {
            let (_, device) = world.host.call("GET", "devices/wa", Value::Null).await;
            (device["connection"]["state"] == state && device["error"]["code"] == code).then_some(device)
        })
        .await;
        assert_eq!(device["status"], status, "{device}");
        assert!(device["error"]["message"].as_str().is_some_and(|words| words.len() > 20), "{device}");
        world.whatsapp().clear_faults().await;
        let (done, said) = world.host.call("POST", "devices/wa/refresh", Value::Null).await;
        assert_eq!(done, 200, "{said}");
        world.whatsapp().ready().await;
        world.whatsapp().write(ALICE, &format!("n{n}")).await;
        assert_eq!(world.whatsapp().nth_to(ALICE, n + 1).await, format!("echo: n{n}"));
    }
    assert!(world.whatsapp().entries("paired").await.is_empty());
    world.whatsapp().no_violations().await;
}
