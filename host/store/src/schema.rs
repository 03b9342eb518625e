//! Connections and migrations.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use rusqlite_migration::{M, Migrations};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::folder::Folder;
use crate::inspect::{self, inspect};
use crate::keys::{KeyId, Keyring};
use crate::rotation::{self, IndexKey};
use crate::seal::{Sealer, Table, Vault};
use crate::store::Durability;

/// What the tables came to be by, in order. How many of them a journal has had is its `user_version`.
const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("../migrations/V1__first.sql")),
    M::up(include_str!("../migrations/V2__account_state.sql")),
    M::up(include_str!("../migrations/V3__linking.sql")),
    M::up(include_str!("../migrations/V4__traffic.sql")),
    M::up(include_str!("../migrations/V5__rotation.sql")),
    M::up(include_str!("../migrations/V6__receipts.sql")),
];

/// How long a connection waits for another program that has the journal: what SQLite's users are used to.
pub(crate) const BUSY: Duration = Duration::from_secs(5);
/// Statements kept prepared on a connection: there are about 60 different ones.
const STATEMENTS: usize = 96;
/// What a connection that reads keeps of the file, in KiB (negative, as SQLite wants it): the upper pages of the indices.
/// Its usual 2 MiB a connection stay for good, and the system has the file in memory anyway.
const READER_CACHE: i64 = -256;
/// The write-ahead log is cut back to this after a burst.
const WAL_KEPT: i64 = 16 * 1024 * 1024;

/// The one connection that writes. On a network file system it must be the only one: `exclusive`.
pub(crate) fn writer(path: &Path, durability: Durability, exclusive: bool) -> Result<Connection, StoreError> {
    let conn = switchhook_wal::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    if exclusive {
        // Before anything touches the log, or SQLite would map shared memory for it.
        conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    inspect(&conn, path, MIGRATIONS.len() as i64)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match durability {
        Durability::Power => "FULL",
        Durability::Process => "NORMAL",
    };
    conn.pragma_update(None, "synchronous", synchronous)?;
    // What is erased is overwritten, not only forgotten.
    conn.pragma_update(None, "secure_delete", "ON")?;
    conn.pragma_update(None, "journal_size_limit", WAL_KEPT)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.busy_timeout(BUSY)?;
    keep_plans(&conn)?;
    Ok(conn)
}

pub(crate) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "cache_size", READER_CACHE)?;
    keep_plans(&conn)?;
    Ok(conn)
}

/// Statements stay prepared, whatever is bound to them. Otherwise SQLite plans one with a bound `LIMIT` anew each time.
fn keep_plans(conn: &Connection) -> Result<(), StoreError> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Checks the keys before anything is changed, then brings the tables up to date.
pub(crate) fn prepare(conn: &mut Connection, folder: &Folder, keys: Keyring) -> Result<Vault, StoreError> {
    let sealer = Sealer::new(keys);
    let known = index_key(conn, folder, &sealer)?;
    migrate(conn)?;
    let key = match known {
        Some((key, by)) => {
            if by != sealer.current() {
                rotation::begin_at_opening(conn, &sealer, &key, by)?;
            }
            key
        }
        None => {
            let mut key = Zeroizing::new([0; 32]);
            rand::RngCore::fill_bytes(&mut rand::rng(), key.as_mut_slice());
            rotation::keep_index_key(conn, &sealer, &key)?;
            key
        }
    };
    Ok(Vault::new(sealer, &key))
}

/// The key of the look-ups lies sealed in the store; whether it opens tells whether the master key is the right one.
/// Comes with which key sealed it.
fn index_key(conn: &Connection, folder: &Folder, sealer: &Sealer) -> Result<Option<(IndexKey, KeyId)>, StoreError> {
    let known: bool =
        conn.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'meta')", [], |row| row.get(0))?;
    if !known {
        return Ok(None);
    }
    rotation::check(conn, folder.dir(), &sealer.keys())?;
    let sealed: Option<Vec<u8>> = conn.query_row(rotation::INDEX_KEY_LIES, [], |row| row.get(0)).optional()?;
    let Some(sealed) = sealed else { return Ok(None) };
    let wanted = Sealer::key_of(&sealed).ok_or(StoreError::Unsealable {
        table: Table::Meta.name(),
        row: "0".to_owned(),
        column: "index key",
    })?;
    let wrong = || StoreError::WrongKey { dir: folder.dir().to_owned(), wanted, given: sealer.keys().names() };
    let key = rotation::open_index_key(sealer, &sealed).map_err(|_| wrong())?;
    Ok(Some((key, wanted)))
}

fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    inspect::bring_version_over(conn)?;
    let failed = |reason| StoreError::Migration { reason: Arc::new(reason) };
    Migrations::from_slice(MIGRATIONS).to_latest(conn).map_err(failed)
}
