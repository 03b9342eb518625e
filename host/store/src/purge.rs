//! Forgetting what was decided long ago.

use std::time::Duration;

use rusqlite::params;

use crate::error::StoreError;
use crate::journal::{DeliveryState, InboxState, KEEP_BODIES, KEEP_DEDUPE};
use crate::memory::Effect;
use crate::store::Store;
use crate::traffic::{KEPT, quarter};
use crate::writer::Batch;

/// Rows a transaction touches, so that a purge holds up nobody's message for long.
const SLICE: usize = 500;

/// How long somebody who only wrote is remembered: every stranger and every guest of a web page is one.
const KEEP_CONTACTS: Duration = Duration::from_secs(90 * 24 * 3600);

/// Turns kept of one conversation: five times what a prompt may ask for.
const KEEP_TURNS: i64 = 1_000;
const SURPLUS_TURNS: &str = "SELECT id FROM (SELECT id, row_number() OVER \
    (PARTITION BY conversation ORDER BY id DESC) AS age FROM history) WHERE age > ?1 LIMIT 500";

/// Attempts to put a config in force, kept for whoever asks what changed.
const KEEP_GENERATIONS: i64 = 1_000;
const SURPLUS_GENERATIONS: &str = "DELETE FROM generations WHERE id <= (SELECT max(id) FROM generations) - ?1";

/// Attempts to link are kept for as long as somebody may ask what happened; what limits them looks back an hour.
const KEEP_LINKS: Duration = Duration::from_secs(90 * 24 * 3600);
const OLD_LINKS: &str = "DELETE FROM links WHERE ended_at < ?1";

/// Who did what is kept for a year.
const KEEP_AUDITS: Duration = Duration::from_secs(365 * 24 * 3600);
const OLD_AUDITS: &str = "DELETE FROM audits WHERE at < ?1";

/// What was written of every message sent, which would outgrow all else.
const KEEP_ROUTINE: Duration = Duration::from_secs(30 * 24 * 3600);
const OLD_ROUTINE: &str = "DELETE FROM audits WHERE routine = 1 AND at < ?1";

const OLD_TRAFFIC: &str = "DELETE FROM traffic WHERE quarter < ?1";

/// A receipt comes after what it is of, and goes at the next sweep after it.
const OLD_RECEIPTS: &str = "DELETE FROM receipts WHERE delivered_at < ?1";

/// What nobody has to decide about any more.
const OVER: &[InboxState] = &[
    InboxState::Done,
    InboxState::Denied,
    InboxState::Revoked,
    InboxState::Expired,
    InboxState::Dropped,
    InboxState::Own,
    InboxState::Asked,
];
const LEFT: &[DeliveryState] = &[DeliveryState::Sent, DeliveryState::Revoked, DeliveryState::Dropped];

impl Store {
    /// Erases what was decided longer ago than [`KEEP_BODIES`](crate::KEEP_BODIES), and dedupe keys
    /// [`KEEP_DEDUPE`](crate::KEEP_DEDUPE) later. What is held, dead or parked waits for the operator and stays. Returns
    /// how many entries it touched.
    pub async fn purge(&self) -> Result<usize, StoreError> {
        let now = self.now().0;
        let bodies = cutoff(now, KEEP_BODIES.as_millis());
        let keys = cutoff(now, (KEEP_BODIES + KEEP_DEDUPE).as_millis());
        let over = one_of(OVER.iter().map(|state| state.as_str()));
        let left = one_of(LEFT.iter().map(|state| state.as_str()));
        let find = |kept: u8, over: &str| {
            format!("SELECT id FROM inbox WHERE kept = {kept} AND finished_at < ?1 AND state IN ({over}) LIMIT {SLICE}")
        };
        let erased = self.in_slices(find(1, &over), bodies, erase).await?;
        let forgotten = self.in_slices(find(0, &over), keys, forget).await?;
        let sent = format!("SELECT id FROM outbox WHERE ended_at < ?1 AND state IN ({left}) LIMIT {SLICE}");
        let delivered = self.in_slices(sent, bodies, forget_delivery).await?;
        let said = self.in_slices(SURPLUS_TURNS.to_owned(), KEEP_TURNS, forget_turn).await?;
        let strangers = self.forget_strangers(cutoff(now, KEEP_CONTACTS.as_millis())).await?;
        let attempts = self.write(|batch| batch.execute(SURPLUS_GENERATIONS, [KEEP_GENERATIONS])).await?;
        let (links, audits) = (cutoff(now, KEEP_LINKS.as_millis()), cutoff(now, KEEP_AUDITS.as_millis()));
        let (routine, counted) = (cutoff(now, KEEP_ROUTINE.as_millis()), quarter(self.now()) - KEPT);
        let told = self
            .write(move |batch| {
                batch.execute(OLD_RECEIPTS, [bodies])?;
                batch.execute(OLD_TRAFFIC, [counted])?;
                let told = batch.execute(OLD_LINKS, [links])? + batch.execute(OLD_AUDITS, [audits])?;
                Ok(told + batch.execute(OLD_ROUTINE, [routine])?)
            })
            .await?;
        Ok(erased + forgotten + delivered + said + strangers + attempts + told)
    }

    /// Forgets who has not written for long. What the operator said of them is kept apart, and stays.
    async fn forget_strangers(&self, before: i64) -> Result<usize, StoreError> {
        let gone =
            self.write(move |batch| batch.execute("DELETE FROM contacts WHERE last_seen < ?1", [before])).await?;
        let is_kept = |last: u64| i64::try_from(last).is_ok_and(|last| last >= before);
        self.shared().memory.contacts.lock().retain(|_, seen| is_kept(seen.last.0));
        Ok(gone)
    }

    /// Applies `act` to every row that `find` names, a slice at a time.
    async fn in_slices(
        &self,
        find: String,
        before: i64,
        act: fn(&mut Batch<'_>, i64) -> Result<(), StoreError>,
    ) -> Result<usize, StoreError> {
        let mut touched = 0;
        loop {
            let find = find.clone();
            let found = self
                .write(move |batch| {
                    let mut statement = batch.sql(&find)?;
                    let ids: Vec<i64> =
                        statement.query_map(params![before], |row| row.get(0))?.collect::<Result<_, _>>()?;
                    ids.iter().try_for_each(|id| act(batch, *id))?;
                    Ok(ids.len())
                })
                .await?;
            touched += found;
            if found < SLICE {
                return Ok(touched);
            }
        }
    }
}

fn cutoff(now: u64, kept: u128) -> i64 {
    i64::try_from(u128::from(now).saturating_sub(kept)).unwrap_or(i64::MAX)
}

fn one_of<'a>(states: impl Iterator<Item = &'a str>) -> String {
    states.map(|state| format!("'{state}'")).collect::<Vec<_>>().join(", ")
}

fn erase(batch: &mut Batch<'_>, id: i64) -> Result<(), StoreError> {
    let sql = "UPDATE inbox SET kept = 0, head = NULL, body = NULL, reason = NULL, trace = NULL WHERE id = ?1";
    batch.execute(sql, [id])?;
    batch.note(Effect::Changed(switchhook_core::id::InboxId(id)));
    Ok(())
}

fn forget(batch: &mut Batch<'_>, id: i64) -> Result<(), StoreError> {
    batch.execute("DELETE FROM inbox WHERE id = ?1", [id]).map(drop)
}

fn forget_turn(batch: &mut Batch<'_>, id: i64) -> Result<(), StoreError> {
    batch.execute("DELETE FROM history WHERE id = ?1", [id])?;
    batch.note(Effect::Weeded);
    Ok(())
}

fn forget_delivery(batch: &mut Batch<'_>, id: i64) -> Result<(), StoreError> {
    batch.execute("DELETE FROM outbox WHERE id = ?1", [id]).map(drop)
}
