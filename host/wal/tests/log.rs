//! A database written through it, and read by connections that know nothing of it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

const BOTH: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE);

fn writer(path: &Path, synchronous: &str) -> Connection {
    let conn = switchhook_wal::open(path, BOTH).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.pragma_update(None, "synchronous", synchronous).unwrap();
    // Undoing a statement takes files of its own otherwise.
    conn.pragma_update(None, "temp_store", "MEMORY").unwrap();
    conn.execute_batch("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body BLOB)").unwrap();
    conn
}

fn count(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

fn sound(conn: &Connection) -> bool {
    conn.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap() == "ok"
}

fn insert(conn: &Connection, rows: i64) {
    for _ in 0..rows {
        conn.execute("INSERT INTO t (body) VALUES (randomblob(3000))", []).unwrap();
    }
}

/// Writes that this thread asked the system for.
fn writes() -> u64 {
    let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("syscw: ")).unwrap().parse().unwrap()
}

#[test]
fn a_commit_is_seen_as_soon_as_it_is_over() {
    for synchronous in ["NORMAL", "FULL"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let (writing, reading) = (writer(&path, synchronous), Connection::open(&path).unwrap());
        for n in 1..200 {
            insert(&writing, 1);
            assert_eq!(count(&reading), n, "{synchronous}");
        }
        assert!(sound(&reading));
    }
}

#[test]
fn a_commit_of_many_pages_is_one_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let commit = |conn: &Connection| {
        conn.execute_batch("BEGIN").unwrap();
        insert(conn, 10);
        let before = writes();
        conn.execute_batch("COMMIT").unwrap();
        writes() - before
    };
    let merged = writer(&path, "FULL");
    commit(&merged);
    assert_eq!(commit(&merged), 1);
    drop(merged);
    let plain = Connection::open(&path).unwrap();
    commit(&plain);
    assert!(commit(&plain) > 20, "SQLite writes as it always did: this crate may be superfluous");
}

#[test]
fn a_transaction_larger_than_the_cache_reads_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (writing, reading) = (writer(&path, "NORMAL"), Connection::open(&path).unwrap());
    writing.pragma_update(None, "cache_size", 5).unwrap();
    writing.pragma_update(None, "cache_spill", true).unwrap();
    writing.execute_batch("BEGIN").unwrap();
    insert(&writing, 300);
    writing.execute_batch("SAVEPOINT part").unwrap();
    writing.execute("UPDATE t SET body = randomblob(2500)", []).unwrap();
    insert(&writing, 100);
    writing.execute_batch("ROLLBACK TO part").unwrap();
    assert_eq!((count(&writing), count(&reading)), (300, 0));
    assert!(sound(&writing));
    insert(&writing, 1);
    writing.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&reading), 301);
    writing.execute_batch("BEGIN; DELETE FROM t; ROLLBACK").unwrap();
    insert(&writing, 1);
    assert_eq!(count(&reading), 302);
    assert!(sound(&reading));
}

/// What was written early could be held back still when the transaction is undone.
#[test]
fn nothing_is_written_before_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let conn = writer(&path, "NORMAL");
    // Folding writes, too.
    conn.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    insert(&conn, 300);
    conn.pragma_update(None, "cache_size", 5).unwrap();
    let before = writes();
    conn.execute_batch("BEGIN; UPDATE t SET body = zeroblob(3000)").unwrap();
    assert_eq!(writes() - before, 0);
    conn.execute_batch("ROLLBACK").unwrap();
    assert_eq!(writes() - before, 0);
    conn.execute_batch("UPDATE t SET body = zeroblob(3000)").unwrap();
    assert!((10..100).contains(&(writes() - before)), "300 pages in pieces of 16: {}", writes() - before);
    assert!(sound(&Connection::open(&path).unwrap()));
}

#[test]
fn the_log_is_folded_and_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let (writing, reading) = (writer(&path, "FULL"), Connection::open(&path).unwrap());
    for how in ["PASSIVE", "RESTART", "TRUNCATE"] {
        for _ in 0..3 {
            insert(&writing, 20);
            let busy: bool = writing.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| row.get(0)).unwrap();
            assert!(!busy, "{how}");
        }
    }
    insert(&writing, 1);
    assert_eq!(count(&reading), 181);
    assert!(sound(&reading));
}

/// As after a death of the process: a copy of both files, taken while they are open.
#[test]
fn what_is_committed_is_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let writing = writer(&path, "NORMAL");
    insert(&writing, 7);
    writing.execute_batch("BEGIN").unwrap();
    insert(&writing, 7);
    let copy = tempfile::tempdir().unwrap();
    for name in ["db", "db-wal"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    assert_eq!(count(&Connection::open(copy.path().join("db")).unwrap()), 7);
    writing.execute_batch("COMMIT").unwrap();
    drop(writing);
    assert_eq!(count(&Connection::open(&path).unwrap()), 14);
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let failed = switchhook_wal::open(Path::new("/nonexistent/db"), BOTH).unwrap_err();
    assert_eq!(failed.sqlite_error_code(), Some(rusqlite::ErrorCode::CannotOpen));
}

#[test]
fn a_log_is_brought_to_disk_or_it_is_said_that_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let conn = writer(&path, "FULL");
    insert(&conn, 1);
    switchhook_wal::sync(&conn).unwrap();
    switchhook_wal::fail_syncs(&conn, true).unwrap();
    let failed = |result: rusqlite::Result<()>| match result {
        Err(rusqlite::Error::SqliteFailure(error, _)) => error.extended_code == rusqlite::ffi::SQLITE_IOERR_FSYNC,
        _ => false,
    };
    assert!(failed(switchhook_wal::sync(&conn)));
    assert!(failed(conn.execute_batch("INSERT INTO t (body) VALUES (x'00')")), "a commit of SQLite's own");
    switchhook_wal::fail_syncs(&conn, false).unwrap();
    assert_eq!(count(&conn), 1);
    insert(&conn, 1);
    assert_eq!(count(&Connection::open(&path).unwrap()), 2);
    let elsewhere = Connection::open(&path).unwrap();
    assert!(switchhook_wal::sync(&elsewhere).is_err(), "a log that is not of this kind");
}
