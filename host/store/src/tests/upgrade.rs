//! Stores that an earlier version made.

use rusqlite::Connection;
use switchhook_core::time::{Clock, UnixMillis};

use super::support::*;
use crate::*;

const BEFORE_TRAFFIC: [&str; 3] = [
    include_str!("../../migrations/V1__first.sql"),
    include_str!("../../migrations/V2__account_state.sql"),
    include_str!("../../migrations/V3__linking.sql"),
];

/// What the first versions noted their migrations in.
const NOTED: &str = "CREATE TABLE refinery_schema_history(
    version INT4 PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255), checksum VARCHAR(255));";

/// The same journal in a store that has counted nothing yet.
fn before_traffic(f: Fixture) -> Fixture {
    let Fixture { dir, clock, store } = f;
    store.close();
    let older = tempfile::tempdir().unwrap();
    let conn = Connection::open(older.path().join("journal.db")).unwrap();
    conn.execute_batch(NOTED).unwrap();
    for (version, sql) in (1..).zip(BEFORE_TRAFFIC) {
        conn.execute_batch(sql).unwrap();
        conn.execute("INSERT INTO refinery_schema_history VALUES (?1, '', '', '')", [version]).unwrap();
    }
    conn.execute("ATTACH ?1 AS newer", [dir.path().join("journal.db").to_str().unwrap()]).unwrap();
    let columns = [
        ("meta", "name, value"),
        ("inbox", "id, account, dedupe, state, accepted_at, finished_at, attempts, approved, kept, head, body"),
        ("outbox", "id, message, account, state, not_before, ended_at, attempts, unknowns, head, body"),
    ];
    for (table, columns) in columns {
        let sql = format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}");
        conn.execute(&sql, []).unwrap();
    }
    conn.close().unwrap();
    let (store, _) = Store::open(StoreOptions { clock: clock.clone(), ..options(older.path()) }).unwrap();
    Fixture { dir: older, clock, store }
}

/// C3: on the day of the upgrade the limit holds, too: what the journal knows of the day is counted.
#[tokio::test]
async fn an_older_store_finds_what_it_sent_today() {
    let f = Fixture::new();
    let (_, ids) = f.answered("1", &["a", "b", "c"], true).await;
    for id in &ids[..2] {
        f.store.end_delivery(*id, DeliveryEnd::Sent { provider_id: None }, None).await.unwrap();
    }
    f.accept("2", "hello").await;
    let f = before_traffic(f);
    let now = f.clock.now();
    let today = f.store.tally(&account()).within(UnixMillis(now.0 - 3_600_000), UnixMillis(now.0 + 3_600_000));
    assert_eq!(today, Traffic { sent: 2, received: 2 });
    let left = f.store.delivery(ids[2]).await.unwrap().unwrap();
    assert_eq!(left.state, DeliveryState::Unknown, "and its journal goes on");
    f.store.arm(ids[2]).await.unwrap();
    f.store.end_delivery(ids[2], DeliveryEnd::Sent { provider_id: None }, None).await.unwrap();
    let today = f.store.tally(&account()).within(UnixMillis(now.0 - 3_600_000), UnixMillis(now.0 + 3_600_000));
    assert_eq!(today.sent, 3);
    let version = |conn: &Connection| conn.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    let (f, _) = f.reopen();
    let journal = Connection::open(f.dir.path().join("journal.db")).unwrap();
    assert_eq!(version(&journal).unwrap(), 6, "its version is where all others have it");
    assert!(!journal.table_exists(None, "refinery_schema_history").unwrap());
}

/// Before a byte of it is changed.
#[test]
fn a_file_that_is_not_ours_or_is_newer_is_refused() {
    let notes = "CREATE TABLE refinery_schema_history (version INT4); INSERT INTO refinery_schema_history VALUES";
    let ours = "CREATE TABLE meta (a); CREATE TABLE inbox (a);";
    let (foreign, newer) = ("foreign-database", "newer-database");
    let cases = [
        ("CREATE TABLE recipes (dish)".to_owned(), foreign),
        ("CREATE TABLE recipes (dish); PRAGMA user_version = 3".to_owned(), foreign),
        ("PRAGMA user_version = 3".to_owned(), foreign),
        (format!("{ours} CREATE TABLE recipes (dish)"), foreign),
        (format!("{ours} PRAGMA user_version = 99"), newer),
        (format!("{ours} {notes} (99)"), newer),
    ];
    for (sql, code) in cases {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("journal.db");
        Connection::open(&file).unwrap().execute_batch(&sql).unwrap();
        let before = std::fs::read(&file).unwrap();
        let error = Store::open(options(dir.path())).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), code, "{sql}: {error}");
        assert_eq!(std::fs::read(&file).unwrap(), before, "{sql}");
    }
}

/// Of the first versions: nothing but the list of migrations.
#[test]
fn a_first_start_that_was_cut_short_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    Connection::open(dir.path().join("journal.db")).unwrap().execute_batch(NOTED).unwrap();
    Store::open(options(dir.path())).unwrap();
}
