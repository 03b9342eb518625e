//! What an operator does with messages: let go, put back, park.

use rusqlite::{OptionalExtension, params};
use switchhook_core::id::{AccountId, InboxId};

use crate::error::StoreError;
use crate::journal::{Approval, DeliveryState, InboxState};
use crate::memory::Effect;
use crate::seal::{Table, Vault};
use crate::store::Store;
use crate::tag::{Tag, to_sql_time};
use crate::writer::Batch;

impl Store {
    /// Puts a message that is held, dead, revoked or expired back to work, its age and attempts counted anew.
    pub async fn release(&self, id: InboxId, approved: Approval) -> Result<(), StoreError> {
        let now = to_sql_time(self.now());
        self.write(move |batch| {
            let found = find(batch, id)?;
            let expected = "held, dead, revoked or expired";
            if !matches!(found.state, InboxState::Held | InboxState::Dead | InboxState::Revoked | InboxState::Expired) {
                return Err(StoreError::WrongState { id: id.to_string(), state: found.state.as_str(), expected });
            }
            if !found.has_body {
                return Err(StoreError::Erased { id: id.to_string() });
            }
            batch.execute(
                "UPDATE inbox SET state = ?2, approved = approved OR ?3, attempts = 0, accepted_at = ?4,
                 finished_at = NULL, reason = NULL WHERE id = ?1",
                params![id.0, InboxState::Pending, approved == Approval::Approved, now],
            )?;
            batch.note(Effect::Backlog { account: found.account, by: 1 });
            batch.note(Effect::Changed(id));
            Ok(())
        })
        .await
    }

    /// Gives a held or dead message up, and erases it.
    pub async fn drop_message(&self, id: InboxId) -> Result<(), StoreError> {
        let now = to_sql_time(self.now());
        self.write(move |batch| {
            let found = find(batch, id)?;
            if !matches!(found.state, InboxState::Held | InboxState::Dead) {
                let (id, expected) = (id.to_string(), "held or dead");
                return Err(StoreError::WrongState { id, state: found.state.as_str(), expected });
            }
            batch.execute(
                "UPDATE inbox SET state = ?2, finished_at = ?3, head = NULL, body = NULL, trace = NULL WHERE id = ?1",
                params![id.0, InboxState::Dropped, now],
            )?;
            batch.note(Effect::Changed(id));
            Ok(())
        })
        .await
    }

    /// The account's channel is gone: what waits is held, what was to leave is parked. What is leaving goes on leaving.
    /// Returns how many messages and deliveries that were.
    pub async fn park_account(&self, account: &AccountId, reason: &str) -> Result<usize, StoreError> {
        let (vault, now) = (self.vault().clone(), to_sql_time(self.now()));
        let (account, reason) = (vault.account(account), reason.to_owned());
        self.write(move |batch| {
            let held = hold_pending(batch, &vault, account, &reason, now)?;
            let parked = park_waiting(batch, &vault, account, &reason, now)?;
            Ok(held + parked)
        })
        .await
    }
}

struct Found {
    account: Tag,
    state: InboxState,
    has_body: bool,
}

fn find(batch: &Batch<'_>, id: InboxId) -> Result<Found, StoreError> {
    let mut statement = batch.sql("SELECT account, state, body IS NOT NULL FROM inbox WHERE id = ?1")?;
    let found = statement
        .query_row([id.0], |row| Ok(Found { account: row.get(0)?, state: row.get(1)?, has_body: row.get(2)? }))
        .optional()?;
    found.ok_or_else(|| StoreError::NotFound { id: id.to_string() })
}

fn hold_pending(
    batch: &mut Batch<'_>,
    vault: &Vault,
    account: Tag,
    reason: &str,
    now: i64,
) -> Result<usize, StoreError> {
    let ids =
        ids(batch, "SELECT id FROM inbox WHERE account = ?1 AND state = ?2", account, InboxState::Pending.as_str())?;
    for id in &ids {
        let reason = vault.sealing().seal(Table::Inbox.cell(*id, "reason"), reason.as_bytes());
        batch.execute(
            "UPDATE inbox SET state = ?2, reason = ?3, finished_at = ?4 WHERE id = ?1",
            params![id, InboxState::Held, reason, now],
        )?;
        batch.note(Effect::Changed(InboxId(*id)));
    }
    batch.note(Effect::Backlog { account, by: -(ids.len() as i64) });
    Ok(ids.len())
}

fn park_waiting(
    batch: &mut Batch<'_>,
    vault: &Vault,
    account: Tag,
    reason: &str,
    now: i64,
) -> Result<usize, StoreError> {
    let mut parked = 0;
    for state in [DeliveryState::Ready, DeliveryState::Unknown] {
        for id in ids(batch, "SELECT id FROM outbox WHERE account = ?1 AND state = ?2", account, state.as_str())? {
            let reason = vault.sealing().seal(Table::Outbox.cell(id, "reason"), reason.as_bytes());
            batch.execute(
                "UPDATE outbox SET state = ?2, reason = ?3, ended_at = ?4 WHERE id = ?1",
                params![id, DeliveryState::Parked, reason, now],
            )?;
            parked += 1;
        }
    }
    Ok(parked)
}

fn ids(batch: &Batch<'_>, sql: &str, account: Tag, state: &str) -> Result<Vec<i64>, StoreError> {
    let mut statement = batch.sql(sql)?;
    let rows = statement.query_map(params![account, state], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
