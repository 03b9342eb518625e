//! Linking a phone whose account demands its passkey: what a browser proves, and a code that both sides show.

use serde_json::{Value, json};

use crate::harness::{OWNER, World, eventually};
use crate::linking::{in_state, links_and_answers, unlinked};

/// What a browser makes of these options: `navigator.credentials.get` on WhatsApp's own page.
fn assertion(options: &Value, origin: &str) -> Value {
    let client = json!({ "type": "webauthn.get", "challenge": options["challenge"], "origin": origin });
    json!({
        "id": "AQID", "rawId": "AQID", "type": "public-key",
        "response": {
            "clientDataJSON": base64url(client.to_string().as_bytes()),
            "authenticatorData": "AQID", "signature": "AQID", "userHandle": null,
        },
    })
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = |some: &[u8]| {
        let bits =
            (0..3).fold(0_usize, |bits, at| (bits << 8) | usize::from(some.get(at).copied().unwrap_or_default()));
        let all = [18, 12, 6, 0].map(|shift| char::from(DIGITS[(bits >> shift) & 63]));
        all[..=some.len()].iter().collect::<String>()
    };
    bytes.chunks(3).map(digits).collect()
}

async fn prove(world: &World, path: &str, body: Value) -> (u16, Value) {
    world.host.call("POST", &format!("channels/wa/link/{path}"), body).await
}

/// Begins, and has the phone scan and ask.
async fn asked(world: &World) -> (crate::harness::Linking, Value) {
    world.whatsapp().fault(json!({ "passkey": true })).await;
    let mut linking = world.host.link(&["wa"]);
    let qr = linking.qr().await;
    world.whatsapp().post("scan", json!({ "account": OWNER, "qr": qr })).await;
    let asked = linking.until("a passkey", |attempt| attempt["passkey"].is_object()).await;
    assert_eq!((&asked["status"], &asked["qr"]), (&json!("scanned"), &Value::Null), "{asked}");
    in_state(world, "passkey-required").await;
    (linking, asked["passkey"]["options"].clone())
}

/// B3, B11: the attempt says what the phone asks for, takes the proof, shows the code that the phone shows, and is done
/// when that is confirmed. Nothing can be said before its time.
#[tokio::test]
async fn passkey_is_proven_compared_and_links() {
    let world = unlinked().await;
    let (mut linking, options) = asked(&world).await;
    assert_eq!(options["rpId"], "web.whatsapp.com");
    let (status, said) = prove(&world, "passkey/confirm", Value::Null).await;
    assert_eq!((status, &said["error"]["code"]), (409, &json!("conflict")), "{said}");
    let proof = json!({ "assertion": assertion(&options, "https://web.whatsapp.com") });
    let (status, said) = prove(&world, "passkey", proof.clone()).await;
    assert_eq!(status, 200, "{said}");
    world.whatsapp().post("show-passkey", json!({ "account": OWNER })).await;
    let compares = |attempt: &Value| attempt["passkey"]["compare"].is_string();
    let shown = linking.until("a code to compare", compares).await;
    let phone = world.whatsapp().entry("passkey", |entry| entry["step"]["code"].is_string()).await;
    assert_eq!(shown["passkey"]["compare"], phone["step"]["code"]);
    assert!(!shown["passkey"]["instructions"].as_array().expect("steps").is_empty(), "{shown}");
    let (status, said) = prove(&world, "passkey", proof).await;
    assert_eq!(status, 409, "it was proven already: {said}");
    assert!(world.whatsapp().entries("paired").await.is_empty(), "not before it is confirmed");
    let (status, said) = prove(&world, "passkey/confirm", Value::Null).await;
    assert_eq!(status, 200, "{said}");
    world.whatsapp().entry("passkey", |entry| entry["step"] == "requested").await;
    world.whatsapp().post("confirm-passkey", json!({ "account": OWNER })).await;
    links_and_answers(&world, linking).await;
}

/// B11, E6: a proof that was made on another page is refused in words, and links nobody.
#[tokio::test]
async fn proof_of_another_page_is_refused() {
    let world = unlinked().await;
    let (linking, options) = asked(&world).await;
    let (status, said) = prove(&world, "passkey", json!({ "assertion": { "id": "AQID" } })).await;
    assert_eq!((status, &said["error"]["code"]), (502, &json!("AUTHENTICATION_FAILED")), "{said}");
    assert!(said["error"]["message"].as_str().is_some_and(|text| text.contains("rawId")), "{said}");
    let proof = json!({ "assertion": assertion(&options, "https://example.org") });
    let (status, said) = prove(&world, "passkey", proof).await;
    assert_eq!((status, &said["error"]["code"]), (502, &json!("AUTHENTICATION_FAILED")), "{said}");
    linking.interrupt();
    assert_eq!(linking.end().await.last["status"], "cancelled");
    eventually("it needs a link", || async {
        (world.host.channel("wa").await?["status"]["state"] == "needs-link").then_some(())
    })
    .await;
    assert!(world.whatsapp().entries("paired").await.is_empty());
}
