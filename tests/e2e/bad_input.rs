//! What is asked for wrongly while people talk: each with its status and stable code, and nobody's conversation is touched.

use serde_json::{Value, json};

use crate::harness::{World, telegram_channel, whatsapp_config};

const ALICE: &str = "15550002222";

/// Method, path, body, status and code.
type Wrong = (&'static str, &'static str, Value, u16, &'static str);

fn wrong() -> Vec<Wrong> {
    let none = || Value::Null;
    let code = |number: &str| json!({ "method": "code", "number": number });
    let qr = || json!({ "method": "qr" });
    vec![
        ("POST", "channels/wa/link", code("12"), 400, "bad_request"),
        ("POST", "channels/wa/link", code("+1555abc4567"), 400, "bad_request"),
        ("POST", "channels/wa/link", code("15551234567"), 400, "bad_request"),
        ("POST", "channels/wa/link", json!({ "method": "code" }), 400, "bad_request"),
        ("POST", "channels/wa/link", json!({ "method": "smoke" }), 400, "bad_request"),
        ("POST", "channels/wa/link", json!({ "method": "qr", "colour": 1 }), 400, "bad_request"),
        ("POST", "channels/wa/link", json!([]), 400, "bad_request"),
        ("POST", "channels/wa/link", qr(), 409, "DEVICE_ALREADY_LINKED"),
        ("POST", "channels/wa/link", code("+15550009999"), 409, "DEVICE_ALREADY_LINKED"),
        ("POST", "channels/tg/link", qr(), 400, "bad_request"),
        ("POST", "channels/nobody/link", qr(), 404, "not_found"),
        ("GET", "channels/nobody/link", none(), 404, "not_found"),
        ("GET", "channels/wa/link", none(), 404, "not_found"),
        ("DELETE", "channels/wa/link", none(), 404, "not_found"),
        ("DELETE", "channels/nobody/link", none(), 404, "not_found"),
        ("PUT", "channels/wa/link", qr(), 405, "method_not_allowed"),
        ("GET", "channels/wa/link/qr", none(), 404, "not_found"),
        ("GET", "channels/wa/link/qr?format=gif", none(), 400, "bad_request"),
        ("GET", "channels/nobody/link/qr", none(), 404, "not_found"),
        ("POST", "channels/wa/link/passkey", json!({ "assertion": {} }), 404, "not_found"),
        ("POST", "channels/wa/link/passkey", json!({}), 400, "bad_request"),
        ("POST", "channels/wa/link/passkey/confirm", none(), 404, "not_found"),
        ("POST", "channels/nobody/link/passkey/confirm", none(), 404, "not_found"),
        ("GET", "devices/nobody", none(), 404, "not_found"),
        ("GET", "devices/tg", none(), 400, "bad_request"),
        ("DELETE", "devices/nobody", none(), 404, "not_found"),
        ("DELETE", "devices/tg", none(), 400, "bad_request"),
        ("POST", "devices/nobody/refresh", none(), 404, "not_found"),
        ("POST", "devices/nobody/reset", none(), 404, "not_found"),
        ("POST", "devices/tg/reset", none(), 400, "bad_request"),
        ("PUT", "devices/wa", none(), 405, "method_not_allowed"),
        ("GET", "audit?of=nobody", none(), 400, "bad_request"),
        ("GET", "channels/nobody/health", none(), 404, "not_found"),
    ]
}

/// B11, C6, C8, E1, E4: malformed numbers, unknown accounts, what there is none of and what is no request at all are told
/// with a status, a stable code and words, and nothing else; WhatsApp and Telegram talk on over the sockets they have.
#[tokio::test]
async fn bad_requests_have_their_codes_and_touch_nobody() {
    let world = World::linked(&(whatsapp_config(&format!("\"+{ALICE}\"")) + &telegram_channel("\"tg:1001\""))).await;
    world.whatsapp().contact(ALICE, "Alice").await;
    world.telegram.polled(4242).await;
    for (n, (method, path, body, status, code)) in wrong().into_iter().enumerate() {
        let (answered, said) = world.host.call(method, path, body).await;
        let told = (answered, said["error"]["code"].as_str());
        assert_eq!(told, (status, Some(code)), "{method} {path}: {said}");
        assert!(said["error"]["message"].as_str().is_some_and(|words| words.len() > 10), "{method} {path}: {said}");
        assert_eq!(said["error"].as_object().map(|error| error.len()), Some(2), "nothing else: {said}");
        if n % 8 == 0 {
            world.whatsapp().write(ALICE, &format!("n{n}")).await;
            assert_eq!(world.whatsapp().nth_to(ALICE, n / 8 + 1).await, format!("echo: n{n}"));
        }
    }
    world.telegram.write(4242, 1001, "and you?").await;
    assert_eq!(world.telegram.nth_to(1001, 1).await, "echo: and you?");
    for channel in ["wa", "tg"] {
        let status = &world.host.channel(channel).await.expect("it is listed")["status"];
        assert_eq!((&status["state"], &status["connections"]), (&json!("connected"), &json!(1)), "{channel}");
    }
    let (_, audit) = world.host.call("GET", "audit?of=people", Value::Null).await;
    assert_eq!(audit, json!([]), "nothing was done");
    world.whatsapp().no_violations().await;
}
