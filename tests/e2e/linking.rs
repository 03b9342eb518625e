//! Linking a phone, as a person does it: with the command line, the program that takes the fake's certificate, and the
//! fake's phones.

use serde_json::{Value, json};

use crate::harness::{Linked, OWNER, World, eventually, whatsapp_config};

const ALICE: &str = "15550002222";
const OTHER: &str = "15550004444";

/// A host with a WhatsApp channel that nobody has linked, and the phones of two people.
async fn unlinked() -> World {
    with_config(&whatsapp_config(&format!("\"+{ALICE}\""))).await
}

async fn with_config(config: &str) -> World {
    let mut world = World::empty();
    world.host.instrumented();
    for phone in [OWNER, OTHER] {
        world.whatsapp().account(phone).await;
    }
    world.whatsapp().contact(ALICE, "Alice Liddell").await;
    world.write_config(config);
    world.host.start().await;
    world
}

/// Links by QR code, and waits until the device is connected.
async fn link(world: &World) -> Linked {
    let mut linking = world.host.link(&["wa"]);
    let qr = linking.qr().await;
    world.whatsapp().post("scan", json!({ "account": OWNER, "qr": qr })).await;
    let linked = linking.end().await;
    assert_eq!(linked.code, Some(0), "{linked:?}");
    world.whatsapp().ready().await;
    linked
}

async fn state(world: &World) -> Value {
    world.host.channel("wa").await.expect("it is listed")["status"]["state"].clone()
}

async fn in_state(world: &World, wanted: &str) {
    eventually(&format!("the channel is {wanted}"), || async { (state(world).await == wanted).then_some(()) }).await;
}

/// B2, E6: a code of two groups of four, typed wrongly and then rightly.
#[tokio::test]
async fn typed_code_links_after_a_wrong_one() {
    let world = unlinked().await;
    let number = format!("+{OWNER}");
    let mut linking = world.host.link(&["wa", "--code", &number]);
    let shown = linking.until("a code", |attempt| attempt["code"].is_object()).await;
    let code = shown["code"]["code"].as_str().expect("a code").to_owned();
    let groups: Vec<&str> = code.split('-').collect();
    assert!(groups.len() == 2 && groups.iter().all(|group| group.len() == 4), "{code}");
    assert!(!shown["code"]["instructions"].as_array().expect("steps").is_empty(), "{shown}");
    assert_eq!(shown["number"], number.as_str());
    let wrong = if code == "ABCD-EFGH" { "HGFE-DCBA" } else { "ABCD-EFGH" };
    world.whatsapp().post("enter-code", json!({ "account": OWNER, "code": wrong })).await;
    world.whatsapp().entry("code_refused", |_| true).await;
    world.whatsapp().post("enter-code", json!({ "account": OWNER, "code": code })).await;
    let linked = linking.end().await;
    assert_eq!((linked.code, &linked.last["status"]), (Some(0), &json!("success")), "{linked:?}");
    world.whatsapp().ready().await;
    world.whatsapp().write(ALICE, "hello").await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, "echo: hello");
    world.whatsapp().no_violations().await;
}

/// B1: a QR code that the server withdraws is replaced, and the dead one links nobody.
#[tokio::test]
async fn withdrawn_qr_code_is_replaced_and_dead() {
    let world = unlinked().await;
    let mut linking = world.host.link(&["wa"]);
    let first = linking.qr().await;
    world.whatsapp().post("rotate", json!({})).await;
    let other = |attempt: &Value| attempt["qr"]["payload"].as_str().is_some_and(|payload| payload != first);
    let second = linking.until("another QR code", other).await;
    let second = second["qr"]["payload"].as_str().expect("a payload");
    world.whatsapp().post("scan", json!({ "account": OWNER, "qr": second })).await;
    assert_eq!(linking.end().await.code, Some(0));
}

/// B3: Ctrl-C cancels: the attempt is over, its code links nobody any more, and the next one starts at once.
#[tokio::test]
async fn interrupted_command_cancels_the_attempt() {
    let world = unlinked().await;
    let mut linking = world.host.link(&["wa"]);
    let qr = linking.qr().await;
    linking.interrupt();
    let ended = linking.end().await;
    assert_eq!((ended.code, &ended.last["status"]), (Some(6), &json!("cancelled")), "{ended:?}");
    assert!(ended.stderr.contains("LINKING_CANCELLED"), "{ended:?}");
    eventually("the dead code is refused", || async {
        world.whatsapp().try_post("scan", json!({ "account": OWNER, "qr": qr })).await.is_err().then_some(())
    })
    .await;
    let linked = link(&world).await;
    assert_eq!(linked.last["attempt"], 2);
}

/// E6: a phone that is not the one the config names is unlinked again, and a person is told in words.
#[tokio::test]
async fn another_phone_than_the_configured_one_is_refused_in_words() {
    let config = whatsapp_config(&format!("\"+{ALICE}\""));
    let config = config.replace("kind = \"whatsapp\"\n", &format!("kind = \"whatsapp\"\nnumber = \"+{OTHER}\"\n"));
    let world = with_config(&config).await;
    let mut linking = world.host.link(&["wa"]);
    let qr = linking.qr().await;
    world.whatsapp().post("scan", json!({ "account": OWNER, "qr": qr })).await;
    let ended = linking.end().await;
    assert_eq!((ended.code, &ended.last["status"]), (Some(6), &json!("failed")), "{ended:?}");
    assert!(ended.stderr.contains(OTHER), "it names the phone that is expected: {ended:?}");
    world.whatsapp().entry("logged_out", |entry| entry["account"] == OWNER).await;
    in_state(&world, "needs-link").await;
}

/// E5: a reset wipes the credentials and tells nobody; the channel links again.
#[tokio::test]
async fn reset_wipes_and_the_channel_links_again() {
    let world = unlinked().await;
    link(&world).await;
    let output = world.host.cli(&["reset", "wa"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    in_state(&world, "needs-link").await;
    assert_eq!(world.whatsapp().entries("logged_out").await.len(), 0, "the phone was not told");
    world.whatsapp().post("unlink", json!({ "account": OWNER })).await;
    link(&world).await;
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
    let mut world = World::empty();
    world.whatsapp().account(OWNER).await;
    world.write_config(&whatsapp_config(&format!("\"+{ALICE}\"")));
    world.host.start().await;
    let ended = world.host.link(&["wa"]).end().await;
    assert_eq!((ended.code, &ended.last["status"]), (Some(6), &json!("failed")), "{ended:?}");
    assert!(ended.last["qr"].is_null(), "{ended:?}");
    in_state(&world, "needs-link").await;
}
