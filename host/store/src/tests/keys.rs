use std::fs;

use super::support::*;
use crate::*;

fn snapshot(f: &tempfile::TempDir) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(f.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name == "journal.db")
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_wrong_master_key_is_said_and_changes_nothing() {
    let f = Fixture::new();
    let id = f.accept("1", "x").await;
    f.answered("2", &["leaving"], true).await;
    let Fixture { dir, store, .. } = f;
    store.close();
    let before = snapshot(&dir);
    let wrong = StoreOptions { keys: ring(2, &[3]), ..options(dir.path()) };
    let error = Store::open(wrong).map(|_| ()).unwrap_err();
    let (wanted, given) = (MasterKey::from_bytes([1; 32]).id(), MasterKey::from_bytes([2; 32]).id());
    let text = error.to_string();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{text}");
    assert!(text.contains(&wanted.to_string()) && text.contains(&given.to_string()), "{text}");
    assert_eq!(snapshot(&dir), before);
    let (store, recovered) = Store::open(options(dir.path())).unwrap();
    assert_eq!(recovered, Recovered { unknown: 1, waiting: 1 });
    assert!(store.load(id).await.unwrap().is_some());
}

/// B8: old keys open, the newest seals, and look-ups outlive a rotation.
#[tokio::test]
async fn a_rotated_key_opens_the_old_and_seals_the_new() {
    let f = Fixture::new();
    let old = f.accept("1", "old").await;
    let Fixture { dir, store, .. } = f;
    store.close();
    let (store, _) = Store::open(StoreOptions { keys: ring(2, &[1]), ..options(dir.path()) }).unwrap();
    assert_eq!(store.load(old).await.unwrap().unwrap().message, Some(message("old")));
    let accepting = store.accept(vec![new("1", "redelivered"), new("2", "new")]).await;
    accepting.durable.await.unwrap().unwrap();
    let accepted = accepting.seen.await.unwrap().unwrap();
    assert_eq!(accepted[0], Accepted::Duplicate(old));
    let Accepted::New(new) = accepted[1] else { panic!() };
    store.close();
    // Without the old key, half of it would not open.
    let error = Store::open(StoreOptions { keys: ring(2, &[]), ..options(dir.path()) }).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::HalfRotated { .. }), "{error}");
    let (store, _) = Store::open(StoreOptions { keys: ring(2, &[1]), ..options(dir.path()) }).unwrap();
    assert_eq!(store.load(new).await.unwrap().unwrap().message, Some(message("new")));
}

#[tokio::test]
async fn a_message_that_does_not_open_takes_no_other_with_it() {
    let f = Fixture::new();
    let (lost, other) = (f.accept("1", "lost").await, f.accept("2", "other").await);
    let Fixture { dir, store, .. } = f;
    store.close();
    let conn = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    let swap = "UPDATE inbox SET head = (SELECT head FROM inbox WHERE id = ?2), body = head WHERE id = ?1";
    conn.execute(swap, [lost.0, other.0]).unwrap();
    conn.close().unwrap();
    let (store, _) = Store::open(options(dir.path())).unwrap();
    let error = store.load(lost).await.unwrap_err();
    assert!(matches!(error, StoreError::Unsealable { table: "inbox", column: "body", .. }), "{error}");
    let waiting = store.waiting().await.unwrap();
    assert_eq!(waiting.iter().map(|w| w.id).collect::<Vec<_>>(), [other]);
}

#[tokio::test]
async fn a_body_moved_to_another_row_does_not_open() {
    let f = Fixture::new();
    let (first, second) = (f.accept("1", "mine").await, f.accept("2", "yours").await);
    let Fixture { dir, store, .. } = f;
    store.close();
    let conn = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    conn.execute("UPDATE inbox SET body = (SELECT body FROM inbox WHERE id = ?1) WHERE id = ?2", [first.0, second.0])
        .unwrap();
    conn.close().unwrap();
    let (store, _) = Store::open(options(dir.path())).unwrap();
    assert!(store.load(first).await.is_ok());
    assert!(matches!(store.load(second).await, Err(StoreError::Unsealable { .. })));
}

#[tokio::test]
async fn a_second_host_is_told_who_holds_the_folder() {
    let f = Fixture::new();
    let error = Store::open(options(f.dir.path())).map(|_| ()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Locked { .. }), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    let Fixture { dir, store, .. } = f;
    let clone = store.clone();
    store.close();
    assert!(Store::open(options(dir.path())).is_ok(), "closing lets go, whatever clones there are");
    assert!(matches!(clone.commit_outcome(done(switchhook_core::id::InboxId(1))).await, Err(StoreError::Closed)));
    let accepting = clone.accept(vec![new("9", "x")]).await;
    assert!(matches!(accepting.seen.await.unwrap(), Err(StoreError::Closed)));
    assert!(matches!(accepting.durable.await.unwrap(), Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_network_file_system_gets_one_connection_and_no_shared_memory() {
    let dir = tempfile::tempdir().unwrap();
    for network in [true, false] {
        let options = StoreOptions { network_fs: Some(network), ..options(&dir.path().join(network.to_string())) };
        let shared = options.dir.join("journal.db-shm");
        let (store, _) = Store::open(options).unwrap();
        let accepting = store.accept(vec![new("1", "x")]).await;
        accepting.durable.await.unwrap().unwrap();
        store.write_kv(vec![kv("n", KvChange::Increment(1))]).await;
        assert_eq!(store.kv_get(&chat_scope(), "n").await.unwrap().unwrap(), b"1");
        assert_eq!(store.waiting().await.unwrap().len(), 1);
        assert_eq!(shared.exists(), !network, "{}", shared.display());
    }
}

#[tokio::test]
async fn dropping_the_last_clone_writes_what_is_queued() {
    let f = Fixture::new();
    for _ in 0..100 {
        f.store.write_kv(vec![kv("n", KvChange::Increment(1))]).await;
    }
    let Fixture { dir, store, .. } = f;
    drop(store);
    let (store, _) = Store::open(options(dir.path())).unwrap();
    assert_eq!(store.kv_get(&chat_scope(), "n").await.unwrap().unwrap(), b"100");
}
