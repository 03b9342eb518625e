//! B8: from one master key to another, cut short anywhere.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;
use serde_json::json;
use switchhook_core::hook::{Speaker, Turn};
use switchhook_core::message::Standing;
use switchhook_core::time::UnixMillis;

use super::support::*;
use crate::keys::KeyId;
use crate::rotation::{Resealed, columns};
use crate::*;

const UNWATCHED: fn(Resealed) = |_| ();

/// Goes on for one slice and is dropped.
async fn reseal_a_little(store: &Store) {
    let (cut, first) = tokio::sync::oneshot::channel();
    let mut cut = Some(cut);
    let rotation = store.reseal(3, |_| {
        if let Some(cut) = cut.take() {
            cut.send(()).unwrap();
        }
    });
    tokio::select! {
        biased;
        _ = first => {}
        done = rotation => panic!("it ended before it could be cut short: {done:?}"),
    }
}

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes([byte; 32])
}

/// Something in every table, more than a slice of it in some.
async fn fill(store: &Store, rounds: std::ops::Range<usize>) {
    for n in rounds {
        let accepting = store.accept(vec![new(&format!("a{n}"), &format!("text {n}"))]).await;
        let Accepted::New(id) = accepting.seen.await.unwrap().unwrap()[0] else { panic!("seen before") };
        let turn =
            Turn { speaker: Speaker::Us, name: None, text: format!("turn {n}"), at: UnixMillis(START + n as u64) };
        let timer = NewTimer { name: format!("timer {n}"), due: UnixMillis(u64::MAX >> 8), message: message("due") };
        let outcome = Outcome {
            reason: Some("why".to_owned()),
            deliveries: vec![delivery(&format!("answer {n}"), true)],
            kv: vec![kv(&format!("key {n}"), KvChange::Set(b"value".to_vec()))],
            turns: vec![(conversation(), turn)],
            timers: vec![timer],
            trace: Some(b"trace".to_vec()),
            ..done(id)
        };
        let ids = store.commit_outcome(outcome).await.unwrap();
        store.end_delivery(ids[0], DeliveryEnd::Dead { reason: "gone".to_owned() }, None).await.unwrap();
        store.write_kv(vec![kv("count", KvChange::Increment(1)), shared("all", KvChange::Increment(1))]).await;
        store.remember_contact(&party(&format!("tg:{n}"), Some("Ada")), &channel()).await;
        store.set_standing(&person(&format!("tg:{n}")), Standing::Approved).await.unwrap();
        let states = store.account_state(&account());
        let mut batch = states.batch();
        batch.put(StateKey::new("session", &format!("name {n}")), b"ratchet");
        batch.put(StateKey::scoped("sender", "group", &format!("name {n}")), b"chain");
        states.commit(batch).await.unwrap();
        keep_records(store, n as u64).await;
    }
}

fn shared(key: &str, change: KvChange) -> KvWrite {
    let scope = KvScope { space: switchhook_core::hook::KvSpace::Shared, plugin: plugin(), chat: None };
    KvWrite { scope, key: key.to_owned(), change }
}

async fn keep_records(store: &Store, number: u64) {
    let at = UnixMillis(START);
    let text = || "said".to_owned();
    store
        .audit(AuditEntry {
            at,
            actor: text(),
            address: None,
            user_agent: None,
            act: text(),
            subject: text(),
            detail: json!(1),
        })
        .await;
    let took = std::time::Duration::ZERO;
    let (digest, cause, outcome) = (text(), text(), text());
    let record = GenerationRecord { number, digest, cause, outcome, changes: json!([]), took, at };
    store.record_generation(record).await.unwrap();
    super::linking::remember(store).await;
}

/// Everything that can be asked for, as text: two stores that say the same hold the same.
async fn told(store: &Store) -> String {
    let mut told = String::new();
    for state in [InboxState::Done, InboxState::Pending] {
        for message in store.list(state, 10_000).await.unwrap() {
            let trace = store.trace(message.id).await.unwrap();
            told += &format!("{message:?} {trace:?} {:?}\n", store.deliveries_of(message.id).await.unwrap());
        }
    }
    told += &format!("{:?}\n", store.history(&conversation(), 10_000, u32::MAX).await.unwrap());
    for n in 0..40 {
        told += &format!("{:?}\n", store.kv_get(&chat_scope(), &format!("key {n}")).await.unwrap());
    }
    let count = shared("all", KvChange::Delete);
    told +=
        &format!("{:?} {:?}\n", store.kv_get(&chat_scope(), "count").await, store.kv_get(&count.scope, "all").await);
    told += &format!("{:?}\n{:?}\n", store.contacts().await.unwrap(), store.standings().await.unwrap());
    told += &format!("{:?}\n{:?}\n", store.audits(10_000).await.unwrap(), store.generations(10_000).await.unwrap());
    told += &format!("{:?}\n{:?}\n", store.links(10_000).await.unwrap(), store.devices().await.unwrap());
    let mut states = store.account_state(&account()).list("session").await.unwrap();
    states.extend(store.account_state(&account()).list("sender").await.unwrap());
    told + &format!("{states:?}\n")
}

/// How often something sealed with this key lies in a folder, whatever the file.
fn sealed_with(dir: &Path, key: KeyId) -> usize {
    let header = [&[1], &key.0[..]].concat();
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| std::fs::read(file).unwrap().windows(5).filter(|five| *five == header).count()).sum()
}

fn copied(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["journal.db", "journal.db-wal"] {
        // Folded, there is no log.
        let _ = std::fs::copy(from.join(name), copy.path().join(name));
    }
    copy
}

/// While it goes on, everything opens; afterwards it all says the same, and nothing that the old key sealed lies
/// anywhere in the folder.
#[tokio::test]
async fn afterwards_the_old_key_opens_nothing() {
    let f = Fixture::new();
    fill(&f.store, 0..20).await;
    let before = told(&f.store).await;
    assert!(sealed_with(f.dir.path(), key(1).id()) > 200);
    f.store.begin_rotation(key(2)).await.unwrap();
    assert_eq!(f.store.rotating().await.unwrap(), Some(vec![key(1).id()]));
    assert_eq!(told(&f.store).await, before, "while both keys are needed");
    let resealed = f.store.reseal(7, UNWATCHED).await.unwrap();
    assert!(resealed.cells > 200 && resealed.unreadable == 0, "{resealed:?}");
    assert_eq!(f.store.rotating().await.unwrap(), None);
    assert_eq!(f.store.key(), key(2).id());
    assert_eq!(told(&f.store).await, before);
    assert_eq!(sealed_with(f.dir.path(), key(1).id()), 0, "the log included");
    fill(&f.store, 20..22).await;
    let Fixture { dir, store, .. } = f;
    let before = told(&store).await;
    store.close();
    assert_eq!(sealed_with(dir.path(), key(1).id()), 0);
    assert!(matches!(Store::open(options(dir.path())).map(|_| ()), Err(StoreError::WrongKey { .. })));
    let (store, _) = Store::open(StoreOptions { keys: ring(2, &[]), ..options(dir.path()) }).unwrap();
    assert_eq!(told(&store).await, before);
}

/// Cut short after each of its slices, as a kill would: half of the keys are refused and nothing is changed; with both it
/// goes on, also cut short again, and in the end everything is there.
#[tokio::test]
async fn cut_short_after_any_slice_it_goes_on() {
    let f = Fixture::new();
    fill(&f.store, 0..4).await;
    let before = told(&f.store).await;
    f.store.begin_rotation(key(2)).await.unwrap();
    let mut moments = vec![copied(f.dir.path())];
    let moment = |moments: &mut Vec<tempfile::TempDir>| moments.push(copied(f.dir.path()));
    f.store.reseal(3, |_| moment(&mut moments)).await.unwrap();
    assert!(moments.len() > 20, "{}", moments.len());
    for (n, dir) in moments.iter().enumerate() {
        for half in [ring(1, &[]), ring(2, &[])] {
            let error = Store::open(StoreOptions { keys: half, ..options(dir.path()) }).map(|_| ()).unwrap_err();
            assert!(matches!(&error, StoreError::HalfRotated { .. }), "after {n}: {error}");
        }
        let both = || StoreOptions { keys: ring(2, &[1]), ..options(dir.path()) };
        let (store, _) = Store::open(both()).unwrap();
        assert_eq!(told(&store).await, before, "after slice {n}");
        reseal_a_little(&store).await;
        store.close();
        let (store, _) = Store::open(both()).unwrap();
        store.reseal(3, UNWATCHED).await.unwrap();
        store.close();
        let (store, _) = Store::open(StoreOptions { keys: ring(2, &[]), ..options(dir.path()) }).unwrap();
        assert_eq!(told(&store).await, before, "after slice {n}");
        assert_eq!(sealed_with(dir.path(), key(1).id()), 0);
    }
}

/// What is written while it goes on is there afterwards; what was sealed before it began and is written late, too.
#[tokio::test]
async fn what_is_written_meanwhile_is_there_afterwards() {
    let f = Fixture::new();
    fill(&f.store, 0..10).await;
    let states = f.store.account_state(&account());
    let mut early = states.batch();
    early.put(StateKey::new("session", "sealed early"), b"and written late");
    f.store.begin_rotation(key(2)).await.unwrap();
    let mut slices = 0;
    let rotation = f.store.reseal(2, |_| slices += 1);
    let traffic = async {
        fill(&f.store, 10..30).await;
        // Until here the rotation has not taken its first step: it waits for whoever sealed before it began.
        states.commit(early).await.unwrap();
        fill(&f.store, 30..40).await;
    };
    let (resealed, ()) = tokio::join!(rotation, traffic);
    assert_eq!(resealed.unwrap().unreadable, 0);
    assert!(slices > 50, "{slices}");
    let before = told(&f.store).await;
    let Fixture { dir, store, .. } = f;
    store.close();
    let (store, _) = Store::open(StoreOptions { keys: ring(2, &[]), ..options(dir.path()) }).unwrap();
    assert_eq!(told(&store).await, before);
    let late = store.account_state(&account()).get(StateKey::new("session", "sealed early")).await.unwrap();
    assert_eq!(late.as_deref(), Some(&b"and written late"[..]));
    assert_eq!(sealed_with(dir.path(), key(1).id()), 0);
}

/// A cell that was altered takes no other with it, and is told.
#[tokio::test]
async fn what_does_not_open_is_counted_and_left() {
    let f = Fixture::new();
    fill(&f.store, 0..3).await;
    let Fixture { dir, store, .. } = f;
    store.close();
    let conn = Connection::open(dir.path().join("journal.db")).unwrap();
    conn.execute("UPDATE history SET body = (SELECT body FROM history WHERE id = 1) WHERE id = 2", []).unwrap();
    conn.close().unwrap();
    let (store, _) = Store::open(options(dir.path())).unwrap();
    store.begin_rotation(key(2)).await.unwrap();
    assert_eq!(store.reseal(64, UNWATCHED).await.unwrap().unreadable, 1);
    assert_eq!(store.history(&conversation(), 10, u32::MAX).await.unwrap().len(), 2);
}

/// Rows from before the tables said whose they are.
#[tokio::test]
async fn rows_without_an_owner_are_sealed_anew_all_the_same() {
    let f = Fixture::new();
    fill(&f.store, 0..3).await;
    let before = told(&f.store).await;
    let Fixture { dir, store, .. } = f;
    store.close();
    let conn = Connection::open(dir.path().join("journal.db")).unwrap();
    conn.execute_batch("UPDATE kv SET owner = NULL; UPDATE history SET owner = NULL").unwrap();
    conn.close().unwrap();
    // On a network file system, too, where there is one connection for everything.
    let (store, _) = Store::open(StoreOptions { network_fs: Some(true), ..options(dir.path()) }).unwrap();
    store.begin_rotation(key(2)).await.unwrap();
    assert_eq!(store.reseal(64, UNWATCHED).await.unwrap().unreadable, 0);
    assert_eq!(told(&store).await, before);
    let left = store.read(|conn| {
        let sql =
            "SELECT (SELECT count(*) FROM kv WHERE owner IS NULL) + (SELECT count(*) FROM history WHERE owner IS NULL)";
        Ok(conn.query_row(sql, [], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(left.await.unwrap(), 0);
    assert_eq!(sealed_with(dir.path(), key(1).id()), 0);
}

/// A second rotation that begins before the first is over needs the keys of both, and ends both.
#[tokio::test]
async fn a_rotation_on_top_of_another_ends_both() {
    let f = Fixture::new();
    fill(&f.store, 0..4).await;
    let before = told(&f.store).await;
    f.store.begin_rotation(key(2)).await.unwrap();
    reseal_a_little(&f.store).await;
    f.store.begin_rotation(key(3)).await.unwrap();
    let Fixture { dir, store, .. } = f;
    store.close();
    let error = Store::open(StoreOptions { keys: ring(3, &[2]), ..options(dir.path()) }).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains(&key(1).id().to_string()), "{error}");
    let (store, _) = Store::open(StoreOptions { keys: ring(3, &[2, 1]), ..options(dir.path()) }).unwrap();
    store.reseal(3, UNWATCHED).await.unwrap();
    assert_eq!(told(&store).await, before);
    store.close();
    assert!(Store::open(StoreOptions { keys: ring(3, &[]), ..options(dir.path()) }).is_ok());
}

/// Whoever adds a table says here, and in the rotation's plans, what of it is sealed.
#[tokio::test]
async fn every_sealed_column_is_known_to_the_rotation() {
    let f = Fixture::new();
    let conn = Connection::open(f.dir.path().join("journal.db")).unwrap();
    let sql = "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
        WHERE t.type = 'table' AND c.type = 'BLOB'";
    let mut statement = conn.prepare(sql).unwrap();
    let found = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    let mut blobs: BTreeSet<(String, String)> = found.map(|pair| pair.unwrap()).collect();
    for (table, column) in columns().chain([("account_state", "value"), ("meta", "value")]) {
        assert!(blobs.remove(&(table.to_owned(), column.to_owned())), "{table}.{column}");
    }
    // What is left are HMACs.
    let tags = [
        "account",
        "dedupe",
        "key",
        "plugin",
        "owner",
        "sent",
        "conversation",
        "print",
        "person",
        "scope",
        "name",
        "asked_by",
    ];
    blobs.retain(|(_, column)| !tags.contains(&column.as_str()));
    assert_eq!(blobs, BTreeSet::new(), "sealed, and no rotation knows of it");
}
