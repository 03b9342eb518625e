//! Rows of the inbox that nobody decides about: what the owner of an account wrote elsewhere, and what somebody asked the
//! host to send.

use rusqlite::{Connection, OptionalExtension, params};
use switchhook_core::id::{AccountId, InboxId, OutboxId};

use crate::error::StoreError;
use crate::inbox;
use crate::journal::{InboxState, NewDelivery, NewMessage};
use crate::outbox;
use crate::seal::{Table, Vault};
use crate::store::Store;
use crate::tag::{Tag, to_sql_time};
use crate::writer::Batch;

/// What became of a request to send something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asking {
    /// The delivery stands in the outbox, under the request that brought it about.
    New { request: InboxId, delivery: OutboxId },
    /// Asked before under the same key: nothing was done.
    Before(InboxId),
}

impl Store {
    /// Keeps what the owner wrote elsewhere, for the log. Awaited; what is there already is a success.
    pub async fn note_own(&self, batch: Vec<NewMessage>) -> Result<(), StoreError> {
        let (now, first) = (self.now(), self.ids(Table::Inbox, batch.len()));
        let sealing = self.vault().sealing();
        let sealed = batch.into_iter().zip(first..);
        let rows = sealed.map(|(new, id)| inbox::NewRow::seal(&sealing, InboxId(id), new, now));
        let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        self.write(move |batch| rows.iter().try_for_each(|row| row.put(batch, InboxState::Own).map(drop))).await
    }

    /// What was asked for under a key of an account.
    pub async fn asked(&self, account: &AccountId, key: &str) -> Result<Option<InboxId>, StoreError> {
        let (account, dedupe) = (self.vault().account(account), asked_tag(self.vault(), key));
        self.read_settled(move |conn| known(conn, account, dedupe)).await
    }

    /// Puts what somebody asked for into the outbox, once for each `key` of the account. Awaited. The key is known for
    /// [`KEEP_BODIES`](crate::KEEP_BODIES) and [`KEEP_DEDUPE`](crate::KEEP_DEDUPE).
    pub async fn ask(
        &self,
        account: &AccountId,
        key: Option<&str>,
        delivery: NewDelivery,
    ) -> Result<Asking, StoreError> {
        let (request, id) = (InboxId(self.ids(Table::Inbox, 1)), OutboxId(self.ids(Table::Outbox, 1)));
        let sealing = self.vault().sealing();
        let dedupe = match key {
            Some(key) => asked_tag(&sealing, key),
            // Like no other.
            None => sealing.tag("dedupe", &["asked", "", &request.to_string()]),
        };
        let row = Request { id: request, account: sealing.account(account), dedupe, at: to_sql_time(self.now()) };
        let delivery = outbox::NewRow::seal(&sealing, id.0, request, delivery)?;
        self.write(move |batch| {
            if let Some(before) = row.put(batch)? {
                return Ok(Asking::Before(before));
            }
            delivery.insert(batch)?;
            Ok(Asking::New { request, delivery: id })
        })
        .await
    }
}

/// Of two parts, as no connector's key is.
fn asked_tag(vault: &Vault, key: &str) -> Tag {
    vault.tag("dedupe", &["asked", key])
}

fn known(conn: &Connection, account: Tag, dedupe: Tag) -> Result<Option<InboxId>, StoreError> {
    let mut known = conn.prepare_cached("SELECT id FROM inbox WHERE account = ?1 AND dedupe = ?2")?;
    Ok(known.query_row(params![account, dedupe], |row| row.get(0)).optional()?.map(InboxId))
}

struct Request {
    id: InboxId,
    account: Tag,
    dedupe: Tag,
    at: i64,
}

impl Request {
    /// The one that is there already, if it is.
    fn put(&self, batch: &Batch<'_>) -> Result<Option<InboxId>, StoreError> {
        if let Some(known) = known(batch.conn(), self.account, self.dedupe)? {
            return Ok(Some(known));
        }
        batch.execute(
            "INSERT INTO inbox (id, account, dedupe, state, accepted_at, finished_at, kept)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, 0)",
            params![self.id.0, self.account, self.dedupe, InboxState::Asked, self.at],
        )?;
        Ok(None)
    }
}
