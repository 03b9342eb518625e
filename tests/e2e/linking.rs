//! Linking a phone, as a person does it: with the command line, the program that takes the fake's certificate, and the
//! fake's phones.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Linking, Network, OWNER, Wire, World, anywhere, eventually, whatsapp_config, while_linking};

const ALICE: &str = "15550002222";
const OTHER: &str = "15550004444";

/// A host with a WhatsApp channel that nobody has linked, and the phones of two people.
pub(crate) async fn unlinked() -> World {
    with_config(&whatsapp_config(&format!("\"+{ALICE}\""))).await
}

pub(crate) async fn with_config(config: &str) -> World {
    started(World::empty(), config).await
}

/// The same with a wire to WhatsApp that can be cut.
async fn unlinked_by_wire() -> (World, Wire) {
    let world = World::empty();
    let wire = Wire::to(&world.whatsapp().url);
    let config = whatsapp_config(&format!("\"+{ALICE}\"")).replace("{WHATSAPP}", wire.url());
    (started(world, &config).await, wire)
}

async fn started(mut world: World, config: &str) -> World {
    world.host.instrumented();
    for phone in [OWNER, OTHER] {
        world.whatsapp().account(phone).await;
    }
    world.whatsapp().contact(ALICE, "Alice Liddell").await;
    world.write_config(config);
    world.host.start().await;
    world
}

async fn state(world: &World) -> Value {
    world.host.channel("wa").await.expect("it is listed")["status"]["state"].clone()
}

pub(crate) async fn in_state(world: &World, wanted: &str) {
    eventually(&format!("the channel is {wanted}"), || async { (state(world).await == wanted).then_some(()) }).await;
}

fn device(world: &World) -> Value {
    world.host.cli_json(&["devices", "wa"])
}

/// A1, B1, B3: a phone scans what is shown, the attempt is told step by step and remembered, and the channel answers; what
/// was written before the link is left alone.
#[tokio::test]
async fn scanned_phone_is_linked_and_its_people_are_answered() {
    let world = unlinked().await;
    in_state(&world, "needs-link").await;
    let linked = world.link().await;
    assert_eq!(linked.last["status"], "success");
    let progress = json!({ "qr_scanned": true, "device_linked": true, "sync_complete": true });
    assert_eq!(linked.last["progress"], progress);
    assert_eq!((&linked.last["method"], &linked.last["attempt"]), (&json!("qr"), &json!(1)));
    assert!(linked.last["qr"].is_null(), "what was scanned is shown no more: {}", linked.last);
    let device = device(&world);
    assert_eq!((&device["status"], &device["number"]), (&json!("active"), &json!(format!("+{OWNER}"))), "{device}");
    assert_eq!(
        (&device["platform"], &device["method"]),
        (&json!("android"), &json!("qr")),
        "as the phone said: {device}"
    );

    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    let long_ago = long_ago.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    world.whatsapp().say(ALICE, json!({ "text": "before the link", "at": long_ago })).await;
    world.whatsapp().write(ALICE, "hello").await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, "echo: hello");
    assert_eq!(world.whatsapp().texts_to(ALICE).await.len(), 1);
    world.whatsapp().no_violations().await;
}

/// The command ends well, and the first who writes is answered.
pub(crate) async fn links_and_answers(world: &World, linking: Linking) {
    let linked = linking.end().await;
    assert_eq!((linked.code, &linked.last["status"]), (Some(0), &json!("success")), "{linked:?}");
    world.whatsapp().ready().await;
    world.whatsapp().write(ALICE, "hello").await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, "echo: hello");
    world.whatsapp().no_violations().await;
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
    links_and_answers(&world, linking).await;
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
    let linked = world.link().await;
    assert_eq!(linked.last["attempt"], 2);
}

/// B12, B1: where WhatsApp can't be reached it is tried again after a moment, and where the connection breaks under a QR
/// code, the next connection brings another. A person who waits sees a code and no failure.
#[tokio::test]
async fn broken_connection_is_made_again_while_a_person_waits() {
    let (world, wire) = unlinked_by_wire().await;
    wire.set(Network::Closed);
    let mut linking = world.host.link(&["wa"]);
    wire.until_turned_away(2).await;
    wire.set(Network::Up);
    let first = linking.qr().await;
    assert_eq!(wire.turned_away(), 2);
    wire.set(Network::Closed);
    linking.until("the dead code is shown no more", |attempt| attempt["qr"].is_null()).await;
    wire.set(Network::Up);
    let second = linking.qr().await;
    assert_ne!(first, second);
    world.whatsapp().post("scan", json!({ "account": OWNER, "qr": second })).await;
    links_and_answers(&world, linking).await;
}

/// B12, B2: a pairing code dies with its connection; the next one is asked for by itself.
#[tokio::test]
async fn pairing_code_is_asked_for_again_after_its_connection_broke() {
    let (world, wire) = unlinked_by_wire().await;
    let mut linking = world.host.link(&["wa", "--code", &format!("+{OWNER}")]);
    let first = linking.code().await;
    wire.set(Network::Closed);
    linking.until("the dead code is shown no more", |attempt| attempt["code"].is_null()).await;
    wire.set(Network::Up);
    let second = linking.code().await;
    assert_ne!(first, second);
    assert_eq!(world.whatsapp().entries("code").await.len(), 2);
    world.whatsapp().post("enter-code", json!({ "account": OWNER, "code": second })).await;
    links_and_answers(&world, linking).await;
}

/// B12, B11, C8: three times more and not for ever; then in words, and the next attempt may begin.
#[tokio::test]
async fn attempt_ends_in_words_where_whatsapp_stays_away() {
    let (world, wire) = unlinked_by_wire().await;
    wire.set(Network::Closed);
    for args in [&["wa"][..], &["wa", "--code", &format!("+{OWNER}")]] {
        let before = wire.turned_away();
        let ended = world.host.link(args).end().await;
        assert_eq!((ended.code, &ended.last["status"]), (Some(6), &json!("failed")), "{ended:?}");
        let error = &ended.last["error"];
        assert_eq!((&error["code"], &error["retryable"]), (&json!("CONNECTION_CLOSED"), &json!(true)), "{error}");
        assert!(ended.stderr.contains("can't be reached"), "{ended:?}");
        assert_eq!(wire.turned_away() - before, 4);
        in_state(&world, "needs-link").await;
    }
    wire.set(Network::Up);
    world.link().await;
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

/// E1: a code for another number than the one that is linked asks for a word first, and then clears what was there, and
/// says so in the log and in the audit.
#[tokio::test]
async fn another_number_needs_a_word_and_clears_the_old_one() {
    let world = unlinked().await;
    world.link().await;
    let other = format!("+{OTHER}");
    let refused = world.host.link(&["wa", "--code", &other]).end().await;
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(refused.stderr.contains("confirm"), "{refused:?}");
    world.whatsapp().write(ALICE, "still there?").await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, "echo: still there?");

    let mut linking = world.host.link(&["wa", "--code", &other, "--confirm"]);
    let code = linking.code().await;
    world.whatsapp().post("enter-code", json!({ "account": OTHER, "code": code })).await;
    let linked = linking.end().await;
    assert_eq!(linked.code, Some(0), "{linked:?}");
    assert_eq!(device(&world)["number"], other.as_str());
    assert!(world.host.log_text().contains("the link that stands is given up for a new one"));
    let (_, audit) = world.host.call("GET", "audit?of=people", Value::Null).await;
    let unlinked = audit.as_array().and_then(|all| all.iter().find(|entry| entry["act"] == "unlink"));
    assert_eq!(unlinked.map(|entry| &entry["detail"]["why"]), Some(&json!("replaced by a new link")), "{audit}");
}

/// B5, B11: unlinked from here the phone is told; unlinked on the phone the host says that it needs a link. After either
/// the channel links again.
#[tokio::test]
async fn link_ends_from_both_sides_and_can_be_made_again() {
    let world = unlinked().await;
    world.link().await;
    let output = world.host.cli(&["unlink", "wa"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world.whatsapp().entry("logged_out", |_| true).await;
    in_state(&world, "needs-link").await;
    assert_eq!(device(&world)["status"], "revoked");

    world.link().await;
    world.whatsapp().post("unlink", json!({ "account": OWNER })).await;
    in_state(&world, "needs-link").await;
    assert_eq!(device(&world)["status"], "revoked");

    world.link().await;
    world.whatsapp().write(ALICE, "hello").await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, "echo: hello");
}

/// E5: a reset wipes the credentials and tells nobody; the channel links again.
#[tokio::test]
async fn reset_wipes_and_the_channel_links_again() {
    let world = unlinked().await;
    world.link().await;
    let output = world.host.cli(&["reset", "wa"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    in_state(&world, "needs-link").await;
    assert_eq!(world.whatsapp().entries("logged_out").await.len(), 0, "the phone was not told");
    world.whatsapp().post("unlink", json!({ "account": OWNER })).await;
    world.link().await;
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

/// B19, E6: the program that people run takes nobody's certificate for WhatsApp's, and says so.
#[tokio::test]
async fn plain_program_pairs_with_no_fake() {
    let mut world = World::empty();
    world.whatsapp().account(OWNER).await;
    world.write_config(&whatsapp_config(&format!("\"+{ALICE}\"")));
    world.host.start().await;
    let ended = world.host.link(&["wa"]).end().await;
    assert_eq!((ended.code, &ended.last["status"]), (Some(6), &json!("failed")), "{ended:?}");
    assert!(ended.last["qr"].is_null(), "{ended:?}");
    assert!(ended.stderr.contains("has no certificate of WhatsApp's"), "{ended:?}");
    // It was there and could be reached: nobody came through its handshake.
    let handshakes = world.whatsapp().entries("handshake").await;
    assert!(handshakes.is_empty(), "{handshakes:?}");
    world.whatsapp().entry("closed", |_| true).await;
    in_state(&world, "needs-link").await;
}

/// F6, B3: 20 times kill -9 while linking, from the code just shown to the device connected. What was linked stays linked
/// and answers; what was not links anew; a phone is never left with a device that nobody can be.
#[tokio::test]
async fn kill_while_linking_keeps_the_link_or_its_absence() {
    let config = format!("link_attempts_per_hour = 100\n{}", whatsapp_config(&format!("\"+{ALICE}\"")));
    let mut world = with_config(&config).await;
    let toll = while_linking(&mut world, ALICE, 20, anywhere()).await;
    println!("while linking: {toll:?}");
    assert_eq!((toll.kills, toll.lost, toll.unrecorded, toll.overtaking), (20, 0, 0, 0));
}
