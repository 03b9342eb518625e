use std::time::Duration;

use switchhook_core::id::{AccountId, InboxId};
use tokio::sync::oneshot::error::TryRecvError;

use super::support::*;
use crate::*;

#[tokio::test]
async fn what_is_accepted_waits_in_order_and_loads() {
    let f = Fixture::new();
    let first = f.accept("1", "one").await;
    let second = f.accept("2", "two").await;
    assert!(first < second);
    let (f, recovered) = f.reopen();
    assert_eq!(recovered, Recovered { unknown: 0, waiting: 2 });
    let waiting = f.store.waiting().await.unwrap();
    assert_eq!(waiting.iter().map(|w| w.id).collect::<Vec<_>>(), [first, second]);
    assert_eq!(waiting[0].conversation, conversation());
    assert_eq!(waiting[0].account, account());
    let loaded = f.store.load(first).await.unwrap().unwrap();
    assert_eq!(loaded.message, Some(message("one")));
    // Whether work on it had begun, the process before did not say.
    assert_eq!((loaded.state, loaded.attempts, loaded.approved), (InboxState::Pending, 1, false));
    assert_eq!(f.store.backlog(&account()), 2);
    assert_eq!(f.store.backlog(&AccountId::new("telegram", "1")), 0);
    assert!(f.store.load(InboxId(99)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_redelivery_is_a_success_under_the_first_id() {
    let f = Fixture::new();
    let first = f.accept("1", "one").await;
    let mut elsewhere = new("1", "another account's");
    elsewhere.message.account = AccountId::new("telegram", "5");
    let batch = vec![new("1", "again"), new("2", "two"), new("2", "twice in a batch"), elsewhere];
    let accepted = f.accept_all(batch).await.unwrap();
    let Accepted::New(second) = accepted[1] else { panic!("{accepted:?}") };
    assert_eq!(accepted[0], Accepted::Duplicate(first));
    assert_eq!(accepted[2], Accepted::Duplicate(second));
    assert!(matches!(accepted[3], Accepted::New(_)));
    assert_eq!(f.store.backlog(&account()), 2);
    f.store.commit_outcome(Outcome { erase: true, ..done(first) }).await.unwrap();
    let again = f.accept_all(vec![new("1", "after it was answered")]).await.unwrap();
    assert_eq!(again, [Accepted::Duplicate(first)]);
}

#[tokio::test]
async fn an_unresolved_sender_is_kept_with_its_reason() {
    let f = Fixture::new();
    let batch = vec![NewMessage { unresolved: Some("no number yet".to_owned()), ..new("1", "x") }];
    let Accepted::New(id) = f.accept_all(batch).await.unwrap()[0] else { panic!() };
    assert_eq!(f.store.load(id).await.unwrap().unwrap().unresolved.as_deref(), Some("no number yet"));
    let (f, _) = f.reopen();
    assert_eq!(f.store.load(id).await.unwrap().unwrap().unresolved.as_deref(), Some("no number yet"));
}

#[tokio::test]
async fn accepts_that_wait_together_share_a_commit() {
    let f = Fixture::new();
    let mut blocked = Blocked::queue(&f.store).await;
    blocked.started().await;
    let mut accepting = Vec::new();
    for n in 0..50 {
        accepting.push(f.store.accept(vec![new(&n.to_string(), "x")]).await);
    }
    let before = f.store.counters();
    blocked.release();
    for accepting in accepting {
        accepting.durable.await.unwrap().unwrap();
    }
    let after = f.store.counters();
    // One for the transaction that was held up, one for all fifty.
    assert_eq!(after.commits - before.commits, 2);
    assert_eq!(after.ops, 51);
    assert!(after.queue_high_water >= 50, "{after:?}");
    assert_eq!(f.store.backlog(&account()), 50);
}

#[tokio::test]
async fn work_starts_while_the_commit_is_under_way() {
    let f = Fixture::new();
    let mut first = Blocked::queue(&f.store).await;
    first.started().await;
    let mut accepting = f.store.accept(vec![new("1", "one")]).await;
    let mut second = Blocked::queue(&f.store).await;
    first.release();
    let Accepted::New(id) = accepting.seen.await.unwrap().unwrap()[0] else { panic!() };
    second.started().await;
    assert!(matches!(accepting.durable.try_recv(), Err(TryRecvError::Empty)));
    f.store.begin(id).await.unwrap();
    let loaded = f.store.load(id).await.unwrap().unwrap();
    assert_eq!((loaded.message, loaded.attempts), (Some(message("one")), 1));
    second.release();
    accepting.durable.await.unwrap().unwrap();
}

/// A crash counts as an attempt: the first is counted by the start after it, the others before work begins.
#[tokio::test]
async fn every_start_of_work_counts() {
    let f = Fixture::new();
    let id = f.accept("1", "poison").await;
    f.store.begin(id).await.unwrap();
    assert_eq!(f.store.load(id).await.unwrap().unwrap().attempts, 1);
    let (f, _) = f.crash();
    assert_eq!(f.store.waiting().await.unwrap()[0].attempts, 1);
    f.store.begin(id).await.unwrap();
    assert_eq!(f.store.load(id).await.unwrap().unwrap().attempts, 2);
    let (f, _) = f.crash();
    assert_eq!(f.store.waiting().await.unwrap()[0].attempts, 2, "only the first is guessed");
}

/// The first start costs no write of its own.
#[tokio::test]
async fn a_first_start_is_written_with_its_outcome() {
    let f = Fixture::new();
    let id = f.accept("1", "hello").await;
    let before = f.store.counters().ops;
    f.store.begin(id).await.unwrap();
    assert_eq!(f.store.counters().ops, before);
    f.store.commit_outcome(done(id)).await.unwrap();
    let (f, _) = f.crash();
    assert_eq!(f.store.load(id).await.unwrap().unwrap().attempts, 1);
}

#[tokio::test]
async fn ids_are_never_given_twice() {
    let f = Fixture::new();
    let id = f.accept("1", "x").await;
    f.store.commit_outcome(done(id)).await.unwrap();
    f.clock.advance(KEEP_BODIES + KEEP_DEDUPE + Duration::from_secs(1));
    f.store.purge().await.unwrap();
    f.store.purge().await.unwrap();
    let (f, _) = f.reopen();
    assert!(f.store.load(id).await.unwrap().is_none());
    assert!(f.accept("2", "y").await > id);
}

#[tokio::test]
async fn the_newest_are_listed_oldest_first() {
    let f = Fixture::new();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(f.accept(&n.to_string(), "x").await);
    }
    let listed = f.store.list(InboxState::Pending, 3).await.unwrap();
    assert_eq!(listed.iter().map(|m| m.id).collect::<Vec<_>>(), ids[2..]);
    assert!(f.store.list(InboxState::Held, 3).await.unwrap().is_empty());
}

async fn ended(f: &Fixture, key: &str, state: InboxState) -> InboxId {
    let id = f.accept(key, "x").await;
    f.store.begin(id).await.unwrap();
    f.store.commit_outcome(Outcome { state, reason: Some("why".to_owned()), ..done(id) }).await.unwrap();
    id
}

#[tokio::test]
async fn what_was_stopped_can_be_released() {
    let f = Fixture::new();
    let states = [InboxState::Held, InboxState::Dead, InboxState::Revoked, InboxState::Expired];
    for (n, state) in states.into_iter().enumerate() {
        let id = ended(&f, &n.to_string(), state).await;
        let stopped = f.store.load(id).await.unwrap().unwrap();
        assert_eq!((stopped.state, stopped.reason.as_deref(), stopped.attempts), (state, Some("why"), 1));
        f.clock.advance(Duration::from_secs(60));
        let approval = if state == InboxState::Held { Approval::Approved } else { Approval::Replay };
        f.store.release(id, approval).await.unwrap();
        let released = f.store.load(id).await.unwrap().unwrap();
        assert_eq!((released.state, released.reason, released.attempts), (InboxState::Pending, None, 0));
        assert_eq!(released.approved, state == InboxState::Held);
        assert_eq!(released.accepted_at.0, START + 60_000 * (n as u64 + 1), "its age counts anew");
        assert_eq!(f.store.backlog(&account()), n + 1);
    }
}

#[tokio::test]
async fn what_was_not_stopped_or_is_erased_is_not_released() {
    let f = Fixture::new();
    let pending = f.accept("1", "x").await;
    let error = f.store.release(pending, Approval::Replay).await.unwrap_err();
    assert!(matches!(error, StoreError::WrongState { state: "pending", .. }), "{error}");
    let denied = f.accept("2", "x").await;
    let outcome = Outcome { state: InboxState::Denied, erase: true, ..done(denied) };
    f.store.commit_outcome(outcome).await.unwrap();
    let error = f.store.release(denied, Approval::Approved).await.unwrap_err();
    assert!(matches!(error, StoreError::WrongState { state: "denied", .. }), "{error}");
    let erased = f.accept("3", "x").await;
    let outcome = Outcome { state: InboxState::Held, erase: true, ..done(erased) };
    f.store.commit_outcome(outcome).await.unwrap();
    let error = f.store.release(erased, Approval::Approved).await.unwrap_err();
    assert!(matches!(error, StoreError::Erased { .. }), "{error}");
    let error = f.store.release(InboxId(99), Approval::Approved).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn what_is_dropped_is_erased_for_good() {
    let f = Fixture::new();
    for (key, state) in [("1", InboxState::Held), ("2", InboxState::Dead)] {
        let id = ended(&f, key, state).await;
        f.store.drop_message(id).await.unwrap();
        let dropped = f.store.load(id).await.unwrap().unwrap();
        assert_eq!((dropped.state, dropped.message), (InboxState::Dropped, None));
        assert!(matches!(f.store.drop_message(id).await, Err(StoreError::WrongState { .. })));
    }
    let revoked = ended(&f, "3", InboxState::Revoked).await;
    assert!(matches!(f.store.drop_message(revoked).await, Err(StoreError::WrongState { .. })));
}

#[tokio::test]
async fn a_parked_account_keeps_everything_and_does_nothing() {
    let f = Fixture::new();
    let (_, armed) = f.answered("1", &["leaving"], true).await;
    let (_, ready) = f.answered("2", &["waiting"], false).await;
    let id = f.accept("3", "x").await;
    let mut other = new("4", "another account's");
    other.message.account = AccountId::new("web", "desk");
    f.accept_all(vec![other]).await.unwrap();
    assert_eq!(f.store.park_account(&account(), "the channel was removed").await.unwrap(), 2);
    let held = f.store.load(id).await.unwrap().unwrap();
    assert_eq!((held.state, held.reason.as_deref()), (InboxState::Held, Some("the channel was removed")));
    assert_eq!(held.message, Some(message("x")));
    let parked = f.store.delivery(ready[0]).await.unwrap().unwrap();
    assert_eq!((parked.state, parked.reason.as_deref()), (DeliveryState::Parked, Some("the channel was removed")));
    assert_eq!(f.store.delivery(armed[0]).await.unwrap().unwrap().state, DeliveryState::Armed);
    assert_eq!(f.store.backlog(&account()), 0);
    assert_eq!(f.store.waiting().await.unwrap().len(), 1);
    let late = f.store.commit_outcome(done(id)).await;
    assert!(matches!(late, Err(StoreError::NotPending { .. })), "{late:?}");
}
