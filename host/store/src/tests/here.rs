//! Writes that are committed on the thread of whoever wants them.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use switchhook_core::id::InboxId;

use super::support::*;
use crate::writer::{Batch, Undo};
use crate::*;

const QUICK: Duration = Duration::from_micros(1);
const SLOW: Duration = Duration::from_secs(1);

/// A store with a message that waits for its outcome, whose commits have been as quick as this.
async fn waiting(usual: Duration) -> (Fixture, InboxId) {
    let f = Fixture::new();
    let id = f.accept("1", "hello").await;
    f.store.settle_all().await.unwrap();
    f.store.seat().assume(usual);
    (f, id)
}

fn answered(id: InboxId) -> Outcome {
    Outcome { deliveries: vec![delivery("hi", true)], ..done(id) }
}

/// What a future gives without being waited for.
fn at_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// F6
#[tokio::test]
async fn what_nobody_could_share_is_committed_at_once_and_survives() {
    let (f, id) = waiting(QUICK).await;
    let before = f.store.counters();
    let Poll::Ready(ids) = at_once(f.store.commit_outcome(answered(id))) else { panic!("nothing is waited for") };
    let ids = ids.unwrap();
    let after = f.store.counters();
    assert_eq!((after.commits_here, after.commits), (1, before.commits + 1));
    assert_eq!(f.store.backlog(&account()), 0);
    let (f, recovered) = f.crash();
    assert_eq!(recovered, Recovered { unknown: 1, waiting: 0 });
    assert_eq!(f.store.delivery(ids[0]).await.unwrap().unwrap().state, DeliveryState::Unknown);
}

/// A lane may not be kept for long.
#[tokio::test]
async fn where_the_disk_is_slow_the_writers_thread_does_it() {
    let (f, id) = waiting(SLOW).await;
    f.store.commit_outcome(answered(id)).await.unwrap();
    assert_eq!(f.store.counters().commits_here, 0);
}

#[tokio::test]
async fn what_is_queued_comes_first() {
    let (f, id) = waiting(QUICK).await;
    let mut blocked = Blocked::queue(&f.store).await;
    blocked.started().await;
    f.store.write_kv(vec![kv("seen", KvChange::Set(b"before".to_vec()))]).await;
    let outcome = Outcome { kv: vec![kv("seen", KvChange::Set(b"after".to_vec()))], ..answered(id) };
    let mut committing = Box::pin(f.store.commit_outcome(outcome));
    assert!(at_once(&mut committing).is_pending(), "it waits its turn");
    blocked.release();
    committing.await.unwrap();
    assert_eq!(f.store.counters().commits_here, 0);
    assert_eq!(f.store.kv_get(&chat_scope(), "seen").await.unwrap().unwrap(), b"after");
}

/// What is asked for is queued a moment later.
#[tokio::test]
async fn what_is_asked_for_comes_first_though_the_writer_is_free() {
    let (f, id) = waiting(QUICK).await;
    f.store.shared().asked.fetch_add(1, Ordering::SeqCst);
    f.store.commit_outcome(answered(id)).await.unwrap();
    assert_eq!(f.store.counters().commits_here, 0);
}

/// F6: a lane's commit is synced like any other, and with it what came before.
#[tokio::test]
async fn a_power_cut_takes_nothing_back_of_it() {
    let f = powered();
    let id = f.accept("1", "hello").await;
    f.store.settle_all().await.unwrap();
    f.store.seat().assume(QUICK);
    let before = f.store.counters();
    f.store.commit_outcome(answered(id)).await.unwrap();
    let after = f.store.counters();
    assert_eq!((after.commits_here, after.synced_commits), (1, before.synced_commits + 1));
}

/// Nor for as long as another program has the journal.
#[tokio::test]
async fn another_program_is_waited_for_on_the_writers_thread() {
    let (f, id) = waiting(QUICK).await;
    let other = Connection::open(f.dir.path().join(crate::folder::FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut committing = Box::pin(f.store.commit_outcome(answered(id)));
    let started = Instant::now();
    assert!(at_once(&mut committing).is_pending(), "it waits elsewhere");
    assert!(started.elapsed() < schema::BUSY, "it was waited for here");
    other.execute_batch("ROLLBACK").unwrap();
    committing.await.unwrap();
    let waits =
        |batch: &mut Batch<'_>| Ok(batch.conn().query_row("PRAGMA busy_timeout", [], |row| row.get::<_, u32>(0))?);
    let waits = f.store.write(waits).await.unwrap();
    assert_eq!(Duration::from_millis(waits.into()), schema::BUSY, "as before");
    assert_eq!(f.store.counters().commits_here, 0);
}

/// A fault of ours on somebody's thread is that somebody's: nobody else's write is lost by it, and none waits for it.
#[tokio::test]
async fn a_panic_leaves_nothing_behind() {
    let (f, id) = waiting(QUICK).await;
    let store = f.store.clone();
    let faulty = async move {
        let work = move |batch: &mut Batch<'_>| -> Result<(), StoreError> {
            batch.execute("UPDATE inbox SET state = 'dead' WHERE id = ?1", [id.0])?;
            panic!("a fault")
        };
        store.write_here(Undo::Transaction, work).await
    };
    assert!(tokio::spawn(faulty).await.unwrap_err().is_panic());
    assert!(at_once(f.store.settle_all()).is_ready(), "nothing is under way");
    f.store.commit_outcome(answered(id)).await.expect("it is pending still");
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let (f, id) = waiting(QUICK).await;
    let store = f.store.clone();
    f.store.close();
    assert!(matches!(store.commit_outcome(answered(id)).await, Err(StoreError::Closed)));
}
