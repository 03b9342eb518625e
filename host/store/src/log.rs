//! What an account received and sent, as a person reads it: the journal, newest first, with what the provider told of it
//! since.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, params};
use switchhook_core::connector::{Progress, Stage};
use switchhook_core::id::{AccountId, InboxId, InvalidEntry, OutboxId};
use switchhook_core::time::UnixMillis;

use crate::error::StoreError;
use crate::journal::{InboxState, StoredDelivery, StoredMessage};
use crate::seal::{Vault, or_leave_out};
use crate::store::Store;
use crate::tag::{Tag, from_sql_time, to_sql_time};
use crate::{inbox, outbox};

/// A place in the log: a message, or a delivery that it brought about, which stands after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPlace {
    pub message: InboxId,
    pub delivery: Option<OutboxId>,
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.delivery {
            Some(delivery) => write!(f, "{}.{delivery}", self.message),
            None => write!(f, "{}", self.message),
        }
    }
}

impl FromStr for LogPlace {
    type Err = InvalidEntry;
    fn from_str(text: &str) -> Result<Self, InvalidEntry> {
        match text.split_once('.') {
            Some((message, delivery)) => Ok(Self { message: message.parse()?, delivery: Some(delivery.parse()?) }),
            None => Ok(Self { message: text.parse()?, delivery: None }),
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone)]
pub enum Logged {
    Received(StoredMessage),
    /// Written by the owner elsewhere.
    Own(StoredMessage, Way),
    Sent(SentMessage),
}

/// How far a message came, by the word of the phones it went to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Way {
    pub delivered_at: Option<UnixMillis>,
    pub read_at: Option<UnixMillis>,
}

/// A delivery, and what is known of it since.
#[derive(Debug, Clone)]
pub struct SentMessage {
    pub delivery: StoredDelivery,
    /// When the message came that it answers, or it was asked for; none once that is forgotten.
    pub asked_at: Option<UnixMillis>,
    /// When its last attempt ended; none while it waits.
    pub ended_at: Option<UnixMillis>,
    pub way: Way,
}

/// Erased messages have nothing to show, and neither have requests. Both halves are walked from the newest on, which
/// `+account` keeps the planner to: an index of theirs would cost every message a write.
const PLACES: &str =
    "SELECT id AS message, 0 AS delivery FROM inbox WHERE +account = ?1 AND kept = 1 AND (id, 0) < (?2, ?3)
    UNION ALL SELECT message, id FROM outbox WHERE account = ?1 AND (message, id) < (?2, ?3)
    ORDER BY message DESC, delivery DESC LIMIT ?4";
const TIMES: &str =
    "SELECT ended_at, (SELECT accepted_at FROM inbox WHERE id = outbox.message), account FROM outbox WHERE id = ?1";
const RECEIPT: &str = "SELECT delivered_at, read_at FROM receipts WHERE account = ?1 AND sent = ?2";
/// The first word counts; who has read it has it.
const NOTE: &str = "INSERT INTO receipts (account, sent, delivered_at, read_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (account, sent) DO UPDATE SET read_at = coalesce(read_at, excluded.read_at)";

impl Store {
    /// What an account received and sent before a place, newest first. Looks at `limit` entries and leaves out what can't be
    /// read; where there may be more, it says before which place.
    pub async fn log(
        &self,
        account: &AccountId,
        before: Option<LogPlace>,
        limit: u32,
    ) -> Result<(Vec<Logged>, Option<LogPlace>), StoreError> {
        let (vault, account) = (self.vault().clone(), self.vault().account(account));
        self.read_settled(move |conn| {
            let places = places(conn, account, before, limit)?;
            let next = places.last().filter(|_| places.len() == limit as usize).copied();
            let mut found = Vec::new();
            for place in places {
                let opened = match place.delivery {
                    Some(delivery) => sent(conn, &vault, delivery).map(|sent| sent.map(Logged::Sent)),
                    None => came(conn, &vault, account, place.message),
                };
                found.extend(or_leave_out(opened)?.flatten());
            }
            Ok((found, next))
        })
        .await
    }

    /// One delivery as the log has it.
    pub async fn logged_delivery(&self, id: OutboxId) -> Result<Option<SentMessage>, StoreError> {
        let vault = self.vault().clone();
        self.read_settled(move |conn| sent(conn, &vault, id)).await
    }

    /// Notes how far messages of an account came, whether or not it is written yet that they were sent. Ordered.
    pub async fn note_progress(&self, account: &AccountId, progress: &Progress) {
        let tag = self.vault().account(account);
        let sent: Vec<Tag> = progress.ids.iter().map(|id| sent_tag(self.vault(), id)).collect();
        let at = to_sql_time(progress.at);
        let read_at = (progress.stage == Stage::Read).then_some(at);
        self.order("receipt", move |batch| {
            sent.iter().try_for_each(|sent| batch.execute(NOTE, params![tag, sent, at, read_at]).map(drop))
        })
        .await;
    }
}

/// Stands for a message of ours in receipts.
fn sent_tag(vault: &Vault, id: &str) -> Tag {
    vault.tag("sent", &[id])
}

fn places(conn: &Connection, account: Tag, before: Option<LogPlace>, limit: u32) -> Result<Vec<LogPlace>, StoreError> {
    let (message, delivery) = before.map_or((i64::MAX, 0), |p| (p.message.0, p.delivery.map_or(0, |id| id.0)));
    let mut statement = conn.prepare_cached(PLACES)?;
    let rows = statement.query_map(params![account, message, delivery, limit], |row| {
        let (message, delivery): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(LogPlace { message: InboxId(message), delivery: (delivery != 0).then_some(OutboxId(delivery)) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// None where it went since its place was found, and so below.
fn came(conn: &Connection, vault: &Vault, account: Tag, id: InboxId) -> Result<Option<Logged>, StoreError> {
    let Some(stored) = inbox::find(conn, vault, id)? else { return Ok(None) };
    let Some(message) = stored.message.as_ref().filter(|_| stored.state == InboxState::Own) else {
        return Ok(Some(Logged::Received(stored)));
    };
    let way = way(conn, account, sent_tag(vault, &message.id))?;
    Ok(Some(Logged::Own(stored, way)))
}

fn sent(conn: &Connection, vault: &Vault, id: OutboxId) -> Result<Option<SentMessage>, StoreError> {
    let Some(delivery) = outbox::find(conn, vault, id)? else { return Ok(None) };
    let (ended_at, asked_at, account): (Option<i64>, Option<i64>, Tag) =
        conn.prepare_cached(TIMES)?.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let way = match &delivery.provider_id {
        Some(id) => way(conn, account, sent_tag(vault, id))?,
        None => Way::default(),
    };
    let (asked_at, ended_at) = (asked_at.map(from_sql_time), ended_at.map(from_sql_time));
    Ok(Some(SentMessage { delivery, asked_at, ended_at, way }))
}

fn way(conn: &Connection, account: Tag, sent: Tag) -> Result<Way, StoreError> {
    let found = conn
        .prepare_cached(RECEIPT)?
        .query_row(params![account, sent], |row| {
            let (delivered, read): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
            Ok(Way { delivered_at: Some(from_sql_time(delivered)), read_at: read.map(from_sql_time) })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}
