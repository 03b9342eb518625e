//! Sealing: AES-256-GCM with keys derived for each (table, account), bound to the cell it lies in.
//!
//! A sealed cell is `version | key id (4) | nonce (12) | ciphertext and tag`; what is authenticated besides is
//! `table|row|column`, so that a cell moved elsewhere does not open.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use parking_lot::RwLock;
use rand::RngCore;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use switchhook_core::id::AccountId;
use switchhook_core::message::Conversation;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::hold::{Hold, Holds};
use crate::keys::{KeyId, Keyring, MasterKey};
use crate::tag::Tag;

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + 12;

/// The tables, each of which has keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Table {
    Meta,
    Inbox,
    Outbox,
    Kv,
    History,
    Contacts,
    Standings,
    Timers,
    Generations,
    Audits,
    AccountState,
    Links,
    Devices,
}

impl Table {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Inbox => "inbox",
            Self::Outbox => "outbox",
            Self::Kv => "kv",
            Self::History => "history",
            Self::Contacts => "contacts",
            Self::Standings => "standings",
            Self::Timers => "timers",
            Self::Generations => "generations",
            Self::Audits => "audits",
            Self::AccountState => "account_state",
            Self::Links => "links",
            Self::Devices => "devices",
        }
    }
    /// A cell of this table that belongs to no account.
    pub(crate) fn cell(self, row: impl Into<Row>, column: &'static str) -> Cell {
        Cell { table: self, row: row.into(), column, owner: Tag::NONE }
    }
}

/// Names a row within its table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row {
    Id(i64),
    Tag(Tag),
}

impl From<i64> for Row {
    fn from(id: i64) -> Self {
        Self::Id(id)
    }
}

impl From<Tag> for Row {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Tag(tag) => f.write_str(&tag.hex()),
        }
    }
}

/// Where something sealed lies, and whose it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    table: Table,
    row: Row,
    column: &'static str,
    owner: Tag,
}

impl Cell {
    pub(crate) fn of(self, account: Tag) -> Self {
        Self { owner: account, ..self }
    }
    fn aad(&self) -> Vec<u8> {
        format!("{}|{}|{}", self.table.name(), self.row, self.column).into_bytes()
    }
    fn unsealable(&self) -> StoreError {
        StoreError::Unsealable { table: self.table.name(), row: self.row.to_string(), column: self.column }
    }
}

/// Seals with the newest key, opens with any.
pub(crate) struct Sealer {
    keys: RwLock<Keyring>,
    ciphers: RwLock<HashMap<(KeyId, Table, Tag), Arc<Aes256Gcm>>>,
    /// How often something did not open.
    refused: AtomicU64,
}

impl Sealer {
    pub(crate) fn new(keys: Keyring) -> Self {
        Self { keys: RwLock::new(keys), ciphers: RwLock::default(), refused: AtomicU64::new(0) }
    }
    pub(crate) fn keys(&self) -> Keyring {
        self.keys.read().clone()
    }
    pub(crate) fn current(&self) -> KeyId {
        self.keys.read().current.id()
    }
    /// From here on this key seals; those before it still open.
    pub(crate) fn turn_to(&self, key: MasterKey) {
        let mut keys = self.keys.write();
        let before = std::mem::replace(&mut keys.current, key);
        keys.old.push(before);
    }
    /// From here on only the newest key opens anything.
    pub(crate) fn forget_old(&self) {
        let mut keys = self.keys.write();
        keys.old.clear();
        let current = keys.current.id();
        self.ciphers.write().retain(|(id, ..), _| *id == current);
    }
    /// Which key something was sealed with.
    pub(crate) fn key_of(sealed: &[u8]) -> Option<KeyId> {
        if sealed.len() < HEADER || sealed[0] != VERSION {
            return None;
        }
        sealed[1..5].try_into().ok().map(KeyId)
    }
    pub(crate) fn seal(&self, cell: Cell, plain: &[u8]) -> Vec<u8> {
        let (id, cipher) = {
            let keys = self.keys.read();
            let id = keys.current.id();
            (id, self.cipher(&keys.current, id, cell))
        };
        let mut nonce = [0; 12];
        rand::rng().fill_bytes(&mut nonce);
        let payload = Payload { msg: plain, aad: &cell.aad() };
        // Fails only beyond 64 GiB, which no cell can hold.
        let secret = cipher.encrypt(Nonce::from_slice(&nonce), payload).expect("a cell of less than 64 GiB");
        let mut sealed = Vec::with_capacity(HEADER + secret.len());
        sealed.push(VERSION);
        sealed.extend(id.0);
        sealed.extend(nonce);
        sealed.extend(secret);
        sealed
    }
    pub(crate) fn open(&self, cell: Cell, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let opened = self.try_open(cell, sealed);
        if opened.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        opened.ok_or_else(|| cell.unsealable())
    }
    fn try_open(&self, cell: Cell, sealed: &[u8]) -> Option<Vec<u8>> {
        let id = Self::key_of(sealed)?;
        let cipher = {
            let keys = self.keys.read();
            let key = keys.find(id)?;
            self.cipher(key, id, cell)
        };
        let payload = Payload { msg: &sealed[HEADER..], aad: &cell.aad() };
        cipher.decrypt(Nonce::from_slice(&sealed[5..HEADER]), payload).ok()
    }
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
    fn cipher(&self, key: &MasterKey, id: KeyId, cell: Cell) -> Arc<Aes256Gcm> {
        let name = (id, cell.table, cell.owner);
        if let Some(cipher) = self.ciphers.read().get(&name) {
            return cipher.clone();
        }
        let mut derived = Zeroizing::new([0; 32]);
        key.derive(&["seal", cell.table.name(), &cell.owner.hex()], derived.as_mut_slice());
        let cipher = Arc::new(Aes256Gcm::new(derived.as_slice().into()));
        self.ciphers.write().entry(name).or_insert(cipher).clone()
    }
}

/// The sealer together with the key of the look-ups, which no rotation changes.
pub(crate) struct Vault {
    sealer: Sealer,
    lookup: Hmac<Sha256>,
    holds: Holds,
}

impl Vault {
    pub(crate) fn new(sealer: Sealer, index_key: &[u8; 32]) -> Self {
        let lookup = <Hmac<Sha256> as Mac>::new_from_slice(index_key).expect("any length will do");
        Self { sealer, lookup, holds: Holds::new() }
    }
    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }
    /// To seal with. Kept until what was sealed is queued, or given up.
    pub(crate) fn sealing(&self) -> Sealing<'_> {
        Sealing { _hold: self.holds.take(), vault: self }
    }
    /// Kept by whoever still opens what it read.
    pub(crate) fn hold(&self) -> Hold {
        self.holds.take()
    }
    /// Returns when all that was sealed before is queued, and all that was read before is open.
    pub(crate) async fn passed(&self) {
        self.holds.passed().await;
    }
    /// Stands for these texts in look-ups of one kind.
    pub(crate) fn tag(&self, kind: &str, parts: &[&str]) -> Tag {
        let mut mac = self.lookup.clone();
        for part in std::iter::once(&kind).chain(parts) {
            mac.update(&(part.len() as u32).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let full = mac.finalize().into_bytes();
        let mut tag = [0; 16];
        tag.copy_from_slice(&full[..16]);
        Tag(tag)
    }
    pub(crate) fn account(&self, account: &AccountId) -> Tag {
        self.tag("account", &[account.as_str()])
    }
    pub(crate) fn conversation(&self, c: &Conversation) -> Tag {
        let parts: Vec<&str> = [c.account.as_str(), &c.chat].into_iter().chain(c.thread.as_deref()).collect();
        self.tag("conversation", &parts)
    }
    pub(crate) fn open(&self, cell: Cell, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.sealer.open(cell, sealed)
    }
    pub(crate) fn open_json<T: DeserializeOwned>(&self, cell: Cell, sealed: &[u8]) -> Result<T, StoreError> {
        let plain = Zeroizing::new(self.open(cell, sealed)?);
        serde_json::from_slice(&plain)
            .map_err(|reason| StoreError::Unreadable { table: cell.table.name(), reason: Arc::new(reason) })
    }
    /// Opens a text that may be missing.
    pub(crate) fn open_text(&self, cell: Cell, sealed: Option<Vec<u8>>) -> Result<Option<String>, StoreError> {
        let Some(sealed) = sealed else { return Ok(None) };
        String::from_utf8(self.open(cell, &sealed)?).map(Some).map_err(|_| cell.unsealable())
    }
}

/// The vault, to somebody who seals. A rotation waits until those who began before it have queued what they sealed:
/// whatever the old key sealed lies before its first step then, in the tables or in the queue.
pub(crate) struct Sealing<'a> {
    vault: &'a Vault,
    _hold: Hold,
}

impl Deref for Sealing<'_> {
    type Target = Vault;
    fn deref(&self) -> &Vault {
        self.vault
    }
}

impl Sealing<'_> {
    pub(crate) fn seal(&self, cell: Cell, plain: &[u8]) -> Vec<u8> {
        self.sealer.seal(cell, plain)
    }
    pub(crate) fn seal_json<T: Serialize>(&self, cell: Cell, value: &T) -> Result<Vec<u8>, StoreError> {
        let plain = serde_json::to_vec(value)
            .map_err(|reason| StoreError::Unreadable { table: cell.table.name(), reason: Arc::new(reason) })?;
        Ok(self.seal(cell, &Zeroizing::new(plain)))
    }
}

/// For lists: a row that does not open is said and left out, since it must not take the others with it.
pub(crate) fn or_leave_out<T>(row: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(error @ (StoreError::Unsealable { .. } | StoreError::Unreadable { .. })) => {
            tracing::error!(%error, "left out of a list");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(current: u8, old: &[u8]) -> Keyring {
        let key = |byte| MasterKey::from_bytes([byte; 32]);
        Keyring { current: key(current), old: old.iter().map(|b| key(*b)).collect() }
    }

    #[test]
    fn a_cell_opens_only_where_it_was_sealed() {
        let sealer = Sealer::new(ring(1, &[]));
        let owner = Tag([7; 16]);
        let cell = Table::Inbox.cell(5, "body").of(owner);
        let sealed = sealer.seal(cell, b"hello");
        assert_eq!(sealer.open(cell, &sealed).unwrap(), b"hello");
        let elsewhere = [
            Table::Outbox.cell(5, "body").of(owner),
            Table::Inbox.cell(6, "body").of(owner),
            Table::Inbox.cell(5, "head").of(owner),
            Table::Inbox.cell(5, "body"),
        ];
        for cell in elsewhere {
            assert!(sealer.open(cell, &sealed).is_err(), "{cell:?}");
        }
        for i in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[i] ^= 1;
            assert!(sealer.open(cell, &altered).is_err(), "byte {i}");
        }
        assert!(sealer.open(cell, &sealed[..HEADER]).is_err());
    }

    #[test]
    fn the_same_text_is_never_sealed_alike() {
        let sealer = Sealer::new(ring(1, &[]));
        let cell = Table::Kv.cell(1, "value");
        assert_ne!(sealer.seal(cell, b"x"), sealer.seal(cell, b"x"));
    }

    /// B8
    #[test]
    fn old_keys_open_and_the_newest_seals() {
        let cell = Table::Kv.cell(1, "value");
        let before = Sealer::new(ring(1, &[])).seal(cell, b"x");
        let rotated = Sealer::new(ring(2, &[1]));
        assert_eq!(rotated.open(cell, &before).unwrap(), b"x");
        let after = rotated.seal(cell, b"y");
        assert_eq!(Sealer::new(ring(2, &[])).open(cell, &after).unwrap(), b"y");
        assert!(Sealer::new(ring(2, &[])).open(cell, &before).is_err());
    }

    #[test]
    fn look_ups_tell_parts_apart() {
        let vault = Vault::new(Sealer::new(ring(1, &[])), &[3; 32]);
        assert_eq!(vault.tag("a", &["b", "c"]), vault.tag("a", &["b", "c"]));
        assert_ne!(vault.tag("a", &["b", "c"]), vault.tag("a", &["bc"]));
        assert_ne!(vault.tag("a", &["b"]), vault.tag("b", &["a"]));
    }
}
