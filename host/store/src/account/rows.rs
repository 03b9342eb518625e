//! The SQL of account states.

use rusqlite::{Connection, OptionalExtension, Row, params};
use switchhook_core::id::AccountId;

use crate::account::record::{Change, Place, StateEntry, unpack, unsealable};
use crate::error::StoreError;
use crate::seal::Vault;
use crate::tag::Tag;
use crate::writer::Batch;

pub(super) fn apply(batch: &Batch<'_>, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Put { place: p, sealed, plain, .. } => batch.execute(
            "INSERT INTO account_state (account, space, scope, name, value, expiry, number)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (account, space, scope, name) DO UPDATE SET
                 value = excluded.value, expiry = excluded.expiry, number = excluded.number, uploaded = 0",
            params![p.account, p.space, p.scope, p.name, sealed, plain.expiry, plain.number],
        )?,
        Change::Delete(p) => batch.execute(
            "DELETE FROM account_state WHERE account = ?1 AND space = ?2 AND scope = ?3 AND name = ?4",
            params![p.account, p.space, p.scope, p.name],
        )?,
        Change::MarkUploaded(p) => batch.execute(
            "UPDATE account_state SET uploaded = 1 WHERE account = ?1 AND space = ?2 AND scope = ?3 AND name = ?4",
            params![p.account, p.space, p.scope, p.name],
        )?,
    };
    Ok(())
}

/// Which records a deletion takes.
pub(super) enum Range {
    Account,
    Space(&'static str),
    Scope(&'static str, Tag),
    /// A name, in whatever scope.
    Name(&'static str, Tag),
    /// What expires before this.
    Before(&'static str, i64),
}

pub(super) fn delete(batch: &Batch<'_>, account: Tag, range: &Range) -> Result<usize, StoreError> {
    match range {
        Range::Account => batch.execute("DELETE FROM account_state WHERE account = ?1", params![account]),
        Range::Space(space) => {
            batch.execute("DELETE FROM account_state WHERE account = ?1 AND space = ?2", params![account, space])
        }
        Range::Scope(space, scope) => batch.execute(
            "DELETE FROM account_state WHERE account = ?1 AND space = ?2 AND scope = ?3",
            params![account, space, scope],
        ),
        Range::Name(space, name) => batch.execute(
            "DELETE FROM account_state WHERE account = ?1 AND space = ?2 AND name = ?3",
            params![account, space, name],
        ),
        Range::Before(space, bound) => batch.execute(
            "DELETE FROM account_state WHERE account = ?1 AND space = ?2 AND expiry < ?3",
            params![account, space, bound],
        ),
    }
}

pub(super) fn get(conn: &Connection, vault: &Vault, place: &Place) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT value FROM account_state WHERE account = ?1 AND space = ?2 AND scope = ?3 AND name = ?4",
    )?;
    let sealed: Option<Vec<u8>> = statement
        .query_row(params![place.account, place.space, place.scope, place.name], |row| row.get(0))
        .optional()?;
    let Some(sealed) = sealed else { return Ok(None) };
    let packed = vault.open(place.cell(), &sealed)?;
    Ok(Some(unpack(&packed).ok_or_else(|| unsealable(place.row))?.value))
}

/// A row as it lies, still sealed.
struct Found {
    scope: Tag,
    name: Tag,
    sealed: Vec<u8>,
    number: Option<u32>,
    uploaded: bool,
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found { scope: row.get(0)?, name: row.get(1)?, sealed: row.get(2)?, number: row.get(3)?, uploaded: row.get(4)? })
}

/// The records of a kind, or of a scope of it.
pub(super) fn list(
    conn: &Connection,
    vault: &Vault,
    account: &AccountId,
    space: &'static str,
    scope: Option<Tag>,
) -> Result<Vec<StateEntry>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT scope, name, value, number, uploaded FROM account_state
         WHERE account = ?1 AND space = ?2 AND (?3 IS NULL OR scope = ?3)",
    )?;
    let rows = statement.query_map(params![vault.account(account), space, scope], found)?;
    rows.map(|row| open(vault, account, space, row?)).collect()
}

fn open(vault: &Vault, account: &AccountId, space: &'static str, found: Found) -> Result<StateEntry, StoreError> {
    let place = Place::at(vault, vault.account(account), space, found.scope, found.name);
    let packed = vault.open(place.cell(), &found.sealed)?;
    let unpacked = unpack(&packed).ok_or_else(|| unsealable(place.row))?;
    let (number, uploaded) = (found.number, found.uploaded);
    Ok(StateEntry { scope: unpacked.scope, name: unpacked.name, value: unpacked.value, number, uploaded })
}

/// The highest number among the records of a kind.
pub(super) fn highest(conn: &Connection, account: Tag, space: &'static str) -> Result<Option<u32>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT max(number) FROM account_state WHERE account = ?1 AND space = ?2")?;
    Ok(statement.query_row(params![account, space], |row| row.get(0))?)
}

pub(super) fn any_in_scope(
    conn: &Connection,
    account: Tag,
    space: &'static str,
    scope: Tag,
) -> Result<bool, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM account_state WHERE account = ?1 AND space = ?2 AND scope = ?3)",
    )?;
    Ok(statement.query_row(params![account, space, scope], |row| row.get(0))?)
}
