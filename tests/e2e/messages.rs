//! The log of what a channel received and sent, and sending through it.

use serde_json::{Value, json};

use crate::harness::{OWNER, World, eventually, whatsapp_config};
use crate::revealed::search;
use crate::whatsapp::{ALICE, BOB, assistant, with_people};

const TO_ALICE: &str = "15550002222@s.whatsapp.net";

fn log(world: &World) -> Vec<Value> {
    let log = world.host.cli_json(&["messages", "wa"]);
    log["messages"].as_array().expect("a list").clone()
}

/// Waits until the message with WhatsApp's id has this status.
async fn known(world: &World, id: &str, status: &str) -> Value {
    eventually(&format!("{id} is {status}"), || async {
        let mut entries = log(world).into_iter().filter(|entry| entry["provider_id"] == id);
        let entry = entries.next()?;
        assert_eq!(entries.next(), None, "one entry each");
        (entry["status"] == status).then_some(entry)
    })
    .await
}

/// The id of the nth message that the device sent.
async fn sent(world: &World, n: usize) -> String {
    let id = eventually("it is sent", || async {
        world.whatsapp().entries("sent").await.get(n - 1).map(|entry| entry["id"].clone())
    });
    id.await.as_str().expect("an id").to_owned()
}

async fn tell(world: &World, from: &str, id: &str, kind: &str) {
    let receipt = json!({ "account": OWNER, "from": from, "ids": [id], "kind": kind });
    world.whatsapp().post("receipt", receipt).await;
}

/// Waits until the device has taken everything that was for it.
async fn taken(world: &World) {
    eventually("it is acknowledged", || async { (world.whatsapp().owner().await["waiting"] == 0).then_some(()) }).await;
}

/// B7: what came and what went, with type, from, to, media and times; sent, delivered and read as the other phone tells it,
/// under the id that WhatsApp knows, once each; a restart forgets nothing.
#[tokio::test]
async fn log_tells_how_far_each_message_came() {
    let mut world = assistant().await;
    let whatsapp = world.whatsapp();
    let media = json!({ "kind": "image", "media_type": "image/png", "content": "not really a picture" });
    let written = whatsapp.say(ALICE, json!({ "text": "what is this?", "media": media })).await;
    let first = sent(&world, 1).await;
    let delivered = known(&world, &first, "delivered").await;
    assert_eq!((&delivered["type"], &delivered["read_at"]), (&json!("text"), &Value::Null), "{delivered}");
    assert!(delivered["sent_at"].is_u64() && delivered["delivered_at"].is_u64(), "{delivered}");
    tell(&world, ALICE, &first, "read").await;
    let read = known(&world, &first, "read").await;
    assert!(read["read_at"].is_u64());
    assert_eq!((&read["from"], &read["to"]), (&json!("whatsapp:wa"), &json!(TO_ALICE)));
    let received = known(&world, &written, "delivered").await;
    let told = (&received["direction"], &received["type"], &received["media_type"], &received["size"]);
    assert_eq!(told, (&json!("inbound"), &json!("image"), &json!("image/png"), &json!(20)), "{received}");
    assert_eq!((&received["from"], &received["to"]), (&json!(format!("wa:{ALICE}")), &json!("whatsapp:wa")));
    // Nobody tells anything of the next.
    whatsapp.fault(json!({ "no_receipts": true })).await;
    whatsapp.write(ALICE, "and this?").await;
    let second = sent(&world, 2).await;
    assert_eq!(known(&world, &second, "sent").await["delivered_at"], Value::Null);
    let before = log(&world);
    world.host.kill();
    world.host.start().await;
    assert_eq!(log(&world), before);
    paged(&world, &before).await;
    world.whatsapp().no_violations().await;
}

async fn paged(world: &World, whole: &[Value]) {
    let (mut paged, mut path) = (Vec::new(), "channels/wa/messages?limit=1".to_owned());
    loop {
        let (status, page) = world.host.call("GET", &path, Value::Null).await;
        assert_eq!(status, 200, "{page}");
        paged.extend(page["messages"].as_array().expect("a list").clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("channels/wa/messages?limit=1&before={next}");
    }
    assert_eq!(paged, whole);
    for (path, status) in [("nobody/messages", 404), ("wa/messages?limit=0", 400), ("wa/messages?before=x", 400)] {
        assert_eq!(world.host.call("GET", &format!("channels/{path}"), Value::Null).await.0, status, "{path}");
    }
}

/// B7: receipts that come while the host is down, or out of order, find their message, and what is read stays read.
#[tokio::test]
async fn receipts_outlive_restarts_and_never_step_back() {
    let mut world = assistant().await;
    world.whatsapp().fault(json!({ "no_receipts": true })).await;
    world.whatsapp().write(ALICE, "hello").await;
    let id = sent(&world, 1).await;
    known(&world, &id, "sent").await;
    world.host.kill();
    tell(&world, ALICE, &id, "read").await;
    world.host.start().await;
    let read = known(&world, &id, "read").await;
    tell(&world, ALICE, &id, "delivered").await;
    taken(&world).await;
    assert_eq!(known(&world, &id, "read").await, read);
    assert!(world.host.stop().await.success());
    world.host.start().await;
    assert_eq!(known(&world, &id, "read").await, read);
    world.whatsapp().no_violations().await;
}

/// B7: what the owner types on the phone is logged as outbound, whatever it is and however it is addressed, is never
/// answered, and comes as far as people's phones tell.
#[tokio::test]
async fn what_the_owner_types_is_logged_and_never_answered() {
    let mut world = assistant().await;
    let whatsapp = world.whatsapp();
    let media =
        json!({ "kind": "document", "media_type": "application/pdf", "content": "twelve bytes", "name": "a.pdf" });
    let group = whatsapp.post("groups", json!({ "subject": "Tea", "members": [OWNER, ALICE] })).await;
    let group = group["id"].as_str().expect("a group has an id").to_owned();
    let typed = [
        ("text", json!({ "to": ALICE, "text": "are you up?", "as": "lid" })),
        ("text", json!({ "to": ALICE, "text": "hello?", "as": "pn" })),
        ("document", json!({ "to": ALICE, "media": media })),
        ("location", json!({ "to": ALICE, "location": { "latitude": 51.5, "longitude": -0.1 } })),
        ("contact", json!({ "to": ALICE, "contact": "Bob Stranger" })),
        ("text", json!({ "group": group, "text": "note to all", "mentions": [OWNER] })),
    ];
    let mut ids = Vec::new();
    for (kind, what) in &typed {
        let id = whatsapp.say(OWNER, what.clone()).await;
        let entry = known(&world, &id, if what["group"].is_null() { "delivered" } else { "sent" }).await;
        assert_eq!((&entry["direction"], &entry["type"]), (&json!("outbound"), &json!(*kind)), "{entry}");
        let to = if what["group"].is_null() { TO_ALICE.to_owned() } else { format!("{group}@g.us") };
        assert_eq!((&entry["from"], &entry["to"]), (&json!("whatsapp:wa"), &json!(to)), "{entry}");
        ids.push(id);
    }
    assert_eq!(known(&world, &ids[2], "delivered").await["size"], 12);
    whatsapp.say(OWNER, json!({ "to": ALICE, "reaction": { "of": ids[0], "emoji": "👍", "from_me": true } })).await;
    tell(&world, ALICE, &ids[0], "read").await;
    known(&world, &ids[0], "read").await;
    // Nothing of the owner's can be under way once what came later is answered.
    whatsapp.write(ALICE, "after").await;
    assert_eq!(whatsapp.nth_to(ALICE, 1).await, "echo: after");
    assert_eq!(world.model.ledger().await.len(), 1, "only what Alice wrote");
    let before = log(&world);
    assert_eq!(before.len(), typed.len() + 2, "{before:?}");
    // Typed while the host is down, and told when it is back.
    assert!(world.host.stop().await.success());
    let late = world.whatsapp().say(OWNER, json!({ "to": ALICE, "text": "good night" })).await;
    world.host.start().await;
    known(&world, &late, "delivered").await;
    assert_eq!(world.whatsapp().texts_to(ALICE).await.len(), 1);
    assert_eq!(log(&world).len(), before.len() + 1);
    world.whatsapp().no_violations().await;
}

/// B7, B10, F6: what is accepted over the API arrives, once for each key, through kill -9 and an outage, under the id in the
/// log; who asked for it is in the audit, the text is not.
#[tokio::test]
async fn message_sent_over_the_api_arrives_once() {
    let mut world = assistant().await;
    world.whatsapp().post("outage", json!({ "on": true })).await;
    let state = async || world.host.channel("wa").await.map(|channel| channel["status"]["state"].clone());
    eventually("the channel notices", || async { (state().await? == "reconnecting").then_some(()) }).await;
    let message = json!({ "to": format!("+{ALICE}"), "text": "the parcel is here" });
    let (status, accepted) = world.host.send("wa", "parcel-7", message.clone()).await;
    assert_eq!(
        (status, &accepted["status"], &accepted["to"]),
        (202, &json!("pending"), &json!(TO_ALICE)),
        "{accepted}"
    );
    world.host.kill();
    world.host.start_unready();
    world.whatsapp().post("outage", json!({ "on": false })).await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, "the parcel is here");
    let id = sent(&world, 1).await;
    let entry = known(&world, &id, "delivered").await;
    assert_eq!(entry["id"], accepted["id"]);
    let (status, again) = world.host.send("wa", "parcel-7", message).await;
    assert_eq!((status, &again["id"], &again["provider_id"]), (200, &accepted["id"], &json!(id)), "{again}");
    let (status, other) = world.host.send("wa", "parcel-7", json!({ "to": ALICE, "text": "another" })).await;
    assert_eq!((status, &other["error"]["code"]), (409, &json!("conflict")), "{other}");
    world.host.send("wa", "parcel-8", json!({ "to": ALICE, "text": "another" })).await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 2).await, "another");
    assert_eq!(world.whatsapp().entries("sent").await.len(), 2);
    let (_, audit) = world.host.call("GET", "audit", Value::Null).await;
    let of = |act: &str| {
        let all = audit.as_array().expect("a list").iter();
        all.filter(|entry| entry["act"] == act).cloned().collect::<Vec<_>>()
    };
    let asked = of("message_send");
    assert_eq!((asked.len(), of("message_sent").len()), (2, 2), "{audit}");
    assert_eq!((&asked[1]["actor"], &asked[1]["address"]), (&json!("api-token"), &json!("127.0.0.1")), "{audit}");
    assert_eq!((&asked[1]["detail"]["delivery"], &asked[1]["subject"]), (&accepted["id"], &json!("wa")), "{audit}");
    assert!(!audit.to_string().contains("parcel is here"), "{audit}");
    world.whatsapp().no_violations().await;
}

/// B7, B11: a bot sends the same way to whoever has written to it, and can't write to a phone number.
#[tokio::test]
async fn bot_sends_what_is_asked_over_the_api() {
    let world = World::assistant("\"tg:1001\"").await;
    world.telegram.write(4242, 1001, "hello").await;
    assert_eq!(world.telegram.nth_to(1001, 1).await, "echo: hello");
    let (status, accepted) = world.host.send("tg", "k", json!({ "to": "tg:1001", "text": "good morning" })).await;
    assert_eq!((status, &accepted["to"]), (202, &json!("1001")), "{accepted}");
    assert_eq!(world.telegram.nth_to(1001, 2).await, "good morning");
    eventually("it is logged as sent", || async {
        let log = world.host.cli_json(&["messages", "tg"]);
        (log["messages"][0]["status"] == "sent").then_some(())
    })
    .await;
    let (status, refused) = world.host.send("tg", "l", json!({ "to": "+15551234567", "text": "hi" })).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("INVALID_RECIPIENT")), "{refused}");
}

/// B11, C8: what can't be sent is refused at once, with its stable code, and nothing of it stays.
#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_its_code() {
    let world = with_people(&(whatsapp_config("") + "daily_limit = 1\nat_daily_limit = \"refuse\"\n")).await;
    let refused = async |to: &str, text: &str| {
        let (status, answer) = world.host.send("wa", "k", json!({ "to": to, "text": text })).await;
        (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let is = |status, code: &str| (status, code.to_owned());
    for to in ["bob", "", "+1", "status@broadcast", "+15559990000"] {
        assert_eq!(refused(to, "hi").await, is(400, "INVALID_RECIPIENT"), "{to}");
    }
    assert_eq!(refused(ALICE, &"x".repeat(65_537)).await, is(400, "MESSAGE_TOO_LARGE"));
    assert_eq!(refused(ALICE, " ").await, is(400, "bad_request"));
    let call = async |channel: &str, body: Value| {
        let (status, answer) = world.host.call("POST", &format!("channels/{channel}/messages"), body).await;
        (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(call("nobody", json!({ "to": ALICE, "text": "hi" })).await, is(404, "not_found"));
    assert_eq!(call("wa", json!({ "to": ALICE, "txt": "hi" })).await, is(400, "bad_request"));
    assert_eq!(log(&world), Vec::<Value>::new());
    // The key of what was refused is still free; the longest text there is goes.
    let longest = "x".repeat(65_536);
    let (status, accepted) = world.host.send("wa", "k", json!({ "to": ALICE, "text": longest })).await;
    assert_eq!(status, 202, "{accepted}");
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, longest);
    known(&world, &sent(&world, 1).await, "delivered").await;
    assert_eq!(call("wa", json!({ "to": ALICE, "text": "one more" })).await, is(429, "RATE_LIMITED"));
    let (status, again) = world.host.send("wa", "k", json!({ "to": ALICE, "text": longest })).await;
    assert_eq!((status, &again["status"]), (200, &json!("delivered")), "what was accepted stays accepted");
    assert_eq!(world.host.call("POST", "devices/wa/reset", Value::Null).await.0, 200);
    assert_eq!(call("wa", json!({ "to": ALICE, "text": "hi" })).await, is(409, "SESSION_INVALID"));
    world.whatsapp().no_violations().await;
}

/// B7, B8, F5: neither what the owner types nor what is sent over the API can be read on disk or in the log.
#[tokio::test]
async fn log_of_messages_is_sealed() {
    let mut world = assistant().await;
    let typed = world.whatsapp().say(OWNER, json!({ "to": BOB, "text": "the cuckoo sings" })).await;
    known(&world, &typed, "delivered").await;
    let message = json!({ "to": format!("+{BOB}"), "text": "an owl answers" });
    assert_eq!(world.host.send("wa", "nightingale", message).await.0, 202);
    let id = sent(&world, 1).await;
    known(&world, &id, "delivered").await;
    let secrets = ["cuckoo", "an owl answers", "nightingale", OWNER, BOB, &typed, &id];
    search(&world, &secrets);
    world.host.stop().await;
    search(&world, &secrets);
    let log = world.host.log_text();
    for secret in secrets {
        assert!(!log.contains(secret), "the log has {secret:?}:\n{log}");
    }
}
