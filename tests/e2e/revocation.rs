//! Revocation beats pinning: who is taken off the list gets no answer, however far it had come.

use crate::harness::{World, eventually};

/// F2: a sender removed from the allowlist while the model thinks about their message gets no answer.
#[tokio::test]
async fn sender_removed_while_the_model_thinks_gets_no_answer() {
    let world = World::assistant("\"tg:1001\", \"tg:1002\"").await;
    world.model.hold().await;
    world.telegram.write(4242, 1001, "a secret question").await;
    world.telegram.write(4242, 1002, "another question").await;
    world.model.waiting(2).await;
    let before = world.host.attempts().await;
    world.edit("\"tg:1001\", \"tg:1002\"", "\"tg:1002\"");
    world.host.attempted(before, "applied").await;
    world.model.release().await;
    assert_eq!(world.telegram.nth_to(1002, 1).await, "echo: another question");
    let explained = eventually("the message is settled", || async {
        let explained = world.host.cli_json(&["explain", "m1"]);
        (explained["state"] != "pending").then_some(explained)
    })
    .await;
    assert_eq!(explained["state"], "revoked", "{explained}");
    assert!(world.telegram.texts_to(1001).await.is_empty());
}

/// The same by the operator's word on a contact: `contacts block`.
#[tokio::test]
async fn contact_blocked_while_the_model_thinks_gets_no_answer() {
    let world = World::assistant("\"tg:1001\"").await;
    world.model.hold().await;
    world.telegram.write(4242, 1001, "a question").await;
    world.model.waiting(1).await;
    let blocked = world.host.cli(&["contacts", "block", "tg:1001"]);
    assert!(blocked.status.success(), "{blocked:?}");
    world.model.release().await;
    let explained = eventually("the message is settled", || async {
        let explained = world.host.cli_json(&["explain", "m1"]);
        (explained["state"] != "pending").then_some(explained)
    })
    .await;
    assert_eq!(explained["state"], "revoked", "{explained}");
    assert!(world.telegram.texts_to(1001).await.is_empty());
}

/// And the other way round: `contacts approve` lets a stranger in.
#[tokio::test]
async fn approved_contact_is_let_in() {
    let world = World::assistant("\"tg:1001\"").await;
    let approved = world.host.cli(&["contacts", "approve", "tg:7777"]);
    assert!(approved.status.success(), "{approved:?}");
    world.telegram.write(4242, 7777, "hello").await;
    assert_eq!(world.telegram.nth_to(7777, 1).await, "echo: hello");
}

/// A held message waits for the operator, and is answered once approved.
#[tokio::test]
async fn held_message_is_answered_once_approved() {
    let mut world = World::empty();
    let config = crate::harness::assistant_config("\"tg:1001\"").replace(
        "source = \"builtin:allowlist\"\n",
        "source = \"builtin:allowlist\"\nsettings = { on_stranger = \"hold\" }\n",
    );
    world.write_config(&config);
    world.host.start().await;
    world.telegram.write(4242, 8888, "may I?").await;
    let id = eventually("it is held", || async {
        let held = world.host.cli_json(&["held", "list"]);
        let first = held.as_array().or(held["messages"].as_array())?.first()?.clone();
        first["id"].as_str().map(str::to_owned)
    })
    .await;
    assert!(world.telegram.texts_to(8888).await.is_empty());
    let approved = world.host.cli(&["held", "approve", &id]);
    assert!(approved.status.success(), "{approved:?}");
    assert_eq!(world.telegram.nth_to(8888, 1).await, "echo: may I?");
}
