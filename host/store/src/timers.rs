//! Messages that come due.

use std::sync::Arc;

use rusqlite::{Connection, params};
use switchhook_core::id::InboxId;
use switchhook_core::message::Message;
use switchhook_core::time::UnixMillis;

use crate::error::StoreError;
use crate::inbox;
use crate::journal::{NewMessage, NewTimer, Waiting};
use crate::seal::{Cell, Sealing, Table, Vault, or_leave_out};
use crate::store::Store;
use crate::tag::{Tag, from_sql_time, to_sql_time};
use crate::writer::Batch;

impl Store {
    /// Turns the timers due into pending messages, in one transaction. Their time is `now`.
    pub async fn fire_timers(&self, now: UnixMillis) -> Result<Vec<Waiting>, StoreError> {
        let vault = self.vault().clone();
        let due = self.read_settled(move |conn| due(conn, &vault, now)).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.ids(Table::Inbox, due.len());
        let sealing = self.vault().sealing();
        let rows = (first..).zip(due).map(|(id, (timer, mut message))| {
            message.sent_at = now;
            // A connector's keys are its own, so the timer's number needs a prefix that none of them uses.
            let new = NewMessage { dedupe_key: format!("timer {timer}"), message, unresolved: None };
            Ok((timer, inbox::NewRow::seal(&sealing, InboxId(id), new, self.now())?))
        });
        let rows: Vec<_> = rows.collect::<Result<_, StoreError>>()?;
        self.write(move |batch| fire(batch, &rows)).await
    }

    /// When the next timer is due.
    pub async fn next_timer(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.read_settled(|conn| {
            let mut statement = conn.prepare_cached("SELECT MIN(due) FROM timers")?;
            let due: Option<i64> = statement.query_row([], |row| row.get(0))?;
            Ok(due.map(from_sql_time))
        })
        .await
    }
}

/// A timer ready to be written.
pub(crate) struct NewTimerRow {
    id: i64,
    key: Tag,
    account: Tag,
    due: i64,
    body: Vec<u8>,
}

impl NewTimerRow {
    pub(crate) fn seal(vault: &Sealing<'_>, id: i64, new: NewTimer) -> Result<Self, StoreError> {
        let account = vault.account(&new.message.account);
        let conversation = vault.conversation(&new.message.conversation()).hex();
        let body = vault.seal_json(cell(id, account), &new.message)?;
        Ok(Self { id, key: vault.tag("timer", &[&conversation, &new.name]), account, due: to_sql_time(new.due), body })
    }

    /// Takes the place of an earlier one of the same name.
    pub(crate) fn replace(&self, batch: &Batch<'_>) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO timers (id, key, account, due, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        batch.execute(sql, params![self.id, self.key, self.account, self.due, self.body]).map(drop)
    }
}

fn cell(id: i64, account: Tag) -> Cell {
    Table::Timers.cell(id, "body").of(account)
}

fn due(conn: &Connection, vault: &Arc<Vault>, now: UnixMillis) -> Result<Vec<(i64, Message)>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT id, account, body FROM timers WHERE due <= ?1 ORDER BY due, id")?;
    let mut rows = statement.query([to_sql_time(now)])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, account, sealed): (i64, Tag, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let message = or_leave_out(vault.open_json(cell(id, account), &sealed))?;
        due.extend(message.map(|message| (id, message)));
    }
    Ok(due)
}

/// Fires what is still there: a timer may have been replaced, or fired, since it was read.
fn fire(batch: &mut Batch<'_>, rows: &[(i64, inbox::NewRow)]) -> Result<Vec<Waiting>, StoreError> {
    let mut fired = Vec::new();
    for (timer, row) in rows {
        if batch.execute("DELETE FROM timers WHERE id = ?1", [timer])? == 1 {
            row.insert(batch)?;
            fired.push(row.waiting());
        }
    }
    Ok(fired)
}
