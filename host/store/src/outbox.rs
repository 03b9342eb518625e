//! Deliveries as rows: sealed, written, read back.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde::{Deserialize, Serialize};
use switchhook_core::action::Action;
use switchhook_core::id::{AccountId, ChannelName, InboxId, OutboxId};
use switchhook_core::message::ChatKind;

use crate::error::StoreError;
use crate::journal::{DeliveryState, NewDelivery, StoredDelivery};
use crate::seal::{Sealing, Table, Vault, or_leave_out};
use crate::store::Store;
use crate::tag::{Tag, from_sql_time};
use crate::writer::Batch;

impl Store {
    /// What is ready or unknown of an account, oldest first. Fails where an end waits for the disk: what is to be carried on
    /// must not be what it was.
    pub async fn deliveries(&self, account: &AccountId) -> Result<Vec<StoredDelivery>, StoreError> {
        let (vault, account) = (self.vault().clone(), self.vault().account(account));
        if self.ends_are_queued() {
            self.settle_all().await?;
        }
        self.read(move |conn| {
            let mut found = Vec::new();
            for state in [DeliveryState::Ready, DeliveryState::Unknown] {
                found.extend(select(conn, "WHERE state = ?1 AND account = ?2", params![state, account])?);
            }
            open_all(&vault, found, usize::MAX)
        })
        .await
    }

    pub async fn delivery(&self, id: OutboxId) -> Result<Option<StoredDelivery>, StoreError> {
        let vault = self.vault().clone();
        self.read_deliveries(move |conn| find(conn, &vault, id)).await
    }

    /// The newest deliveries in these states, at most `limit`, oldest of them first.
    pub async fn list_deliveries(
        &self,
        states: &[DeliveryState],
        limit: u32,
    ) -> Result<Vec<StoredDelivery>, StoreError> {
        let (vault, states) = (self.vault().clone(), states.to_vec());
        self.read_deliveries(move |conn| {
            let mut found = Vec::new();
            for state in states {
                found.extend(select(conn, "WHERE state = ?1 ORDER BY id DESC LIMIT ?2", params![state, limit])?);
            }
            open_all(&vault, found, limit as usize)
        })
        .await
    }

    /// What a message brought about, oldest first.
    pub async fn deliveries_of(&self, id: InboxId) -> Result<Vec<StoredDelivery>, StoreError> {
        let vault = self.vault().clone();
        self.read_settled(move |conn| open_all(&vault, select(conn, "WHERE message = ?1", [id.0])?, usize::MAX)).await
    }

    /// A read that sees every end queued before it, but for those that wait for the disk, and waits for nothing else.
    async fn read_deliveries<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        if self.ends_are_queued() {
            self.settle().await?;
        }
        self.read(read).await
    }

    fn ends_are_queued(&self) -> bool {
        self.shared().memory.ends.load(Ordering::Acquire) > 0
    }
}

/// What is known of a delivery once its action is erased.
#[derive(Serialize, Deserialize)]
pub(crate) struct Head {
    channel: ChannelName,
    account: AccountId,
    chat: String,
    chat_kind: ChatKind,
    thread: Option<String>,
    answers: Option<String>,
    fingerprint: String,
}

/// A delivery ready to be written.
pub(crate) struct NewRow {
    pub(crate) id: OutboxId,
    message: InboxId,
    account: Tag,
    armed: bool,
    counts: bool,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl NewRow {
    pub(crate) fn seal(vault: &Sealing<'_>, id: i64, message: InboxId, new: NewDelivery) -> Result<Self, StoreError> {
        let account = vault.account(&new.account);
        let head = Head {
            channel: new.channel,
            account: new.account,
            chat: new.chat,
            chat_kind: new.chat_kind,
            thread: new.thread,
            answers: new.answers,
            fingerprint: new.fingerprint,
        };
        let head = vault.seal_json(Table::Outbox.cell(id, "head").of(account), &head)?;
        let body = vault.seal_json(Table::Outbox.cell(id, "body").of(account), &new.action)?;
        let counts = new.action.is_message();
        Ok(Self { id: OutboxId(id), message, account, armed: new.armed, counts, head, body })
    }

    /// What is armed at once counts its first attempt at once.
    pub(crate) fn insert(&self, batch: &Batch<'_>) -> Result<(), StoreError> {
        let state = if self.armed { DeliveryState::Armed } else { DeliveryState::Ready };
        batch
            .execute(
                "INSERT INTO outbox (id, message, account, state, attempts, counts, head, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    self.id.0,
                    self.message.0,
                    self.account,
                    state,
                    i64::from(self.armed),
                    self.counts,
                    self.head,
                    self.body
                ],
            )
            .map(drop)
    }
}

/// A row as it lies, still sealed.
struct Raw {
    id: i64,
    message: i64,
    account: Tag,
    state: DeliveryState,
    not_before: i64,
    attempts: u32,
    unknowns: u32,
    head: Vec<u8>,
    body: Option<Vec<u8>>,
    reason: Option<Vec<u8>>,
    provider_id: Option<Vec<u8>>,
}

const COLUMNS: &str = "id, message, account, state, not_before, attempts, unknowns, head, body, reason, provider_id";

impl Raw {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            message: row.get(1)?,
            account: row.get(2)?,
            state: row.get(3)?,
            not_before: row.get(4)?,
            attempts: row.get(5)?,
            unknowns: row.get(6)?,
            head: row.get(7)?,
            body: row.get(8)?,
            reason: row.get(9)?,
            provider_id: row.get(10)?,
        })
    }

    fn open(self, vault: &Vault) -> Result<StoredDelivery, StoreError> {
        let cell = |column| Table::Outbox.cell(self.id, column);
        let head: Head = vault.open_json(cell("head").of(self.account), &self.head)?;
        let action: Option<Action> =
            self.body.map(|sealed| vault.open_json(cell("body").of(self.account), &sealed)).transpose()?;
        Ok(StoredDelivery {
            id: OutboxId(self.id),
            message: InboxId(self.message),
            channel: head.channel,
            account: head.account,
            chat: head.chat,
            chat_kind: head.chat_kind,
            thread: head.thread,
            action,
            answers: head.answers,
            state: self.state,
            reason: vault.open_text(cell("reason"), self.reason)?,
            attempts: self.attempts,
            unknowns: self.unknowns,
            not_before: from_sql_time(self.not_before),
            fingerprint: head.fingerprint,
            provider_id: vault.open_text(cell("provider_id"), self.provider_id)?,
        })
    }
}

fn select(conn: &Connection, clause: &str, params: impl Params) -> Result<Vec<Raw>, StoreError> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM outbox {clause}"))?;
    let rows = statement.query_map(params, Raw::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn find(conn: &Connection, vault: &Vault, id: OutboxId) -> Result<Option<StoredDelivery>, StoreError> {
    select(conn, "WHERE id = ?1", [id.0])?.pop().map(|raw| raw.open(vault)).transpose()
}

/// Opens the newest `limit`, oldest first.
fn open_all(vault: &Vault, mut found: Vec<Raw>, limit: usize) -> Result<Vec<StoredDelivery>, StoreError> {
    found.sort_by_key(|raw| raw.id);
    let skipped = found.len().saturating_sub(limit);
    found.into_iter().skip(skipped).filter_map(|raw| or_leave_out(raw.open(vault)).transpose()).collect()
}

/// The state of a delivery, and whether its action is still there.
pub(crate) fn state_of(batch: &Batch<'_>, id: OutboxId) -> Result<(DeliveryState, bool), StoreError> {
    let mut statement = batch.sql("SELECT state, body IS NOT NULL FROM outbox WHERE id = ?1")?;
    let found = statement.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found.ok_or_else(|| StoreError::NotFound { id: id.to_string() })
}
