//! The main job on Telegram: who is answered, who is not, in which order, and how one chat leaves the others alone.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Visitor, World, assistant_config, eventually, eventually_within};

/// A2, F1, F5: an allowed sender's message goes through sandboxed plugins to the model, and its answer goes back.
#[tokio::test]
async fn allowed_sender_is_answered_by_the_model() {
    let world = World::assistant("\"tg:1001\"").await;
    world.telegram.write(4242, 1001, "hello there").await;
    assert_eq!(world.telegram.nth_to(1001, 1).await, "echo: hello there");
    let asked = world.model.ledger().await;
    assert_eq!(asked.len(), 1);
    let messages = asked[0]["messages"].as_array().expect("messages");
    assert_eq!(messages[0]["content"], "You are helpful.");
    let whole = asked[0].to_string();
    assert!(!whole.contains("SECRET"), "no credential leaves the host: {whole}");
}

/// A3: a stranger gets nothing at all: no reply, no typing, no model call; and the text is erased, the reason kept.
#[tokio::test]
async fn stranger_gets_nothing_and_no_model_is_asked() {
    let world = World::assistant("\"tg:1001\"").await;
    world.telegram.write(4242, 6666, "let me in").await;
    eventually("the update is confirmed", || async { (world.telegram.unconfirmed(4242).await == 0).then_some(()) })
        .await;
    let message = eventually("the denial is on record", || async {
        let explained = world.host.cli_json(&["explain", "m1"]);
        (explained["state"] == "denied").then_some(explained)
    })
    .await;
    assert!(message["reason"].as_str().expect("a reason").contains("allow_from"), "{message}");
    // What comes after it in the same poll order is answered: nothing of the stranger's can still be under way.
    world.telegram.write(4242, 1001, "after").await;
    world.telegram.nth_to(1001, 1).await;
    let to_stranger: Vec<_> =
        world.telegram.ledger().await.into_iter().filter(|e| e["chat"].to_string().contains("6666")).collect();
    assert!(to_stranger.is_empty(), "{to_stranger:?}");
    assert_eq!(world.model.ledger().await.len(), 1, "only the allowed sender's message");
}

/// A6, F6: 300 messages from 50 chats at once: each answered once, in order within its chat.
#[tokio::test]
async fn burst_from_many_chats_is_answered_once_and_in_order() {
    let people: Vec<i64> = (2001..2051).collect();
    let allowed: Vec<String> = people.iter().map(|id| format!("\"tg:{id}\"")).collect();
    let world = World::assistant(&allowed.join(", ")).await;
    let mut writes = Vec::new();
    for turn in 0..6 {
        for id in &people {
            writes.push(json!({ "bot": 4242, "from": { "id": id, "first_name": "P" }, "text": format!("n{turn}") }));
        }
    }
    world.telegram.write_all(writes).await;
    eventually("300 answers", || async { (world.telegram.sent().await.len() >= 300).then_some(()) }).await;
    let mut chats: HashMap<i64, Vec<String>> = HashMap::new();
    for sent in world.telegram.sent().await {
        chats.entry(sent.chat).or_default().push(sent.text);
    }
    assert_eq!(chats.len(), 50);
    let expected: Vec<String> = (0..6).map(|turn| format!("echo: n{turn}")).collect();
    for (chat, texts) in chats {
        assert_eq!(texts, expected, "chat {chat}");
    }
}

/// A chat whose model call hangs takes `/stop` at once, and delays no other chat.
#[tokio::test]
async fn stop_overtakes_a_busy_model_and_other_chats_do_not_wait() {
    let world = World::assistant("\"tg:1001\", \"tg:1002\"").await;
    world.model.hold().await;
    world.telegram.write(4242, 1001, "think long").await;
    world.model.waiting(1).await;
    world.telegram.write(4242, 1002, "/id").await;
    assert!(world.telegram.nth_to(1002, 1).await.contains("1002"), "another chat is answered meanwhile");
    world.telegram.write(4242, 1001, "/stop").await;
    assert_eq!(world.telegram.nth_to(1001, 1).await, "Stopped.");
    eventually("the model's call is cancelled", || async {
        world.model.ledger().await.iter().any(|e| e.to_string().contains("cancelled")).then_some(())
    })
    .await;
    world.model.release().await;
    world.telegram.write(4242, 1001, "again").await;
    assert_eq!(world.telegram.nth_to(1001, 2).await, "echo: again");
    assert_eq!(world.telegram.texts_to(1001).await.len(), 2, "the stopped question is never answered");
}

/// While the model works, the chat shows that somebody types.
#[tokio::test]
async fn typing_is_shown_while_the_model_works() {
    let world = World::assistant("\"tg:1001\"").await;
    world.model.hold().await;
    world.telegram.write(4242, 1001, "think").await;
    eventually("typing", || async { (!world.telegram.calls("sendChatAction").await.is_empty()).then_some(()) }).await;
    world.model.release().await;
    world.telegram.nth_to(1001, 1).await;
}

/// In a group only what is addressed to the bot is answered.
#[tokio::test]
async fn group_message_needs_a_mention() {
    let world = World::assistant("\"tg:1001\"").await;
    let write = |text: &str| {
        let from = json!({ "id": 1001, "first_name": "Ann" });
        json!({ "bot": 4242, "chat": -500, "kind": "supergroup", "title": "Team", "from": from, "text": text })
    };
    world.telegram.post("write", write("just talking")).await;
    world.telegram.post("write", write("/id@another_bot")).await;
    world.telegram.post("write", write("@fake_4242_bot hello")).await;
    let answer = world.telegram.nth_to(-500, 1).await;
    assert!(answer.contains("hello"), "{answer}");
    assert_eq!(world.telegram.texts_to(-500).await.len(), 1);
}

/// A10: when the first model fails, the next one answers.
#[tokio::test]
async fn fallback_model_answers_when_the_first_fails() {
    let mut world = World::empty();
    let config = assistant_config("\"tg:1001\"").replace(
        "model = \"test\"\n",
        "model = \"test\"\nfallback = [\"second\"]\n\n[models.second]\nbase_url = \"{MODEL}/v1\"\nmodel = \"spare\"\n",
    );
    world.write_config(&config);
    world.host.start().await;
    world.model.post("faults", json!({ "next": 1, "kind": "status", "code": 500 })).await;
    world.telegram.write(4242, 1001, "anybody?").await;
    assert_eq!(world.telegram.nth_to(1001, 1).await, "echo: anybody?");
    let models: Vec<_> = world.model.ledger().await.iter().map(|e| e["model"].clone()).collect();
    assert_eq!(models.last(), Some(&json!("spare")), "{models:?}");
}

/// A5, C4: within 60 s of the provider's return the channel is back, nothing is lost, and the web chat noticed nothing: it
/// was answered all along, on the same socket.
#[tokio::test]
async fn outage_loses_nothing_and_touches_nobody_else() {
    let page = "\n[routes.public]\nreplies = [\"commands\"]\n\n[channels.page]\nkind = \"web\"\nroute = \"public\"\nopen = true\n";
    let world = World::with(&(assistant_config("\"tg:1001\"") + page)).await;
    world.telegram.polled(4242).await;
    let mut visitor = Visitor::open(world.host.port, "page").await;
    world.telegram.post("outage", json!({ "on": true })).await;
    eventually("the channel notices", || async {
        let channel = world.host.channel("tg").await?;
        (channel["status"]["state"] == "reconnecting").then_some(())
    })
    .await;
    assert!(visitor.ask("during", "/id").await.contains("web:"));
    world.telegram.write(4242, 1001, "are you there?").await;
    world.telegram.post("outage", json!({ "on": false })).await;
    eventually_within(Duration::from_secs(60), "the answer", || async {
        world.telegram.texts_to(1001).await.contains(&"echo: are you there?".to_owned()).then_some(())
    })
    .await;
    let channel = world.host.channel("tg").await.expect("it is listed");
    assert_eq!(channel["status"]["state"], "connected");
    assert!(visitor.ask("after", "/id").await.contains("web:"), "on the socket it had before");
}

/// A long answer is cut into parts that Telegram takes, in order.
#[tokio::test]
async fn long_answer_arrives_in_parts() {
    let world = World::assistant("\"tg:1001\"").await;
    let long: String = (0..1500).map(|n| format!("word{n} ")).collect();
    world.model.post("script", json!({ "answers": [{ "text": long }] })).await;
    world.telegram.write(4242, 1001, "tell me everything").await;
    eventually("the last part", || async {
        world.telegram.texts_to(1001).await.last().is_some_and(|t| t.contains("word1499")).then_some(())
    })
    .await;
    let parts = world.telegram.texts_to(1001).await;
    assert!(parts.len() >= 3, "{} parts", parts.len());
    assert!(parts.iter().all(|p| p.encode_utf16().count() <= 4096));
    let joined = parts.join(" ");
    let words: Vec<_> = joined.split_whitespace().collect();
    let expected: Vec<String> = (0..1500).map(|n| format!("word{n}")).collect();
    assert_eq!(words, expected);
}
