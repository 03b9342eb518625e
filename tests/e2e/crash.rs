//! kill -9 at any moment: nothing accepted is lost, and what may be doubled is on record.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{World, assistant_config, eventually};

/// The people who write, and how often each of them.
const PEOPLE: i64 = 10;
const EACH: usize = 6;

fn allow() -> String {
    (0..PEOPLE).map(|p| format!("\"tg:{}\"", 3000 + p)).collect::<Vec<_>>().join(", ")
}

fn burst(round: usize) -> Vec<Value> {
    let mut writes = Vec::new();
    for n in 0..EACH {
        for p in 0..PEOPLE {
            writes.push(
                json!({ "bot": 4242, "from": { "id": 3000 + p, "first_name": "P" }, "text": format!("r{round}n{n}") }),
            );
        }
    }
    writes
}

/// How often each message of a round was answered.
async fn answers(world: &World) -> HashMap<(i64, String), usize> {
    let mut count = HashMap::new();
    for sent in world.telegram.sent().await {
        *count.entry((sent.chat, sent.text)).or_insert(0) += 1;
    }
    count
}

/// Waits until every message of a round has an answer, and gives the number of answers too many.
async fn settled(world: &World, round: usize) -> usize {
    eventually("every message of the round is answered", || async {
        let count = answers(world).await;
        let all =
            (0..PEOPLE).all(|p| (0..EACH).all(|n| count.contains_key(&(3000 + p, format!("echo: r{round}n{n}")))));
        all.then_some(())
    })
    .await;
    in_order(world, round).await;
    let count = answers(world).await;
    count.iter().filter(|((_, text), _)| text.starts_with(&format!("echo: r{round}"))).map(|(_, n)| n - 1).sum()
}

/// Within each chat the answers of a round came in the order of the messages, repetitions left aside.
async fn in_order(world: &World, round: usize) {
    let expected: Vec<String> = (0..EACH).map(|n| format!("echo: r{round}n{n}")).collect();
    for chat in 3000..3000 + PEOPLE {
        let mut first = Vec::new();
        for text in world.telegram.texts_to(chat).await {
            if expected.contains(&text) && !first.contains(&text) {
                first.push(text);
            }
        }
        assert_eq!(first, expected, "chat {chat}");
    }
}

/// F6: 20 times a burst, and 20 times kill -9 in the midst of it.
#[tokio::test]
async fn kill_during_burst_loses_nothing() {
    let mut world = World::assistant(&allow()).await;
    let mut doubled = 0;
    for round in 0..20 {
        let seen = world.telegram.sent().await.len();
        world.telegram.write_all(burst(round)).await;
        // Another moment of the burst each time, from the first answer to nearly the last.
        let moment = seen + round * 3;
        eventually("the moment to kill", || async { (world.telegram.sent().await.len() >= moment).then_some(()) })
            .await;
        world.host.kill();
        world.host.start().await;
        doubled += settled(&world, round).await;
    }
    let messages = 20 * PEOPLE as usize * EACH;
    let recorded = world.host.unknowns(messages).await;
    println!("20 kills, {messages} accepted, 0 lost, {doubled} doubled, {recorded} recorded as unknown");
    assert!(doubled <= recorded, "{doubled} doubled, {recorded} recorded");
}

/// Every edge at which a power cut would matter.
const EDGES: [&str; 5] =
    ["store.before_commit", "store.after_commit", "intake.before_ack", "dispatch.before_send", "dispatch.after_send"];

/// Writes one message after the other until the host has died, and gives their number.
async fn write_until_dead(world: &mut World, round: usize, edge: &str) -> usize {
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    for extra in 0..4000 {
        if let Some(status) = world.host.has_ended() {
            assert!(!status.success(), "it died at {edge}");
            return extra;
        }
        pace.tick().await;
        world.telegram.write(4242, 3000, &format!("r{round}x{extra}")).await;
    }
    panic!("the host never came to {edge}");
}

/// F6: the host dies at each edge, at several passages of it, and loses nothing.
#[tokio::test]
async fn death_at_every_edge_loses_nothing() {
    let mut world = World::assistant(&allow()).await;
    let (mut round, mut doubled, mut messages) = (0, 0, 0);
    for edge in EDGES {
        for passage in [1, 2, 4, 8] {
            let edge = format!("{edge}:{passage}");
            world.host.kill();
            world.host.start_to_die(&edge);
            world.telegram.write_all(burst(round)).await;
            let extra = write_until_dead(&mut world, round, &edge).await;
            world.host.start().await;
            eventually("every further message is answered, too", || async {
                let texts = world.telegram.texts_to(3000).await;
                let answered = |n: usize| texts.contains(&format!("echo: r{round}x{n}"));
                (0..extra).all(answered).then_some(())
            })
            .await;
            doubled += settled(&world, round).await;
            messages += burst(round).len() + extra;
            round += 1;
        }
    }
    let recorded = world.host.unknowns(messages).await;
    println!("{round} deaths, {messages} accepted, 0 lost, {doubled} doubled, {recorded} recorded as unknown");
    assert!(doubled <= recorded, "{doubled} doubled, {recorded} recorded");
}

/// F6: answered on return, though the host was down when the message was written.
#[tokio::test]
async fn what_was_written_while_down_is_answered_on_return() {
    let mut world = World::assistant(&allow()).await;
    world.host.kill();
    world.telegram.write(4242, 3000, "are you back?").await;
    world.host.start().await;
    assert_eq!(world.telegram.nth_to(3000, 1).await, "echo: are you back?");
}

/// F6: what a model was thinking about when the host died is answered by the next run, once.
#[tokio::test]
async fn question_under_way_is_asked_again_after_a_crash() {
    let mut world = World::assistant(&allow()).await;
    world.model.hold().await;
    world.telegram.write(4242, 3000, "slow one").await;
    world.model.waiting(1).await;
    world.host.kill();
    world.model.release().await;
    world.host.start().await;
    assert_eq!(world.telegram.nth_to(3000, 1).await, "echo: slow one");
    assert_eq!(world.telegram.texts_to(3000).await.len(), 1);
}

/// F6: Telegram took the message and the answer was cut off: sent again, and recorded as unknown.
#[tokio::test]
async fn cut_off_answer_is_recorded_as_unknown() {
    let world = World::assistant(&allow()).await;
    world.telegram.fault(json!({ "method": "sendMessage", "kind": "cut" })).await;
    world.telegram.write(4242, 3000, "hello").await;
    eventually("it is sent a second time", || async { (world.telegram.texts_to(3000).await.len() >= 2).then_some(()) })
        .await;
    let explained = eventually("it is settled", || async {
        let explained = world.host.cli_json(&["explain", "m1"]);
        (explained["deliveries"][0]["state"] == "sent").then_some(explained)
    })
    .await;
    assert_eq!(explained["deliveries"][0]["unknowns"], 1, "{explained}");
}

/// The same with `on_unknown = "park"`: it waits for the operator instead.
#[tokio::test]
async fn unknown_is_parked_where_the_config_says_so() {
    let mut world = World::empty();
    let config =
        assistant_config(&allow()).replace("send_limits = \"off\"", "send_limits = \"off\"\non_unknown = \"park\"");
    world.write_config(&config);
    world.host.start().await;
    world.telegram.fault(json!({ "method": "sendMessage", "kind": "cut" })).await;
    world.telegram.write(4242, 3000, "hello").await;
    let id = eventually("it is parked", || async {
        let explained = world.host.cli_json(&["explain", "m1"]);
        let delivery = &explained["deliveries"][0];
        (delivery["state"] == "parked").then(|| delivery["delivery"].as_str().map(str::to_owned))?
    })
    .await;
    assert_eq!(world.telegram.texts_to(3000).await.len(), 1);
    let replay = world.host.cli(&["dead", "replay", &id]);
    assert!(replay.status.success(), "{replay:?}");
    world.telegram.nth_to(3000, 2).await;
}

/// F6: the same after a death on the wire: nobody knows whether it left, so it waits for the operator.
#[tokio::test]
async fn delivery_on_the_wire_at_death_is_parked_where_the_config_says_so() {
    let mut world = World::empty();
    let config =
        assistant_config(&allow()).replace("send_limits = \"off\"", "send_limits = \"off\"\non_unknown = \"park\"");
    world.write_config(&config);
    world.host.start_to_die("dispatch.after_send:1");
    world.telegram.write(4242, 3000, "hello").await;
    assert!(!world.host.ended().await.success(), "it died with the delivery on the wire");
    world.host.start().await;
    eventually("it is parked", || async {
        let explained = world.host.explained(1).await;
        (explained["deliveries"][0]["state"] == "parked").then_some(())
    })
    .await;
    assert_eq!(world.telegram.texts_to(3000).await, ["echo: hello"], "not sent a second time");
}

/// A polite end: what is under way is finished, and the exit code says so.
#[tokio::test]
async fn drain_finishes_what_is_under_way() {
    let mut world = World::assistant(&allow()).await;
    world.model.hold().await;
    world.telegram.write(4242, 3000, "last words").await;
    world.model.waiting(1).await;
    world.host.signal("TERM");
    world.model.release().await;
    let status = world.host.ended().await;
    assert!(status.success(), "{status}\n{}", world.host.log_text());
    assert_eq!(world.telegram.texts_to(3000).await, ["echo: last words"]);
}
