//! Records, their names, and batches of changes to them.

use switchhook_core::id::AccountId;

use crate::error::StoreError;
use crate::seal::{Cell, Sealing, Table, Vault};
use crate::tag::Tag;

/// Names a record of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateKey<'a> {
    /// The kind of record, such as `session`. Lies in clear: never anything personal.
    pub space: &'static str,
    /// What several records of a kind are listed and deleted by, such as a group; empty where there is nothing.
    pub scope: &'a str,
    pub name: &'a str,
}

impl<'a> StateKey<'a> {
    pub fn new(space: &'static str, name: &'a str) -> Self {
        Self { space, scope: "", name }
    }
    pub fn scoped(space: &'static str, scope: &'a str, name: &'a str) -> Self {
        Self { space, scope, name }
    }
}

/// What of a record lies in clear, because the database must compare it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatePlain {
    /// A time to prune by, in whatever unit the owner of the records keeps. None means never.
    pub expiry: Option<i64>,
    /// A number that says nothing of anybody, such as a prekey's.
    pub number: Option<u32>,
}

impl StatePlain {
    pub fn expiry(at: i64) -> Self {
        Self { expiry: Some(at), ..Self::default() }
    }
    pub fn number(number: u32) -> Self {
        Self { number: Some(number), ..Self::default() }
    }
}

/// A record as a list gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    pub scope: String,
    pub name: String,
    pub value: Vec<u8>,
    pub number: Option<u32>,
    pub uploaded: bool,
}

/// Changes that happen together or not at all.
pub struct StateBatch<'a> {
    pub(super) sealing: Sealing<'a>,
    pub(super) account: &'a AccountId,
    pub(super) changes: Vec<Change>,
}

impl StateBatch<'_> {
    pub fn put(&mut self, key: StateKey<'_>, value: &[u8]) -> &mut Self {
        self.put_plain(key, value, StatePlain::default())
    }
    /// The same with what lies in clear beside it.
    pub fn put_plain(&mut self, key: StateKey<'_>, value: &[u8], plain: StatePlain) -> &mut Self {
        let place = Place::of(&self.sealing, self.account, key);
        let sealed = self.sealing.seal(place.cell(), &pack(key, value));
        self.changes.push(Change::Put { place, sealed, value: value.to_vec(), plain });
        self
    }
    pub fn delete(&mut self, key: StateKey<'_>) -> &mut Self {
        self.changes.push(Change::Delete(Place::of(&self.sealing, self.account, key)));
        self
    }
    /// Marks what exists; what was deleted meanwhile stays deleted.
    pub fn mark_uploaded(&mut self, key: StateKey<'_>) -> &mut Self {
        self.changes.push(Change::MarkUploaded(Place::of(&self.sealing, self.account, key)));
        self
    }
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

#[derive(Debug)]
pub(super) enum Change {
    Put {
        place: Place,
        sealed: Vec<u8>,
        /// For whoever reads before it is on disk.
        value: Vec<u8>,
        plain: StatePlain,
    },
    Delete(Place),
    MarkUploaded(Place),
}

/// Where a record lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) account: Tag,
    pub(super) space: &'static str,
    pub(super) scope: Tag,
    pub(super) name: Tag,
    /// All of it in one: the row that the seal is bound to.
    pub(super) row: Tag,
}

impl Place {
    pub(super) fn of(vault: &Vault, account: &AccountId, key: StateKey<'_>) -> Self {
        let scope = scope_tag(vault, account, key.space, key.scope);
        let name = name_tag(vault, account, key.space, key.name);
        Self::at(vault, vault.account(account), key.space, scope, name)
    }
    /// The same from what lies in a row.
    pub(super) fn at(vault: &Vault, account: Tag, space: &'static str, scope: Tag, name: Tag) -> Self {
        Self { account, space, scope, name, row: row_tag(vault, account, space, scope, name) }
    }
    pub(super) fn cell(&self) -> Cell {
        cell(self.account, self.row)
    }
}

/// Names a row by nothing but what lies in it, so that it can be sealed anew by somebody who knows no more.
fn row_tag(vault: &Vault, account: Tag, space: &str, scope: Tag, name: Tag) -> Tag {
    vault.tag("account state", &[&account.hex(), space, &scope.hex(), &name.hex()])
}

fn cell(account: Tag, row: Tag) -> Cell {
    Table::AccountState.cell(row, "value").of(account)
}

/// Where the value of a row is sealed.
pub(crate) fn cell_of(vault: &Vault, account: Tag, space: &str, scope: Tag, name: Tag) -> Cell {
    cell(account, row_tag(vault, account, space, scope, name))
}

pub(super) fn scope_tag(vault: &Vault, account: &AccountId, space: &str, scope: &str) -> Tag {
    vault.tag("account state scope", &[account.as_str(), space, scope])
}

/// The same in every scope, so that a name can be deleted from all of them.
pub(super) fn name_tag(vault: &Vault, account: &AccountId, space: &str, name: &str) -> Tag {
    vault.tag("account state name", &[account.as_str(), space, name])
}

/// Scope and name go in with the value, since only their HMACs lie outside.
pub(crate) fn pack(key: StateKey<'_>, value: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(8 + key.scope.len() + key.name.len() + value.len());
    for part in [key.scope, key.name] {
        packed.extend((part.len() as u32).to_be_bytes());
        packed.extend(part.as_bytes());
    }
    packed.extend(value);
    packed
}

pub(crate) struct Unpacked {
    pub(crate) scope: String,
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

/// None means that it was not packed here; a sealed value always was.
pub(crate) fn unpack(packed: &[u8]) -> Option<Unpacked> {
    let (scope, rest) = part(packed)?;
    let (name, value) = part(rest)?;
    Some(Unpacked { scope, name, value: value.to_vec() })
}

fn part(packed: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = packed.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

/// A row that opens to something else than it says it is.
pub(super) fn unsealable(row: Tag) -> StoreError {
    StoreError::Unsealable { table: Table::AccountState.name(), row: row.hex(), column: "value" }
}
