//! What the tables say of keys: the key of the look-ups, and whether a rotation is under way.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::keys::{KeyId, Keyring};
use crate::seal::{Cell, Sealer, Table};

pub(crate) const INDEX_KEY_LIES: &str = "SELECT value FROM meta WHERE name = 'index key'";
const KEEP_INDEX_KEY: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES ('index key', ?1)";
const MARKED: &str = "SELECT value FROM meta WHERE name = 'rotation'";
const MARK: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES ('rotation', ?1)";
pub(super) const UNMARK: &str = "DELETE FROM meta WHERE name = 'rotation'";

pub(crate) type IndexKey = Zeroizing<[u8; 32]>;

/// A rotation under way, in clear: the names of keys say nothing of them.
pub(super) struct Mark {
    to: KeyId,
    pub(super) from: Vec<KeyId>,
}

impl Mark {
    pub(super) fn read(conn: &Connection) -> Result<Option<Self>, StoreError> {
        let bytes: Option<Vec<u8>> = conn.query_row(MARKED, [], |row| row.get(0)).optional()?;
        let Some(bytes) = bytes else { return Ok(None) };
        let mut names = bytes.chunks_exact(4).map(|name| KeyId([name[0], name[1], name[2], name[3]]));
        Ok(names.next().map(|to| Self { to, from: names.collect() }))
    }
    /// A rotation that begins before the last one is over needs the keys of both.
    fn keep(conn: &Connection, to: KeyId, from: KeyId) -> Result<(), StoreError> {
        let mut needed = Self::read(conn)?.map_or_else(Vec::new, |mark| mark.from);
        needed.push(from);
        needed.retain(|id| *id != to);
        let names: Vec<u8> = std::iter::once(&to).chain(&needed).flat_map(|id| id.0).collect();
        conn.execute(MARK, [names])?;
        Ok(())
    }
}

/// Refuses keys with which half of the data would not open.
pub(crate) fn check(conn: &Connection, dir: &Path, keys: &Keyring) -> Result<(), StoreError> {
    let Some(mark) = Mark::read(conn)? else { return Ok(()) };
    let needed: Vec<KeyId> = std::iter::once(mark.to).chain(mark.from).collect();
    if needed.iter().all(|id| keys.find(*id).is_some()) {
        return Ok(());
    }
    let needed = needed.iter().map(KeyId::to_string).collect::<Vec<_>>().join(" and ");
    Err(StoreError::HalfRotated { dir: dir.to_owned(), needed, given: keys.names() })
}

pub(crate) fn open_index_key(sealer: &Sealer, sealed: &[u8]) -> Result<IndexKey, StoreError> {
    let key = Zeroizing::new(sealer.open(cell(), sealed)?);
    let key = key.as_slice().try_into().map_err(|_| StoreError::Unsealable {
        table: Table::Meta.name(),
        row: "0".to_owned(),
        column: "index key",
    })?;
    Ok(Zeroizing::new(key))
}

pub(crate) fn keep_index_key(conn: &Connection, sealer: &Sealer, key: &IndexKey) -> Result<(), StoreError> {
    conn.execute(KEEP_INDEX_KEY, [sealer.seal(cell(), key.as_slice())])?;
    Ok(())
}

/// `sealer` seals with the new key already. Within a transaction: the mark and the key belong together.
pub(super) fn begin(conn: &Connection, sealer: &Sealer, key: &IndexKey, from: KeyId) -> Result<(), StoreError> {
    keep_index_key(conn, sealer, key)?;
    Mark::keep(conn, sealer.current(), from)
}

/// The store was opened with a key that is newer than that of the tables.
pub(crate) fn begin_at_opening(
    conn: &Connection,
    sealer: &Sealer,
    key: &IndexKey,
    from: KeyId,
) -> Result<(), StoreError> {
    let transaction = conn.unchecked_transaction()?;
    begin(&transaction, sealer, key, from)?;
    Ok(transaction.commit()?)
}

fn cell() -> Cell {
    Table::Meta.cell(0, "index key")
}
