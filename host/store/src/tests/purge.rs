use std::time::Duration;

use super::support::*;
use crate::*;

#[tokio::test]
async fn what_was_decided_is_erased_after_a_while_and_its_key_later() {
    let f = Fixture::new();
    let (id, sent) = f.answered("1", &["a"], true).await;
    f.store.end_delivery(sent[0], DeliveryEnd::Sent { provider_id: None }, None).await.unwrap();
    f.clock.advance(KEEP_BODIES - Duration::from_secs(1));
    assert_eq!(f.store.purge().await.unwrap(), 0);
    f.clock.advance(Duration::from_secs(2));
    assert_eq!(f.store.purge().await.unwrap(), 2, "a body and a delivery");
    let erased = f.store.load(id).await.unwrap().unwrap();
    assert_eq!((erased.state, erased.message), (InboxState::Done, None));
    assert!(f.store.delivery(sent[0]).await.unwrap().is_none());
    assert_eq!(f.accept_all(vec![new("1", "again")]).await.unwrap(), [Accepted::Duplicate(id)]);
    f.clock.advance(KEEP_DEDUPE - Duration::from_secs(3));
    assert_eq!(f.store.purge().await.unwrap(), 0);
    f.clock.advance(Duration::from_secs(3));
    assert_eq!(f.store.purge().await.unwrap(), 1);
    assert!(f.accept("1", "new again").await > id);
}

#[tokio::test]
async fn what_waits_for_somebody_is_never_erased() {
    let f = Fixture::new();
    let pending = f.accept("1", "x").await;
    let mut stopped = Vec::new();
    for (key, state) in [("2", InboxState::Held), ("3", InboxState::Dead)] {
        let id = f.accept(key, "x").await;
        f.store.commit_outcome(Outcome { state, ..done(id) }).await.unwrap();
        stopped.push(id);
    }
    let (_, ids) = f.answered("4", &["dead", "parked", "ready"], false).await;
    let reason = || "x".to_owned();
    f.store.end_delivery(ids[0], DeliveryEnd::Dead { reason: reason() }, None).await.unwrap();
    f.store.end_delivery(ids[1], DeliveryEnd::Parked { reason: reason() }, None).await.unwrap();
    f.clock.advance((KEEP_BODIES + KEEP_DEDUPE) * 2);
    assert_eq!(f.store.purge().await.unwrap(), 2, "of the answered message, its body and then its key");
    for id in stopped.into_iter().chain([pending]) {
        assert!(f.store.load(id).await.unwrap().unwrap().message.is_some());
    }
    for id in ids {
        assert!(f.store.delivery(id).await.unwrap().unwrap().action.is_some());
    }
}

#[tokio::test]
async fn a_large_purge_goes_in_slices() {
    let f = Fixture::new();
    let batch = (0..1200).map(|n| new(&n.to_string(), "x")).collect();
    let accepted = f.accept_all(batch).await.unwrap();
    let messages = accepted.iter().map(|a| match a {
        Accepted::New(id) | Accepted::Duplicate(id) => *id,
    });
    let messages: Vec<_> = messages.collect();
    f.store.commit_outcome(Outcome { messages: messages.clone(), ..done(messages[0]) }).await.unwrap();
    f.clock.advance(KEEP_BODIES + Duration::from_secs(1));
    let before = f.store.counters().ops;
    assert_eq!(f.store.purge().await.unwrap(), 1200);
    let looks =
        "three slices of bodies, and one look each for keys, deliveries, turns, contacts, generations and ledgers";
    assert_eq!(f.store.counters().ops - before, 9, "{looks}");
}

#[tokio::test]
async fn of_a_conversation_the_last_thousand_turns_stay() {
    let f = Fixture::new();
    let id = f.accept("1", "x").await;
    let turn = |n: usize| switchhook_core::hook::Turn {
        speaker: switchhook_core::hook::Speaker::Us,
        name: None,
        text: format!("turn {n}"),
        at: f.store.now(),
    };
    let turns = (0..1_005).map(|n| (conversation(), turn(n))).collect();
    f.store.commit_outcome(Outcome { turns, ..done(id) }).await.unwrap();
    assert_eq!(f.store.purge().await.unwrap(), 5);
    let left = f.store.history(&conversation(), 2_000, u32::MAX).await.unwrap();
    assert_eq!((left.len(), left[0].text.as_str()), (1_000, "turn 5"));
}

#[tokio::test]
async fn strangers_are_forgotten_and_what_was_said_of_them_is_not() {
    let f = Fixture::new();
    f.store.remember_contact(&party("tg:1", None), &channel()).await;
    f.store.set_standing(&person("tg:1"), switchhook_core::message::Standing::Blocked).await.unwrap();
    f.clock.advance(Duration::from_secs(91 * 86_400));
    f.store.remember_contact(&party("tg:2", None), &channel()).await;
    assert_eq!(f.store.purge().await.unwrap(), 1);
    let blocked = f.store.standing(&mut [person("tg:1")].iter());
    assert_eq!(blocked, switchhook_core::message::Standing::Blocked);
    f.store.remember_contact(&party("tg:1", None), &channel()).await;
    assert_eq!(f.store.contacts().await.unwrap().len(), 2, "who writes again is known again");
}
