//! The life of a delivery: which state may follow which, and what is counted on the way.

use std::sync::atomic::Ordering;

use rusqlite::params;
use switchhook_core::id::OutboxId;
use switchhook_core::time::UnixMillis;

use crate::error::StoreError;
use crate::journal::{DeliveryEnd, DeliveryState};
use crate::memory::Effect;
use crate::outbox::state_of;
use crate::seal::{Sealing, Table};
use crate::store::Store;
use crate::tag::{Tag, from_sql_time, to_sql_time};
use crate::traffic::{Traffic, quarter};
use crate::writer::{Batch, Keeps, OnFullDisk, Ordered, Undo};

impl Store {
    /// What a provider is to know a delivery by: the same for every attempt, like that of no other store, and nothing that
    /// could be guessed.
    pub fn delivery_key(&self, id: OutboxId) -> String {
        self.vault().tag("delivery key", &[&id.to_string()]).hex()
    }

    /// A ready or unknown delivery is about to leave: one attempt more. Awaited: only then may it leave.
    pub async fn arm(&self, id: OutboxId) -> Result<(), StoreError> {
        self.write_as(Keeps::AsTheStore, Undo::Transaction, move |batch| arm(batch, id)).await
    }

    /// An attempt has ended; `arm_next` arms another one in the same commit. Awaited. Fails with
    /// [`StoreError::NextNotArmed`] where the end is kept and the next one may not leave.
    pub async fn end_delivery(
        &self,
        id: OutboxId,
        end: DeliveryEnd,
        arm_next: Option<OutboxId>,
    ) -> Result<(), StoreError> {
        let sealing = self.vault().sealing();
        let end = SealedEnd::new(&sealing, id, end, self.now());
        let not_armed = self
            .write(move |batch| {
                end.apply(batch)?;
                match arm_next.map(|next| arm(batch, next)) {
                    Some(Err(StoreError::WrongState { id, state, .. })) => Ok(Some((id, state))),
                    Some(Err(StoreError::NotFound { id })) => Ok(Some((id, "gone"))),
                    Some(Err(error)) => Err(error),
                    Some(Ok(())) | None => Ok(None),
                }
            })
            .await?;
        not_armed.map_or(Ok(()), |(id, state)| Err(StoreError::NextNotArmed { id, state }))
    }

    /// As [`Store::end_delivery`], ordered. A disk that does not take it is waited for: it has happened, and what comes
    /// later may rest on it.
    pub async fn end_delivery_later(&self, id: OutboxId, end: DeliveryEnd) {
        let sealing = self.vault().sealing();
        let end = SealedEnd::new(&sealing, id, end, self.now());
        // A closed store keeps nothing any more: the next start finds the delivery `unknown`.
        let Ok(room) = self.room().await else { return };
        let shared = self.shared().clone();
        shared.memory.ends.fetch_add(1, Ordering::AcqRel);
        let over = move |_: Result<(), StoreError>| {
            shared.memory.ends.fetch_sub(1, Ordering::AcqRel);
        };
        let work = move |batch: &mut Batch<'_>| end.apply(batch);
        room.send(Box::new(Ordered {
            name: "end of a delivery",
            undo: Undo::Transaction,
            on_full_disk: OnFullDisk::Postpone,
            work,
            result: Ok(()),
            end: over,
        }));
    }

    /// Puts a dead, parked or revoked delivery back to `ready`, its attempts counted anew.
    pub async fn release_delivery(&self, id: OutboxId) -> Result<(), StoreError> {
        self.write(move |batch| {
            let (state, has_body) = state_of(batch, id)?;
            if !matches!(state, DeliveryState::Dead | DeliveryState::Parked | DeliveryState::Revoked) {
                return Err(wrong(id, state, "dead, parked or revoked"));
            }
            if !has_body {
                return Err(StoreError::Erased { id: id.to_string() });
            }
            batch.execute(
                "UPDATE outbox SET state = ?2, attempts = 0, not_before = 0, ended_at = NULL, reason = NULL WHERE id = ?1",
                params![id.0, DeliveryState::Ready],
            )?;
            Ok(())
        })
        .await
    }

    /// Gives up a delivery that is not leaving, and erases it.
    pub async fn drop_delivery(&self, id: OutboxId) -> Result<(), StoreError> {
        let now = to_sql_time(self.now());
        self.write(move |batch| {
            let (state, _) = state_of(batch, id)?;
            if matches!(state, DeliveryState::Armed | DeliveryState::Sent | DeliveryState::Dropped) {
                return Err(wrong(id, state, "ready, unknown, dead, parked or revoked"));
            }
            batch.execute(
                "UPDATE outbox SET state = ?2, ended_at = ?3, body = NULL WHERE id = ?1",
                params![id.0, DeliveryState::Dropped, now],
            )?;
            Ok(())
        })
        .await
    }
}

/// What follows a state; none where it can't end like that. Only what is leaving can have left; what waits can be given
/// up, parked or revoked before it leaves.
fn after(state: DeliveryState, end: &DeliveryEnd) -> Option<DeliveryState> {
    let leaving = state == DeliveryState::Armed;
    let waits = matches!(state, DeliveryState::Ready | DeliveryState::Unknown);
    match end {
        DeliveryEnd::Sent { .. } => leaving.then_some(DeliveryState::Sent),
        DeliveryEnd::Retry { .. } => leaving.then_some(DeliveryState::Ready),
        DeliveryEnd::Waits { .. } if leaving => Some(DeliveryState::Ready),
        DeliveryEnd::Waits { .. } => waits.then_some(state),
        DeliveryEnd::Unknown { .. } => leaving.then_some(DeliveryState::Unknown),
        DeliveryEnd::Dead { .. } => (leaving || waits).then_some(DeliveryState::Dead),
        DeliveryEnd::Parked { .. } => (leaving || waits).then_some(DeliveryState::Parked),
        DeliveryEnd::Revoked { .. } => (leaving || waits).then_some(DeliveryState::Revoked),
    }
}

fn arm(batch: &Batch<'_>, id: OutboxId) -> Result<(), StoreError> {
    let (state, _) = state_of(batch, id)?;
    if !matches!(state, DeliveryState::Ready | DeliveryState::Unknown) {
        return Err(wrong(id, state, "ready or unknown"));
    }
    let sql = "UPDATE outbox SET state = ?2, attempts = attempts + 1 WHERE id = ?1";
    batch.execute(sql, params![id.0, DeliveryState::Armed]).map(drop)
}

fn wrong(id: OutboxId, state: DeliveryState, expected: &'static str) -> StoreError {
    StoreError::WrongState { id: id.to_string(), state: state.as_str(), expected }
}

/// An end ready to be written.
struct SealedEnd {
    id: OutboxId,
    end: DeliveryEnd,
    reason: Option<Vec<u8>>,
    provider_id: Option<Vec<u8>>,
    not_before: i64,
    now: i64,
}

impl SealedEnd {
    fn new(vault: &Sealing<'_>, id: OutboxId, end: DeliveryEnd, now: UnixMillis) -> Self {
        let (reason, provider_id, at) = match &end {
            DeliveryEnd::Sent { provider_id } => (None, provider_id.as_deref(), None),
            DeliveryEnd::Retry { at, reason } | DeliveryEnd::Unknown { at, reason } => (Some(reason), None, Some(*at)),
            DeliveryEnd::Waits { reason }
            | DeliveryEnd::Dead { reason }
            | DeliveryEnd::Parked { reason }
            | DeliveryEnd::Revoked { reason } => (Some(reason), None, None),
        };
        let seal = |column, text: &str| vault.seal(Table::Outbox.cell(id.0, column), text.as_bytes());
        Self {
            id,
            reason: reason.map(|text| seal("reason", text)),
            provider_id: provider_id.map(|text| seal("provider_id", text)),
            not_before: at.map_or(0, to_sql_time),
            now: to_sql_time(now),
            end,
        }
    }

    fn apply(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let (state, _) = state_of(batch, self.id)?;
        let next = after(state, &self.end).ok_or_else(|| wrong(self.id, state, "armed"))?;
        let over = !matches!(next, DeliveryState::Ready | DeliveryState::Unknown);
        let unknowns = i64::from(matches!(self.end, DeliveryEnd::Unknown { .. }));
        let uncounted = i64::from(state == DeliveryState::Armed && matches!(self.end, DeliveryEnd::Waits { .. }));
        batch.execute(
            "UPDATE outbox SET state = ?2, reason = ?3, provider_id = ?4, not_before = ?5,
             unknowns = unknowns + ?6, ended_at = ?7, attempts = attempts - ?8 WHERE id = ?1",
            params![
                self.id.0,
                next,
                self.reason,
                self.provider_id,
                self.not_before,
                unknowns,
                over.then_some(self.now),
                uncounted
            ],
        )?;
        if next == DeliveryState::Sent { self.count(batch) } else { Ok(()) }
    }

    /// Counted where the end is kept: neither can be there without the other.
    fn count(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let (account, counts): (Tag, bool) = batch
            .sql("SELECT account, counts FROM outbox WHERE id = ?1")?
            .query_row([self.id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if counts {
            let quarter = quarter(from_sql_time(self.now));
            batch.note(Effect::Traffic { account, quarter, traffic: Traffic { sent: 1, received: 0 } });
        }
        Ok(())
    }
}
