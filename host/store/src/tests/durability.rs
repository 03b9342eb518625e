//! What a power cut may take back, and for how long.

use std::time::{Duration, Instant};

use super::support::*;
use crate::*;

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

/// F6
#[tokio::test]
async fn what_is_awaited_is_synced_and_what_is_not_follows_soon() {
    let f = powered();
    let before = f.store.counters();
    f.accept("1", "hello").await;
    let accepted = f.store.counters();
    assert_eq!(accepted.synced_commits - before.synced_commits, 1);
    note(&f, "a").await;
    let noted = until(&f, "the note is committed", |now| now.commits > accepted.commits).await;
    assert_eq!(noted.synced_commits, accepted.synced_commits, "nobody waits for it");
    let synced = until(&f, "it is synced all the same", |now| now.late_syncs > accepted.late_syncs).await;
    assert_eq!(synced.synced_commits, accepted.synced_commits);
}

/// Whoever waits for a write may rely on everything before it.
#[tokio::test]
async fn an_awaited_write_syncs_what_came_before_although_it_changes_nothing() {
    let f = powered();
    f.accept("1", "hello").await;
    let before = f.store.counters();
    f.accept("2", "hello").await;
    note(&f, "a").await;
    assert!(matches!(f.accept_all(vec![new("1", "hello")]).await.unwrap()[..], [Accepted::Duplicate(_)]));
    let after = f.store.counters();
    // In one commit with the note, or after it: in no case is that left behind.
    let synced = |now: Counters| now.synced_commits + now.late_syncs;
    assert!(synced(after) - synced(before) >= 2, "{before:?} {after:?}");
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
