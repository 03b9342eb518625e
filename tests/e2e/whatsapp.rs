//! The main job on WhatsApp, with a device that was linked before and the program that people run: who is answered, who
//! is not, and how one account's trouble leaves the others alone.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{
    Network, OWNER, PAGE_CONFIG, Traffic, WRITER, WhatsApp, World, anywhere, eventually, eventually_within,
    telegram_channel, whatsapp_config, while_chatting,
};
use crate::revealed::{looks, search};

pub(crate) const ALICE: &str = "15550002222";
pub(crate) const BOB: &str = "15550003333";

/// The assistant for Alice, with her and Bob on the phone's list.
pub(crate) async fn assistant() -> World {
    with_people(&whatsapp_config(&format!("\"+{ALICE}\""))).await
}

pub(crate) async fn with_people(config: &str) -> World {
    let world = World::linked(config).await;
    world.whatsapp().contact(ALICE, "Alice Liddell").await;
    world.whatsapp().contact(BOB, "Bob Stranger").await;
    world
}

/// What the fake saw of the device that a person could see, for one person.
async fn shown_to(whatsapp: &WhatsApp, number: &str) -> Vec<String> {
    let mut shown = Vec::new();
    for event in ["sent", "typing", "receipt"] {
        for entry in whatsapp.entries(event).await {
            let seen = entry["chat"] == number && entry["kind"] != "delivered";
            shown.extend(seen.then(|| entry.to_string()));
        }
    }
    shown
}

/// A1, A2: somebody on the allowlist is answered by the model, over a socket that the host opened itself; whether a
/// message comes under the sender's number or under a LID, it is the same person in the same conversation.
#[tokio::test]
async fn allowed_sender_is_answered_by_the_model() {
    let world = assistant().await;
    let whatsapp = world.whatsapp();
    whatsapp.say(ALICE, json!({ "text": "hello", "as": "lid" })).await;
    assert_eq!(whatsapp.nth_to(ALICE, 1).await, "echo: hello");
    whatsapp.say(ALICE, json!({ "text": "again", "as": "pn" })).await;
    assert_eq!(whatsapp.nth_to(ALICE, 2).await, "echo: again");
    let asked = world.model.ledger().await;
    let second = asked.last().expect("the model was asked")["messages"].to_string();
    assert!(second.contains("hello") && second.contains("echo: hello"), "one conversation: {second}");
    whatsapp.no_violations().await;
}

/// A2: an entry may name the LID as well.
#[tokio::test]
async fn allowlist_entry_may_be_a_lid() {
    let world = with_people(&whatsapp_config(&format!("\"wa:9{ALICE}@lid\""))).await;
    for (n, name) in ["lid", "pn"].into_iter().enumerate() {
        world.whatsapp().say(ALICE, json!({ "text": name, "as": name })).await;
        assert_eq!(world.whatsapp().nth_to(ALICE, n + 1).await, format!("echo: {name}"));
    }
}

/// A3: a stranger gets nothing but the delivery receipt of the protocol: no answer, no read mark, no typing, no model.
#[tokio::test]
async fn stranger_gets_nothing_and_no_model_is_asked() {
    let world = assistant().await;
    let whatsapp = world.whatsapp();
    let id = whatsapp.write(BOB, "let me in").await;
    whatsapp.entry("receipt", |entry| entry["id"] == id.as_str() && entry["kind"] == "delivered").await;
    let denied = eventually("the denial is on record", || async {
        let explained = world.host.cli_json(&["explain", "m1"]);
        (explained["state"] == "denied").then_some(explained)
    })
    .await;
    assert!(denied["reason"].as_str().expect("a reason").contains("allow_from"), "{denied}");
    // Nothing of the stranger's can still be under way once what came later is answered.
    whatsapp.write(ALICE, "after").await;
    whatsapp.nth_to(ALICE, 1).await;
    assert_eq!(shown_to(whatsapp, BOB).await, Vec::<String>::new());
    assert!(!shown_to(whatsapp, ALICE).await.is_empty(), "what is looked for exists");
    assert_eq!(world.model.ledger().await.len(), 1, "only the allowed sender's message");
}

/// In a group only what mentions the owner is answered, there, and everybody can read it.
#[tokio::test]
async fn group_message_needs_a_mention() {
    let world = assistant().await;
    let whatsapp = world.whatsapp();
    let members = [ALICE, BOB, OWNER];
    let group = whatsapp.post("groups", json!({ "subject": "Tea", "members": members })).await;
    let group = group["id"].as_str().expect("a group has an id");
    whatsapp.say(ALICE, json!({ "group": group, "text": "just talking" })).await;
    whatsapp.say(BOB, json!({ "group": group, "text": "may I?", "mentions": [OWNER] })).await;
    whatsapp.say(ALICE, json!({ "group": group, "text": "what time is it?", "mentions": [OWNER] })).await;
    let answer = whatsapp.nth_to(ALICE, 1).await;
    assert!(answer.contains("what time is it?"), "{answer}");
    assert_eq!(whatsapp.texts_to(BOB).await, [answer]);
    whatsapp.no_violations().await;
}

/// A picture comes with its caption; an edit, a reaction and a deletion are taken in and answer nothing.
#[tokio::test]
async fn caption_is_answered_and_what_happens_to_it_is_not() {
    let world = assistant().await;
    let whatsapp = world.whatsapp();
    let media = json!({ "kind": "image", "media_type": "image/png", "content": "not really a picture" });
    let picture = whatsapp.say(ALICE, json!({ "text": "what is this?", "media": media })).await;
    assert!(whatsapp.nth_to(ALICE, 1).await.contains("what is this?"));
    whatsapp.say(ALICE, json!({ "reaction": { "of": picture, "emoji": "👍" } })).await;
    whatsapp.say(ALICE, json!({ "edit": picture, "text": "what was this?" })).await;
    whatsapp.say(ALICE, json!({ "delete": picture })).await;
    whatsapp.write(ALICE, "after").await;
    assert_eq!(whatsapp.nth_to(ALICE, 2).await, "echo: after");
    eventually("everything is acknowledged", || async { (whatsapp.owner().await["waiting"] == 0).then_some(()) }).await;
    assert_eq!(whatsapp.texts_to(ALICE).await.len(), 2);
    whatsapp.no_violations().await;
}

/// A4, A5, C5: what came while the host was down is answered on return, unless it is older than the configured age;
/// stopped or killed, it comes back by itself within 60 s and pairs with nobody.
#[tokio::test]
async fn restart_needs_no_pairing_and_answers_what_came_meanwhile() {
    let mut world = assistant().await;
    let mut answers = 0;
    for killed in [false, true] {
        if killed {
            world.host.kill();
        } else {
            assert!(world.host.stop().await.success());
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        world.whatsapp().say(ALICE, json!({ "text": "too old", "at": now - 25 * 3600 })).await;
        world.whatsapp().write(ALICE, &format!("meanwhile {killed}")).await;
        world.host.start_unready();
        answers += 1;
        eventually_within(Duration::from_secs(60), "the answer", || async {
            (world.whatsapp().texts_to(ALICE).await.len() >= answers).then_some(())
        })
        .await;
        assert_eq!(world.whatsapp().nth_to(ALICE, answers).await, format!("echo: meanwhile {killed}"));
    }
    assert_eq!(world.whatsapp().entries("paired").await.len(), 0);
    world.whatsapp().no_violations().await;
}

/// How long the network is gone; the benchmark cuts for 1, 30 and 120 s.
const CUT: Duration = Duration::from_secs(5);

/// A5, C4: the network to WhatsApp is cut, once with connections that break and once without a word, and comes back:
/// within 60 s so is the channel, and nothing is lost; meanwhile Telegram and the web chat answer, on the sockets that they
/// had.
#[tokio::test]
async fn cut_network_loses_nothing_and_touches_nobody_else() {
    let telegram = telegram_channel(&format!("\"tg:{WRITER}\""));
    let config = whatsapp_config(&format!("\"+{ALICE}\"")) + &telegram + PAGE_CONFIG;
    let (world, wire) = World::linked_by_wire(&config).await;
    let whatsapp = world.whatsapp();
    whatsapp.contact(ALICE, "Alice Liddell").await;
    world.telegram.polled(4242).await;
    let socket = world.host.channel("tg").await.expect("it is listed")["status"].clone();
    let traffic = Traffic::start(&world, "page").await;
    world.telegram.nth_to(WRITER, 10).await;
    let sockets = world.telegram.open_connections(4242).await;
    for (n, network) in [Network::Closed, Network::Silent].into_iter().enumerate() {
        wire.set(network);
        if network == Network::Closed {
            eventually("the channel notices", || async {
                (world.host.channel("wa").await?["status"]["state"] == "reconnecting").then_some(())
            })
            .await;
        }
        whatsapp.write(ALICE, &format!("are you there? {n}")).await;
        tokio::time::sleep(CUT).await;
        assert_eq!(whatsapp.texts_to(ALICE).await.len(), n, "nothing gets through");
        wire.set(Network::Up);
        let back = Instant::now();
        eventually_within(Duration::from_secs(60), "the answer", || async {
            whatsapp.texts_to(ALICE).await.contains(&format!("echo: are you there? {n}")).then_some(())
        })
        .await;
        println!("{network:?} for {CUT:?}: answered {:?} after the network was back", back.elapsed());
        assert_eq!(world.host.channel("wa").await.expect("it is listed")["status"]["state"], "connected");
    }
    assert_eq!(whatsapp.texts_to(ALICE).await.len(), 2, "each once");
    whatsapp.no_violations().await;
    // The visitor's socket is the one from before, or the traffic would have ended with it.
    traffic.stop().await.nothing_lost_nothing_doubled(&world.telegram).await;
    let after = world.host.channel("tg").await.expect("it is listed")["status"].clone();
    assert_eq!((&after["connections"], &after["since"]), (&socket["connections"], &socket["since"]));
    // Calls share connections, and one that is not needed is closed after a while.
    let stands = world.telegram.open_connections(4242).await;
    assert!(!stands.is_disjoint(&sockets), "as Telegram saw it, a socket of before stands: {sockets:?}, {stands:?}");
}

/// B19, A4, A5, B5: the life of a device that pins the server's key, in the program that people run (`just released` has
/// a release build of it do the same): restored, chatting, dropped, restarted, and unlinked from here.
#[tokio::test]
async fn pinned_device_lives_from_restoring_to_unlinking() {
    let mut world = assistant().await;
    let answered = async |world: &World, text: &str, n| {
        world.whatsapp().write(ALICE, text).await;
        assert_eq!(world.whatsapp().nth_to(ALICE, n).await, format!("echo: {text}"));
    };
    answered(&world, "restored", 1).await;
    world.whatsapp().post("drop", json!({ "account": OWNER })).await;
    answered(&world, "dropped", 2).await;
    assert!(world.host.stop().await.success());
    world.host.start().await;
    answered(&world, "restarted", 3).await;
    let logins = world.whatsapp().entries("login").await.len();
    assert_eq!(logins, 3, "one for each connection");
    let handshakes = world.whatsapp().entries("handshake").await;
    assert!(handshakes.iter().all(|shake| shake["pattern"] == "IK"), "by the pinned key: {handshakes:?}");
    let unlinked = world.host.cli(&["unlink", "wa"]);
    assert!(unlinked.status.success(), "{}", String::from_utf8_lossy(&unlinked.stderr));
    world.whatsapp().entry("logged_out", |entry| entry["account"] == OWNER).await;
    eventually("the channel needs a link", || async {
        (world.host.channel("wa").await?["status"]["state"] == "needs-link").then_some(())
    })
    .await;
    world.whatsapp().no_violations().await;
}

/// F6, B7: 20 times kill -9 in the midst of a conversation: every message is answered, by one message with one id, and
/// everybody could decrypt everything: no ratchet ever stepped back.
#[tokio::test]
async fn kill_while_chatting_loses_and_doubles_nothing() {
    let mut world = with_people(&whatsapp_config(&format!("\"+{ALICE}\", \"+{BOB}\""))).await;
    let toll = while_chatting(&mut world, &[ALICE, BOB], 20, anywhere()).await;
    let again = world.whatsapp().entries("sent_again").await.len();
    println!("while chatting: {toll:?}; {again} sent twice under one id");
    assert_eq!((toll.kills, toll.lost, toll.unrecorded, toll.overtaking), (20, 0, 0, 0));
}

/// C2, C4: a connection that stands and answers nothing is noticed, said, and made anew; what was lost on it arrives, once.
#[tokio::test]
async fn deaf_connection_is_noticed_and_made_anew() {
    let world = with_people(&whatsapp_config(&format!("\"+{ALICE}\", \"+{BOB}\""))).await;
    world.whatsapp().fault(json!({ "deaf": true })).await;
    world.whatsapp().write(ALICE, "can you hear me?").await;
    world.whatsapp().write(BOB, "and me?").await;
    let said = || async { world.host.log_text().contains("answers nothing that is sent").then_some(()) };
    eventually_within(Duration::from_secs(60), "the log says that it is deaf", said).await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, "echo: can you hear me?");
    assert_eq!(world.whatsapp().nth_to(BOB, 1).await, "echo: and me?");
    assert_eq!(world.whatsapp().entries("login").await.len(), 2);
    assert_eq!(world.whatsapp().entries("sent").await.len(), 2);
    world.whatsapp().no_violations().await;
}

/// A4: a second host on the same folder waits for the first and says so; it takes over when that one ends.
#[tokio::test]
async fn second_host_waits_for_the_folder() {
    let mut world = assistant().await;
    let mut second = world.second_host();
    second.start_unready();
    let pid = world.host.id().to_string();
    eventually("it says that it waits", || async {
        let log = second.log_text();
        (log.contains("waiting until it ends") && log.contains(&pid)).then_some(())
    })
    .await;
    assert_eq!(second.has_ended(), None);
    world.whatsapp().write(ALICE, "first").await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, "echo: first");
    world.host.kill();
    world.whatsapp().write(ALICE, "second").await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 2).await, "echo: second");
    world.whatsapp().no_violations().await;
}

/// B8, F5, A8: during and after a conversation nothing of it can be read in the data folder, in temporary files or in the
/// log, in any form that it would be written in: no text, no number, no LID, no name, no private key of the device, and
/// not the server's.
#[tokio::test]
async fn nothing_readable_lies_on_disk() {
    let (mut world, keys) = World::linked_with_keys(&whatsapp_config(&format!("\"+{ALICE}\""))).await;
    world.whatsapp().contact(ALICE, "Alice Liddell").await;
    world.whatsapp().contact(BOB, "Bob Stranger").await;
    world.whatsapp().write(ALICE, "the cuckoo sings at midnight").await;
    world.whatsapp().nth_to(ALICE, 1).await;
    world.whatsapp().write(BOB, "a stranger's plea").await;
    world.whatsapp().write(ALICE, "and at noon").await;
    world.whatsapp().nth_to(ALICE, 2).await;
    let texts =
        ["cuckoo", "a stranger's plea", "at noon", OWNER, ALICE, BOB, "Alice Liddell", "Bob Stranger", "Seeded"];
    let mut secrets: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    secrets.push(world.whatsapp().server_key().await);
    secrets.extend(keys);
    search(&world, &secrets);
    world.host.stop().await;
    search(&world, &secrets);
    let log = world.host.log_text();
    for secret in texts {
        assert!(!log.contains(secret), "the log has {secret:?}:\n{log}");
    }
}

/// What is told of a device. Whoever adds something has to say here that it is no secret.
const TOLD: [&str; 21] = [
    "account",
    "active",
    "battery",
    "channel",
    "charging",
    "connection",
    "display_name",
    "ended_at",
    "error",
    "expires_at",
    "id",
    "kind",
    "last_connected_at",
    "last_disconnected_at",
    "linked_at",
    "method",
    "number",
    "owner",
    "picture",
    "platform",
    "status",
];

/// B4, B5, C2, C7: a device is told with name, picture, number and times, the same in the list and in the status; connecting
/// anew and a channel that is off for a while keep the session; and no answer of the API holds a key of it.
#[tokio::test]
async fn device_is_told_without_its_keys_and_keeps_its_session() {
    let (world, keys) = World::linked_with_keys(&whatsapp_config(&format!("\"+{ALICE}\""))).await;
    world.whatsapp().contact(ALICE, "Alice Liddell").await;
    let detail = async || world.host.call("GET", "devices/wa", json!(null)).await.1;
    // Asked for once it is connected, and not waited for.
    let device = eventually("its picture is known", || async {
        let device = detail().await;
        device["picture"].is_string().then_some(device)
    })
    .await;
    let mut told: Vec<&str> = device.as_object().expect("a device").keys().map(String::as_str).collect();
    told.sort_unstable();
    assert_eq!(told, TOLD);
    assert_eq!(
        (&device["kind"], &device["status"], &device["active"]),
        (&json!("desktop"), &json!("active"), &json!(true))
    );
    assert_eq!(
        (&device["number"], &device["display_name"]),
        (&json!(format!("+{OWNER}")), &json!("Seeded")),
        "{device}"
    );
    let picture = device["picture"].as_str().expect("a picture");
    assert!(picture.starts_with("https://") && picture.contains(OWNER), "{picture}");
    for unknown in ["expires_at", "ended_at", "battery", "charging", "last_disconnected_at"] {
        assert!(device[unknown].is_null(), "{unknown}: {device}");
    }
    let (connected, linked) = (device["last_connected_at"].as_u64(), device["linked_at"].as_u64());
    assert!(connected.is_some() && linked.is_some(), "{device}");

    let (status, again) = world.host.call("POST", "devices/wa/refresh", json!(null)).await;
    assert_eq!(status, 200, "{again}");
    let back = eventually("it is connected anew", || async {
        let device = detail().await;
        (device["connection"]["state"] == "connected" && device["last_connected_at"].as_u64() > connected)
            .then_some(device)
    })
    .await;
    assert!(back["last_disconnected_at"].as_u64() >= connected, "{back}");
    let (_, list) = world.host.call("GET", "devices", json!(null)).await;
    let status = &world.host.channel("wa").await.expect("it is listed")["status"];
    for time in ["last_connected", "last_disconnected"] {
        assert_eq!(
            (&list[0][format!("{time}_at")], &status[time]),
            (&back[format!("{time}_at")], &back[format!("{time}_at")])
        );
    }

    let attempts = world.host.attempts().await;
    world.edit("kind = \"whatsapp\"\n", "kind = \"whatsapp\"\nenabled = false\n");
    world.host.attempted(attempts, "applied").await;
    world.edit("enabled = false\n", "");
    world.host.attempted(attempts + 1, "applied").await;
    world.whatsapp().ready().await;
    world.whatsapp().write(ALICE, "hello").await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, "echo: hello");
    assert!(world.whatsapp().entries("paired").await.is_empty(), "the session was kept");

    let mut said = world.host.metrics().await;
    for path in ["devices", "devices/wa", "links", "audit", "status", "channels/wa/link", "channels/wa/health", "key"] {
        said += &world.host.call("GET", path, json!(null)).await.1.to_string();
    }
    said += &world.host.call("POST", "devices/wa/reset", json!(null)).await.1.to_string();
    assert!(said.contains("Seeded"), "what is looked through is there");
    for (form, bytes) in keys.iter().flat_map(|key| looks(key)) {
        assert!(!said.as_bytes().windows(bytes.len()).any(|part| part == bytes), "a key is told as {form}");
    }
}
