//! Connections and migrations.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use refinery::{Migration, Runner};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::folder::Folder;
use crate::keys::Keyring;
use crate::seal::{Sealer, Table, Vault};
use crate::store::Durability;

/// Statements kept prepared on a connection: there are about 60 different ones.
const STATEMENTS: usize = 96;
/// The write-ahead log is cut back to this after a burst.
const WAL_KEPT: i64 = 16 * 1024 * 1024;

/// The one connection that writes. On a network file system it must be the only one: `exclusive`.
pub(crate) fn writer(path: &Path, durability: Durability, exclusive: bool) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    if exclusive {
        // Before anything touches the log, or SQLite would map shared memory for it.
        conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
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
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

pub(crate) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

/// Checks the keys before anything is changed, then brings the tables up to date.
pub(crate) fn prepare(conn: &mut Connection, folder: &Folder, keys: Keyring) -> Result<Vault, StoreError> {
    let sealer = Sealer::new(keys);
    let known = index_key(conn, folder, &sealer)?;
    migrate(conn)?;
    let key = match known {
        Some((key, true)) => key,
        Some((key, false)) => keep_index_key(conn, &sealer, key)?,
        None => {
            let mut key = Zeroizing::new([0; 32]);
            rand::RngCore::fill_bytes(&mut rand::rng(), key.as_mut_slice());
            keep_index_key(conn, &sealer, key)?
        }
    };
    Ok(Vault::new(sealer, &key))
}

type IndexKey = Zeroizing<[u8; 32]>;

/// The key of the look-ups lies sealed in the store; whether it opens tells whether the master key is the right one.
/// Comes with whether the newest key sealed it.
fn index_key(conn: &Connection, folder: &Folder, sealer: &Sealer) -> Result<Option<(IndexKey, bool)>, StoreError> {
    let known: bool =
        conn.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'meta')", [], |row| row.get(0))?;
    if !known {
        return Ok(None);
    }
    let sealed: Option<Vec<u8>> =
        conn.query_row("SELECT value FROM meta WHERE name = 'index key'", [], |row| row.get(0)).optional()?;
    let Some(sealed) = sealed else { return Ok(None) };
    let cell = Table::Meta.cell(0, "index key");
    let wanted = Sealer::key_of(&sealed).ok_or(StoreError::Unsealable {
        table: Table::Meta.name(),
        row: "0".to_owned(),
        column: "index key",
    })?;
    let wrong = || StoreError::WrongKey { dir: folder.dir().to_owned(), wanted, given: sealer.keys().names() };
    let key = Zeroizing::new(sealer.open(cell, &sealed).map_err(|_| wrong())?);
    let key = key.as_slice().try_into().map_err(|_| wrong())?;
    Ok(Some((Zeroizing::new(key), wanted == sealer.current())))
}

fn keep_index_key(conn: &Connection, sealer: &Sealer, key: IndexKey) -> Result<IndexKey, StoreError> {
    let sealed = sealer.seal(Table::Meta.cell(0, "index key"), key.as_slice());
    conn.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('index key', ?1)", [sealed])?;
    Ok(key)
}

fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let failed = |reason| StoreError::Migration { reason: Arc::new(reason) };
    let all = [
        ("V1__first", include_str!("../migrations/V1__first.sql")),
        ("V2__account_state", include_str!("../migrations/V2__account_state.sql")),
        ("V3__linking", include_str!("../migrations/V3__linking.sql")),
        ("V4__traffic", include_str!("../migrations/V4__traffic.sql")),
    ];
    let all: Result<Vec<_>, _> = all.iter().map(|(name, sql)| Migration::unapplied(name, sql)).collect();
    Runner::new(&all.map_err(failed)?).run(conn).map_err(failed)?;
    Ok(())
}
