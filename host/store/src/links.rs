//! Attempts to link an account, as they are remembered. What was shown during one is not among it.

use rusqlite::{Connection, Params, params};
use serde::{Deserialize, Serialize};
use switchhook_core::code::ErrorCode;
use switchhook_core::id::{AccountId, ChannelName, LinkId};
use switchhook_core::link::{LinkMethodName, LinkProgress, LinkStatus};
use switchhook_core::person::PersonId;
use switchhook_core::time::UnixMillis;

use crate::error::StoreError;
use crate::seal::{Cell, Table, Vault, or_leave_out};
use crate::store::Store;
use crate::tag::{Tag, from_sql_time, to_sql_time};

/// An attempt to link (B3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRecord {
    pub id: LinkId,
    /// Which in a row it is since the channel was last linked, from 1.
    pub attempt: u32,
    pub channel: ChannelName,
    pub account: AccountId,
    pub method: LinkMethodName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<PersonId>,
    pub status: LinkStatus,
    pub progress: LinkProgress,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<LinkProblem>,
    pub asked_by: String,
    /// The address it was asked from, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_from: Option<String>,
    pub started_at: UnixMillis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<UnixMillis>,
    /// When it ends at the latest.
    pub expires_at: UnixMillis,
}

/// Why an attempt came to nothing, or a device is in trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkProblem {
    pub code: ErrorCode,
    /// For a person: what happened, and what to do.
    pub message: String,
    /// Whether the same may well work later, with nothing changed.
    pub retryable: bool,
}

/// An attempt that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    pub channel: ChannelName,
    pub account: AccountId,
    pub method: LinkMethodName,
    pub number: Option<PersonId>,
    pub asked_by: String,
    pub asked_from: Option<String>,
    pub expires_at: UnixMillis,
}

const BEGIN: &str = "INSERT INTO links (id, account, asked_by, started_at, body) VALUES (?1, ?2, ?3, ?4, ?5)";
const KEEP: &str = "UPDATE links SET ended_at = ?2, body = ?3 WHERE id = ?1";
const NEWEST: &str = "SELECT id, account, body FROM links ORDER BY id DESC LIMIT ?1";
const LAST: &str = "SELECT id, account, body FROM links WHERE account = ?1 ORDER BY id DESC LIMIT 1";
const OPEN: &str = "SELECT id, account, body FROM links WHERE ended_at IS NULL ORDER BY id";
const SINCE: &str = "SELECT started_at FROM links WHERE asked_by = ?1 AND started_at > ?2 ORDER BY started_at";

impl Store {
    /// Remembers that an attempt begins. Awaited.
    pub async fn begin_link(&self, new: NewLink) -> Result<LinkRecord, StoreError> {
        let last = self.last_link(&new.account).await?;
        let attempt = last.filter(|last| last.status != LinkStatus::Success).map_or(1, |last| last.attempt + 1);
        let id = self.ids(Table::Links, 1);
        let record = LinkRecord {
            id: LinkId(id),
            attempt,
            channel: new.channel,
            account: new.account,
            method: new.method,
            number: new.number,
            status: LinkStatus::Pending,
            progress: LinkProgress::default(),
            error: None,
            asked_by: new.asked_by,
            asked_from: new.asked_from,
            started_at: self.now(),
            ended_at: None,
            expires_at: new.expires_at,
        };
        let account = self.vault().account(&record.account);
        let asked_by = self.actor(&record.asked_by);
        let started_at = to_sql_time(record.started_at);
        let sealing = self.vault().sealing();
        let sealed = sealing.seal_json(cell(id, account), &record)?;
        self.write(move |batch| {
            batch.execute(BEGIN, params![id, account, asked_by, started_at, sealed])?;
            Ok(record)
        })
        .await
    }

    /// Remembers how an attempt stands. Awaited.
    pub async fn keep_link(&self, record: &LinkRecord) -> Result<(), StoreError> {
        let id = record.id.0;
        let ended_at = record.ended_at.map(to_sql_time);
        let sealing = self.vault().sealing();
        let sealed = sealing.seal_json(cell(id, self.vault().account(&record.account)), record)?;
        self.write(move |batch| batch.execute(KEEP, params![id, ended_at, sealed]).map(drop)).await
    }

    /// The newest first.
    pub async fn links(&self, limit: u32) -> Result<Vec<LinkRecord>, StoreError> {
        let vault = self.vault().clone();
        self.read_settled(move |conn| records(conn, &vault, NEWEST, [limit])).await
    }

    /// The newest of an account.
    pub async fn last_link(&self, account: &AccountId) -> Result<Option<LinkRecord>, StoreError> {
        let (vault, account) = (self.vault().clone(), self.vault().account(account));
        self.read_settled(move |conn| Ok(records(conn, &vault, LAST, [account])?.pop())).await
    }

    /// Those that have no end: under way, or cut off with the process they were of.
    pub async fn open_links(&self) -> Result<Vec<LinkRecord>, StoreError> {
        let vault = self.vault().clone();
        self.read_settled(move |conn| records(conn, &vault, OPEN, [])).await
    }

    /// When this actor began attempts after `since`, the oldest first.
    pub async fn links_asked_by(&self, actor: &str, since: UnixMillis) -> Result<Vec<UnixMillis>, StoreError> {
        let actor = self.actor(actor);
        self.read_settled(move |conn| {
            let mut statement = conn.prepare_cached(SINCE)?;
            let rows = statement.query_map(params![actor, to_sql_time(since)], |row| row.get(0))?;
            rows.map(|at| Ok(from_sql_time(at?))).collect()
        })
        .await
    }

    fn actor(&self, actor: &str) -> Tag {
        self.vault().tag("actor", &[actor])
    }
}

fn cell(id: i64, account: Tag) -> Cell {
    Table::Links.cell(id, "body").of(account)
}

fn records(
    conn: &Connection,
    vault: &Vault,
    sql: &'static str,
    params: impl Params,
) -> Result<Vec<LinkRecord>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, account, sealed): (i64, Tag, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        found.extend(or_leave_out(vault.open_json(cell(id, account), &sealed))?);
    }
    Ok(found)
}
