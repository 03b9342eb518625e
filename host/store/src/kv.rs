//! Key-value pairs of plugins.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use switchhook_core::hook::KvSpace;
use switchhook_core::id::PluginName;

use crate::error::StoreError;
use crate::journal::{KvChange, KvScope, KvWrite};
use crate::memory::{Effect, Pair, Queued};
use crate::seal::{Cell, Sealing, Table, Vault};
use crate::store::Store;
use crate::tag::Tag;
use crate::writer::{Batch, OnFullDisk, Ordered, Undo};

impl Store {
    /// Ordered; a read that follows sees it.
    pub async fn write_kv(&self, writes: Vec<KvWrite>) {
        let plain: Vec<_> = writes.iter().map(|write| write.change.clone()).collect();
        let sealing = self.vault().sealing();
        let changes: Vec<_> = writes.into_iter().map(|write| Change::seal(&sealing, write)).collect();
        let known: Vec<_> = changes.iter().map(|change| change.key.key).zip(plain).collect();
        let vault = self.vault().clone();
        let work = move |batch: &mut Batch<'_>| changes.iter().try_for_each(|change| apply(batch, &vault, change));
        // A closed store keeps nothing any more.
        let Ok(room) = self.room().await else { return };
        let shared = self.shared().clone();
        // Held while sending, so that what memory says last is also written last.
        let mut queued = self.shared().memory.kv_queued.lock();
        let numbers: Vec<_> = known.into_iter().map(|(key, change)| (key, note(&mut queued, key, change))).collect();
        let end = move |_: Result<(), StoreError>| {
            let mut queued = shared.memory.kv_queued.lock();
            numbers.into_iter().for_each(|(key, number)| queued.written(key, number));
        };
        let (undo, on_full_disk) = (Undo::Write, OnFullDisk::PostponeSome);
        room.send(Box::new(Ordered { name: "kv", undo, on_full_disk, work, result: Ok(()), end }));
    }

    pub async fn kv_get(&self, scope: &KvScope, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = Key::of(self.vault(), scope, key);
        let queued = self.shared().memory.kv_queued.lock().get(key.key);
        match queued {
            Some(Pair::Is(value)) => return Ok(value),
            // What waits for the disk is left out: a few of a counter's last steps, not the counter.
            Some(Pair::Open) => self.settle().await?,
            None => {}
        }
        let vault = self.vault().clone();
        self.read_here(move |conn| find(conn, &vault, &key)).await
    }

    /// Bytes of keys and values that a plugin keeps, as of the last commit.
    pub async fn kv_usage(&self, plugin: &PluginName) -> u64 {
        let tag = self.vault().tag("plugin", &[plugin.as_str()]);
        self.shared().memory.kv_usage.lock().get(&tag).map_or(0, |bytes| *bytes as u64)
    }
}

/// Where a pair lies and whose it is.
#[derive(Debug, Clone, Copy)]
struct Key {
    key: Tag,
    plugin: Tag,
    owner: Tag,
    /// Bytes of the key, which count.
    length: i64,
}

impl Key {
    fn of(vault: &Vault, scope: &KvScope, key: &str) -> Self {
        let plugin = scope.plugin.as_str();
        let (tag, owner) = match (&scope.chat, scope.space) {
            (Some((channel, c)), KvSpace::Chat) => {
                let conversation = vault.conversation(c).hex();
                let parts = [plugin, channel.as_str(), &conversation, key];
                (vault.tag("kv", &parts), vault.account(&c.account))
            }
            _ => (vault.tag("kv-shared", &[plugin, key]), Tag::NONE),
        };
        Self { key: tag, plugin: vault.tag("plugin", &[plugin]), owner, length: key.len() as i64 }
    }
    fn cell(&self) -> Cell {
        Table::Kv.cell(self.key, "value").of(self.owner)
    }
}

/// A change ready to be written.
pub(crate) struct Change {
    key: Key,
    change: SealedChange,
}

enum SealedChange {
    /// With its length unsealed.
    Set(Vec<u8>, i64),
    Delete,
    Increment(i64),
}

impl Change {
    pub(crate) fn seal(vault: &Sealing<'_>, write: KvWrite) -> Self {
        let key = Key::of(vault, &write.scope, &write.key);
        let change = match write.change {
            KvChange::Set(value) => SealedChange::Set(vault.seal(key.cell(), &value), value.len() as i64),
            KvChange::Delete => SealedChange::Delete,
            KvChange::Increment(by) => SealedChange::Increment(by),
        };
        Self { key, change }
    }
}

/// Writes one change. An increment is worked out here, in the transaction, where nothing comes in between.
pub(crate) fn apply(batch: &mut Batch<'_>, vault: &Arc<Vault>, change: &Change) -> Result<(), StoreError> {
    let key = &change.key;
    match &change.change {
        SealedChange::Set(value, length) => put(batch, key, value, *length),
        SealedChange::Delete => {
            let before = size(batch, key)?;
            batch.execute("DELETE FROM kv WHERE key = ?1", [key.key])?;
            batch.note(Effect::KvUsage { plugin: key.plugin, by: -before });
            Ok(())
        }
        SealedChange::Increment(by) => {
            let before = find(batch.conn(), vault, key)?;
            let after = incremented(before.as_deref(), *by);
            put(batch, key, &vault.sealing().seal(key.cell(), &after), after.len() as i64)
        }
    }
}

/// A counter is kept as decimal text, as the contract says; what is no number counts from 0.
fn incremented(before: Option<&[u8]>, by: i64) -> Vec<u8> {
    let before = before.and_then(|text| std::str::from_utf8(text).ok()).and_then(|text| text.parse().ok());
    before.unwrap_or(0i64).saturating_add(by).to_string().into_bytes()
}

fn put(batch: &mut Batch<'_>, key: &Key, value: &[u8], length: i64) -> Result<(), StoreError> {
    let (before, after) = (size(batch, key)?, key.length + length);
    batch.execute(
        "INSERT INTO kv (key, plugin, owner, size, value) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, size = excluded.size, value = excluded.value",
        params![key.key, key.plugin, key.owner, after, value],
    )?;
    batch.note(Effect::KvUsage { plugin: key.plugin, by: after - before });
    Ok(())
}

fn size(batch: &Batch<'_>, key: &Key) -> Result<i64, StoreError> {
    let mut statement = batch.sql("SELECT size FROM kv WHERE key = ?1")?;
    Ok(statement.query_row([key.key], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn find(conn: &Connection, vault: &Vault, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT value FROM kv WHERE key = ?1")?;
    let sealed: Option<Vec<u8>> = statement.query_row([key.key], |row| row.get(0)).optional()?;
    sealed.map(|sealed| vault.open(key.cell(), &sealed)).transpose()
}

/// Notes a queued change, on top of what is known.
fn note(queued: &mut Queued, key: Tag, change: KvChange) -> u64 {
    let pair = match (change, queued.get(key)) {
        (KvChange::Set(value), _) => Pair::Is(Some(value)),
        (KvChange::Delete, _) => Pair::Is(None),
        (KvChange::Increment(by), Some(Pair::Is(before))) => Pair::Is(Some(incremented(before.as_deref(), by))),
        (KvChange::Increment(_), _) => Pair::Open,
    };
    queued.put(key, pair)
}
