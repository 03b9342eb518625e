use switchhook_core::action::{Action, Outgoing};
use switchhook_core::hook::{Speaker, Turn};
use switchhook_core::time::UnixMillis;

use super::support::*;
use crate::*;

fn turn(text: &str) -> Turn {
    Turn { speaker: Speaker::Person, name: Some("Ada".to_owned()), text: text.to_owned(), at: UnixMillis(START) }
}

#[tokio::test]
async fn an_outcome_is_kept_as_a_whole() {
    let f = Fixture::new();
    let (first, second) = (f.accept("1", "one").await, f.accept("2", "two").await);
    let outcome = Outcome {
        messages: vec![first, second],
        deliveries: vec![delivery("a", true), delivery("b", false), delivery("c", false)],
        kv: vec![kv("seen", KvChange::Increment(2))],
        turns: vec![(conversation(), turn("one")), (conversation(), turn("two"))],
        trace: Some(b"who decided what".to_vec()),
        ..done(first)
    };
    let ids = f.store.commit_outcome(outcome).await.unwrap();
    assert!(ids.is_sorted() && ids.len() == 3, "{ids:?}");
    let (f, recovered) = f.reopen();
    assert_eq!(recovered.waiting, 0);
    for id in [first, second] {
        let stored = f.store.load(id).await.unwrap().unwrap();
        assert_eq!(stored.state, InboxState::Done);
        assert!(stored.message.is_some(), "kept for a while, to be explained");
        assert_eq!(f.store.trace(id).await.unwrap().unwrap(), b"who decided what");
    }
    let texts: Vec<_> = f.store.deliveries_of(second).await.unwrap().into_iter().map(|d| (d.id, d.action)).collect();
    let expect = ["a", "b", "c"].map(|text| Some(Action::Send(Outgoing::text(text))));
    assert_eq!(texts, ids.iter().copied().zip(expect).collect::<Vec<_>>());
    assert_eq!(f.store.kv_get(&chat_scope(), "seen").await.unwrap().unwrap(), b"2");
    assert_eq!(f.store.history(&conversation(), 9, 999).await.unwrap(), [turn("one"), turn("two")]);
}

/// A refusal costs nobody else anything, whether it is undone by itself or has nothing to undo.
#[tokio::test]
async fn a_refused_outcome_leaves_its_transaction_to_the_others() {
    for kv in [vec![], vec![kv("seen", KvChange::Increment(2))]] {
        let f = Fixture::new();
        let (first, second) = (f.accept("1", "one").await, f.accept("2", "two").await);
        f.store.commit_outcome(done(second)).await.unwrap();
        let mut blocked = Blocked::queue(&f.store).await;
        blocked.started().await;
        let outcome =
            Outcome { messages: vec![first, second], deliveries: vec![delivery("a", true)], kv, ..done(first) };
        let refused = tokio::spawn({
            let store = f.store.clone();
            async move { store.commit_outcome(outcome).await }
        });
        // Lets it be queued, so that both share a transaction.
        tokio::task::yield_now().await;
        let accepting = f.store.accept(vec![new("3", "three")]).await;
        blocked.release();
        assert!(matches!(refused.await.unwrap(), Err(StoreError::NotPending { .. })));
        accepting.durable.await.unwrap().unwrap();
        let Accepted::New(third) = accepting.seen.await.unwrap().unwrap()[0] else { panic!() };
        let (f, _) = f.crash();
        assert_eq!(f.store.load(first).await.unwrap().unwrap().state, InboxState::Pending);
        assert!(f.store.deliveries_of(first).await.unwrap().is_empty());
        assert!(f.store.load(third).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn nothing_of_an_outcome_is_kept_where_one_message_is_decided_already() {
    let f = Fixture::new();
    let (first, second) = (f.accept("1", "one").await, f.accept("2", "two").await);
    f.store.commit_outcome(done(second)).await.unwrap();
    let outcome = Outcome {
        messages: vec![first, second],
        deliveries: vec![delivery("a", true)],
        kv: vec![kv("seen", KvChange::Increment(2))],
        turns: vec![(conversation(), turn("one"))],
        ..done(first)
    };
    let error = f.store.commit_outcome(outcome.clone()).await.unwrap_err();
    assert!(matches!(&error, StoreError::NotPending { id } if *id == second.to_string()), "{error}");
    assert_eq!(f.store.load(first).await.unwrap().unwrap().state, InboxState::Pending);
    assert_eq!(f.store.backlog(&account()), 1);
    assert!(f.store.deliveries(&account()).await.unwrap().is_empty());
    assert!(f.store.list_deliveries(&[DeliveryState::Armed], 9).await.unwrap().is_empty());
    assert!(f.store.kv_get(&chat_scope(), "seen").await.unwrap().is_none());
    assert!(f.store.history(&conversation(), 9, 999).await.unwrap().is_empty());
    f.store.commit_outcome(Outcome { messages: vec![first], ..outcome }).await.unwrap();
    assert_eq!(f.store.kv_get(&chat_scope(), "seen").await.unwrap().unwrap(), b"2");
}

#[tokio::test]
async fn pending_is_no_outcome() {
    let f = Fixture::new();
    let id = f.accept("1", "x").await;
    let error = f.store.commit_outcome(Outcome { state: InboxState::Pending, erase: true, ..done(id) }).await;
    assert!(matches!(error, Err(StoreError::WrongState { .. })), "{error:?}");
    assert_eq!(f.store.waiting().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_denial_erases_the_text_and_keeps_the_reason() {
    let f = Fixture::new();
    let id = f.accept("1", "secret").await;
    let outcome = Outcome {
        state: InboxState::Denied,
        reason: Some("not on the list".to_owned()),
        erase: true,
        trace: Some(b"allowlist: deny".to_vec()),
        ..done(id)
    };
    f.store.commit_outcome(outcome).await.unwrap();
    let denied = f.store.load(id).await.unwrap().unwrap();
    assert_eq!((denied.state, denied.message), (InboxState::Denied, None));
    assert_eq!(denied.reason.as_deref(), Some("not on the list"));
    assert_eq!(f.store.trace(id).await.unwrap().unwrap(), b"allowlist: deny");
}

#[tokio::test]
async fn history_is_bounded_in_turns_and_bytes() {
    let f = Fixture::new();
    let id = f.accept("1", "x").await;
    let turns = ["aaaa", "bbb", "cc", "d"].map(|text| (conversation(), turn(text))).to_vec();
    f.store.commit_outcome(Outcome { turns, ..done(id) }).await.unwrap();
    let texts = async |turns, bytes| {
        let found = f.store.history(&conversation(), turns, bytes).await.unwrap();
        found.into_iter().map(|turn| turn.text).collect::<Vec<_>>()
    };
    assert_eq!(texts(9, 99).await, ["aaaa", "bbb", "cc", "d"]);
    assert_eq!(texts(2, 99).await, ["cc", "d"]);
    assert_eq!(texts(9, 6).await, ["bbb", "cc", "d"]);
    assert_eq!(texts(9, 5).await, ["cc", "d"]);
    assert!(texts(0, 99).await.is_empty());
    let other = switchhook_core::message::Conversation { thread: Some("t".to_owned()), ..conversation() };
    assert!(f.store.history(&other, 9, 99).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_new_conversation_forgets_before_it_remembers() {
    let f = Fixture::new();
    let (first, second) = (f.accept("1", "x").await, f.accept("2", "/new").await);
    let turns = vec![(conversation(), turn("old"))];
    f.store.commit_outcome(Outcome { turns, ..done(first) }).await.unwrap();
    let outcome = Outcome { forget: vec![conversation()], turns: vec![(conversation(), turn("new"))], ..done(second) };
    f.store.commit_outcome(outcome).await.unwrap();
    assert_eq!(f.store.history(&conversation(), 9, 99).await.unwrap(), [turn("new")]);
}

/// What is at hand is what the disk says, whatever is said, forgotten and asked for in between, and however often.
#[tokio::test]
async fn what_was_said_is_the_same_at_hand_and_on_disk() {
    let f = Fixture::new();
    let threads = [None, Some("t".to_owned())];
    let at = |n: usize| switchhook_core::message::Conversation { thread: threads[n].clone(), ..conversation() };
    let mut random = 1u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut at_hand = 0;
    for step in 0..300 {
        let of = at(next(2) as usize);
        let id = f.accept(&format!("{step}"), "x").await;
        let said = (0..next(4)).map(|n| (of.clone(), turn(&"z".repeat(((step + n) % 7) as usize)))).collect();
        let forget = if next(9) == 0 { vec![of] } else { vec![] };
        f.store.commit_outcome(Outcome { turns: said, forget, ..done(id) }).await.unwrap();
        if next(40) == 0 {
            f.store.purge().await.unwrap();
        }
        for of in [at(0), at(1)] {
            let (turns, bytes) = (next(12) as u32, next(60) as u32);
            let recent = &f.store.shared().memory.recent;
            at_hand += usize::from(
                recent.lock().get(f.store.vault().conversation(&of), turns as usize, bytes as usize).is_some(),
            );
            let found = f.store.history(&of, turns, bytes).await.unwrap();
            let read = f.store.read_history(&of, turns, bytes).await.unwrap();
            assert_eq!(found, read.turns(), "step {step}: {turns} turns, {bytes} bytes");
        }
    }
    assert!((100..600).contains(&at_hand), "{at_hand} of 600");
}
