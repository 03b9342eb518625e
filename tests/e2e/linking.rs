//! Linking a phone with the command line: what is refused, and that the program people run pairs with nobody but WhatsApp.

use serde_json::{Value, json};

use crate::harness::{OWNER, World, eventually, whatsapp_config};

const ALICE: &str = "15550002222";

/// A host with a WhatsApp channel that nobody has linked.
async fn unlinked() -> World {
    let mut world = World::empty();
    world.whatsapp().account(OWNER).await;
    world.write_config(&whatsapp_config(&format!("\"+{ALICE}\"")));
    world.host.start().await;
    world
}

async fn state(world: &World) -> Value {
    world.host.channel("wa").await.expect("it is listed")["status"]["state"].clone()
}

async fn in_state(world: &World, wanted: &str) {
    eventually(&format!("the channel is {wanted}"), || async { (state(world).await == wanted).then_some(()) }).await;
}

/// B11, C8, E4: what can't be is refused with a code and words, and nothing is asked of anybody.
#[tokio::test]
async fn what_can_not_be_is_refused_in_words() {
    let world = unlinked().await;
    let start = |path: &'static str, body: Value| world.host.call("POST", path, body);
    let (status, said) = start("channels/wa/link", json!({ "method": "code", "number": "12" })).await;
    assert_eq!(status, 400, "{said}");
    assert!(said["error"]["message"].as_str().is_some_and(|text| text.contains("phone number")), "{said}");
    let (status, said) = start("channels/wa/link", json!({ "method": "code" })).await;
    assert_eq!(status, 400, "no number is ever made up: {said}");
    let (status, said) = start("channels/nobody/link", json!({ "method": "qr" })).await;
    assert_eq!(status, 404, "{said}");
    let (status, said) = world.host.call("GET", "channels/wa/link/qr", Value::Null).await;
    assert!([400, 404].contains(&status), "{status} {said}");
    assert_eq!(world.host.cli(&["link", "nobody"]).status.code(), Some(5));
    assert_eq!(world.host.cli(&["link", "wa", "--code", "12"]).status.code(), Some(2));
    assert_eq!(world.whatsapp().entries("handshake").await.len(), 0);
}

/// B19: the program that people run takes nobody's certificate for WhatsApp's, and says so.
#[tokio::test]
async fn plain_program_pairs_with_no_fake() {
    let world = unlinked().await;
    let ended = world.host.link(&["wa"]).end().await;
    assert_eq!((ended.code, &ended.last["status"]), (Some(6), &json!("failed")), "{ended:?}");
    assert!(ended.last["qr"].is_null(), "{ended:?}");
    in_state(&world, "needs-link").await;
}
