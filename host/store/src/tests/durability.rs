//! What a power cut may take back, and for how long.

use std::time::{Duration, Instant};

use tokio::sync::oneshot::error::TryRecvError;

use super::support::*;
use crate::*;

/// Longer than any case lasts.
const FOR_GOOD: Duration = Duration::from_secs(3600);

async fn until(f: &Fixture, what: &str, is_so: impl Fn(Counters) -> bool) -> Counters {
    let started = Instant::now();
    while !is_so(f.store.counters()) {
        assert!(started.elapsed() < Duration::from_secs(20), "still waiting: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    f.store.counters()
}

/// A write that nobody waits for.
async fn note(f: &Fixture, text: &str) {
    f.store.write_kv(vec![kv("note", KvChange::Set(text.into()))]).await;
}

/// A message that is taken in, while nothing is synced but with others; its commit is through.
async fn taken_in(f: &Fixture, key: &str) -> (Vec<Accepted>, Accepting) {
    f.store.seat().wait_for_a_sync(FOR_GOOD);
    let mut accepting = f.store.accept(vec![new(key, "hello")]).await;
    let accepted = (&mut accepting.seen).await.unwrap().unwrap();
    f.store.settle().await.unwrap();
    (accepted, accepting)
}

fn is_told(accepting: &mut Accepting) -> bool {
    match accepting.durable.try_recv() {
        Ok(how) => how.is_ok(),
        Err(TryRecvError::Empty) => false,
        Err(TryRecvError::Closed) => panic!("it is never told"),
    }
}

/// The times the log was brought to disk.
fn syncs(f: &Fixture) -> u64 {
    let now = f.store.counters();
    now.synced_commits + now.late_syncs
}

/// F6
#[tokio::test]
async fn what_is_awaited_is_synced_and_what_is_not_follows_soon() {
    let f = powered();
    let id = f.accept("1", "hello").await;
    let before = f.store.counters();
    f.store.commit_outcome(done(id)).await.unwrap();
    let decided = f.store.counters();
    assert_eq!(decided.synced_commits - before.synced_commits, 1);
    note(&f, "a").await;
    let noted = until(&f, "the note is committed", |now| now.commits > decided.commits).await;
    assert_eq!(noted.synced_commits, decided.synced_commits, "nobody waits for it");
    let synced = until(&f, "it is synced all the same", |now| now.late_syncs > decided.late_syncs).await;
    assert_eq!(synced.synced_commits, decided.synced_commits);
}

/// F6: whoever tells a provider waits for the disk, whether or not another commit follows.
#[tokio::test]
async fn an_acceptance_is_told_when_it_is_synced() {
    let f = powered();
    let before = syncs(&f);
    f.accept("1", "hello").await;
    assert_eq!(syncs(&f) - before, 1);
    let (_, mut accepting) = taken_in(&f, "2").await;
    assert!(!is_told(&mut accepting), "nothing has synced it");
    f.store.seat().wait_for_a_sync(Duration::ZERO);
    note(&f, "wakes the writer").await;
    accepting.durable.await.unwrap().unwrap();
    assert_eq!(syncs(&f) - before, 2);
}

/// F6: one sync for a message and its outcome.
#[tokio::test]
async fn an_acceptance_shares_the_sync_of_its_outcome() {
    for usual in [Duration::from_micros(1), Duration::from_secs(1)] {
        let f = powered();
        // By the lane, or by the writer.
        f.store.seat().assume(usual);
        let (accepted, mut accepting) = taken_in(&f, "1").await;
        let [Accepted::New(id)] = accepted[..] else { panic!("{accepted:?}") };
        let before = syncs(&f);
        assert!(!is_told(&mut accepting));
        f.store.commit_outcome(done(id)).await.unwrap();
        accepting.durable.await.unwrap().unwrap();
        assert_eq!(syncs(&f) - before, 1);
    }
}

/// What comes twice is as safe the second time as the first.
#[tokio::test]
async fn a_duplicate_waits_for_the_sync_of_the_first() {
    let f = powered();
    let (_, mut first) = taken_in(&f, "1").await;
    let (accepted, mut second) = taken_in(&f, "1").await;
    assert!(matches!(accepted[..], [Accepted::Duplicate(_)]));
    assert!(!is_told(&mut first) && !is_told(&mut second));
    f.store.write(|_| Ok(())).await.unwrap();
    assert!(is_told(&mut first) && is_told(&mut second));
    let (_, mut third) = taken_in(&f, "1").await;
    assert!(is_told(&mut third), "there is nothing to wait for");
}

#[tokio::test]
async fn an_acceptance_waits_for_no_sync_where_none_is_wanted() {
    let f = Fixture::new();
    let (_, mut accepting) = taken_in(&f, "1").await;
    assert!(is_told(&mut accepting));
    assert_eq!(syncs(&f), 0);
}

#[tokio::test]
async fn a_store_that_closes_syncs_and_tells_first() {
    let f = powered();
    let (_, accepting) = taken_in(&f, "1").await;
    let (store, before) = (f.store.clone(), syncs(&f));
    f.store.close();
    accepting.durable.await.unwrap().unwrap();
    assert_eq!(store.counters().late_syncs + store.counters().synced_commits - before, 1);
}

fn logged(f: &Fixture) -> u64 {
    std::fs::metadata(f.dir.path().join("journal.db-wal")).unwrap().len()
}

/// A log that could not be synced may lack, on disk, what the next sync takes for written. What follows goes into a new one.
#[tokio::test]
async fn a_log_that_can_not_be_synced_is_begun_anew() {
    let f = powered();
    let (accepted, accepting) = taken_in(&f, "1").await;
    let [Accepted::New(id)] = accepted[..] else { panic!("{accepted:?}") };
    let before = logged(&f);
    f.store.seat().fail_syncs(true);
    f.store.seat().wait_for_a_sync(Duration::ZERO);
    note(&f, "wakes the writer").await;
    assert!(accepting.durable.await.unwrap().unwrap_err().is_of_a_sync(), "nobody is told that it is safe");
    f.store.seat().fail_syncs(false);
    // A reader that is in the way is waited for.
    let other = rusqlite::Connection::open(f.dir.path().join(crate::folder::FILE)).unwrap();
    other.execute_batch("BEGIN; SELECT count(*) FROM inbox").unwrap();
    assert!(f.store.commit_outcome(done(id)).await.unwrap_err().is_of_the_disk());
    other.execute_batch("ROLLBACK").unwrap();
    f.store.commit_outcome(done(id)).await.unwrap();
    assert!(logged(&f) < before, "it was not begun anew");
    assert!(matches!(f.accept_all(vec![new("1", "hello")]).await.unwrap()[..], [Accepted::Duplicate(_)]));
}

/// SQLite lays the log beside what a link leads to: it is that one which is synced.
#[tokio::test]
async fn the_log_of_a_linked_journal_is_synced() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(elsewhere.path().join("real.db"), dir.path().join("journal.db")).unwrap();
    let options = StoreOptions { durability: Durability::Power, ..options(dir.path()) };
    let (store, _) = Store::open(options).unwrap();
    assert!(!dir.path().join("journal.db-wal").exists() && elsewhere.path().join("real.db-wal").exists());
    store.accept(vec![new("1", "hello")]).await.durable.await.unwrap().unwrap();
    store.seat().fail_syncs(true);
    assert!(store.accept(vec![new("2", "hello")]).await.durable.await.unwrap().unwrap_err().is_of_a_sync());
}

/// A commit that fails in its sync fails what was to be synced with it: another sync that goes well says nothing of that.
#[tokio::test]
async fn what_a_failed_commit_was_to_sync_is_told_with_a_log_begun_anew() {
    let f = powered();
    let (accepted, mut accepting) = taken_in(&f, "1").await;
    let [Accepted::New(id)] = accepted[..] else { panic!("{accepted:?}") };
    let before = logged(&f);
    f.store.seat().fail_syncs(true);
    assert!(f.store.commit_outcome(done(id)).await.unwrap_err().is_of_a_sync());
    assert!(!is_told(&mut accepting));
    f.store.seat().fail_syncs(false);
    f.store.commit_outcome(done(id)).await.unwrap();
    accepting.durable.await.unwrap().unwrap();
    assert!(logged(&f) < before, "it was not begun anew");
}

/// To fold the log begins with a sync of it.
#[tokio::test]
async fn a_fold_that_fails_in_its_sync_has_the_log_begun_anew() {
    let f = powered();
    f.store.seat().wait_for_a_sync(FOR_GOOD);
    f.store.seat().fail_syncs(true);
    for n in 0..80 {
        f.store.write_kv(vec![kv(&n.to_string(), KvChange::Set(vec![7; 60_000]))]).await;
    }
    f.store.settle().await.unwrap();
    let before = logged(&f);
    f.store.seat().fail_syncs(false);
    f.store.write(|_| Ok(())).await.unwrap();
    assert!(logged(&f) < before, "it was not begun anew");
}

/// Whoever waits for a write may rely on everything before it.
#[tokio::test]
async fn an_awaited_write_syncs_what_came_before_although_it_changes_nothing() {
    let f = powered();
    f.store.seat().wait_for_a_sync(FOR_GOOD);
    let before = syncs(&f);
    note(&f, "a").await;
    f.store.write(|_| Ok(())).await.unwrap();
    assert_eq!(syncs(&f) - before, 1, "in one commit with the note, or after it");
}

/// F6: what was written without a sync survives the process as before.
#[tokio::test]
async fn what_is_not_synced_survives_the_process() {
    let f = powered();
    let before = f.store.counters().commits;
    note(&f, "a").await;
    until(&f, "the note is committed", |now| now.commits > before).await;
    let (f, _) = f.crash();
    assert_eq!(f.store.kv_get(&chat_scope(), "note").await.unwrap().as_deref(), Some(&b"a"[..]));
}

#[tokio::test]
async fn the_mode_follows_what_is_written() {
    let f = powered();
    let mode =
        || f.store.write(|batch| Ok(batch.conn().query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0))?));
    for n in 0..3 {
        let before = f.store.counters().commits;
        f.accept(&n.to_string(), "hello").await;
        note(&f, &n.to_string()).await;
        until(&f, "it is committed", |now| now.commits >= before + 2).await;
        assert_eq!(mode().await.unwrap(), 2, "FULL, each time anew");
    }
}
