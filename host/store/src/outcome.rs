//! What one message brings about, in one transaction.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};
use switchhook_core::id::{InboxId, OutboxId};

use crate::error::StoreError;
use crate::history::{self, NewTurn};
use crate::journal::{InboxState, Outcome};
use crate::kv::{self, Change};
use crate::memory::Effect;
use crate::outbox::NewRow;
use crate::seal::{Sealing, Table, Vault};
use crate::store::Store;
use crate::tag::{Tag, to_sql_time};
use crate::timers::NewTimerRow;
use crate::writer::{Batch, Undo};

impl Store {
    /// Keeps an outcome as a whole or not at all; returns the ids of its deliveries, in their order. Awaited.
    /// Fails with [`StoreError::NotPending`] where one of the messages has been decided before. An outcome that erases
    /// keeps the trace it comes with: what must not stay is not to be put into it.
    ///
    /// Where nothing else is being written and the disk is quick, the caller's thread is kept until it is done.
    pub async fn commit_outcome(&self, outcome: Outcome) -> Result<Vec<OutboxId>, StoreError> {
        if let (InboxState::Pending, Some(id)) = (outcome.state, outcome.messages.first()) {
            return Err(StoreError::WrongState { id: id.to_string(), state: "pending", expected: "decided" });
        }
        let sealing = self.vault().sealing();
        let sealed = Sealed::new(self, &sealing, outcome)?;
        let vault = self.vault().clone();
        let undo = sealed.undo();
        self.write_here(undo, move |batch| sealed.apply(batch, &vault)).await
    }
}

/// An outcome ready to be written.
struct Sealed {
    decided: Vec<Decided>,
    state: InboxState,
    erase: bool,
    finished_at: i64,
    deliveries: Vec<NewRow>,
    kv: Vec<Change>,
    turns: Vec<NewTurn>,
    forget: Vec<Tag>,
    timers: Vec<NewTimerRow>,
}

/// What is written to the row of one message.
struct Decided {
    id: InboxId,
    reason: Option<Vec<u8>>,
    trace: Option<Vec<u8>>,
}

impl Sealed {
    fn new(store: &Store, vault: &Sealing<'_>, outcome: Outcome) -> Result<Self, StoreError> {
        let (reason, trace) = (outcome.reason, outcome.trace);
        let decided = outcome.messages.iter().copied().map(|id| Decided {
            id,
            reason: reason.as_ref().map(|text| vault.seal(Table::Inbox.cell(id.0, "reason"), text.as_bytes())),
            trace: trace.as_ref().map(|trace| vault.seal(Table::Inbox.cell(id.0, "trace"), trace)),
        });
        // The message that a delivery, listed, is said to belong to: the last of those answered together.
        let answered = outcome.messages.last().copied().unwrap_or(InboxId(0));
        let delivery = store.ids(Table::Outbox, outcome.deliveries.len());
        let turn = store.ids(Table::History, outcome.turns.len());
        let timer = store.ids(Table::Timers, outcome.timers.len());
        let now = store.now();
        Ok(Self {
            decided: decided.collect(),
            state: outcome.state,
            erase: outcome.erase,
            finished_at: to_sql_time(now),
            deliveries: seal_all(delivery, outcome.deliveries, |id, new| NewRow::seal(vault, id, answered, new))?,
            kv: outcome.kv.into_iter().map(|write| Change::seal(vault, write)).collect(),
            turns: seal_all(turn, outcome.turns, |id, (c, turn)| NewTurn::seal(vault, id, &c, turn))?,
            forget: outcome.forget.iter().map(|c| vault.conversation(c)).collect(),
            timers: seal_all(timer, outcome.timers, |id, new| NewTimerRow::seal(vault, id, new))?,
        })
    }

    /// A counter is read when others are written already, and may not open.
    fn undo(&self) -> Undo {
        if self.kv.is_empty() { Undo::Transaction } else { Undo::Write }
    }

    fn apply(&self, batch: &mut Batch<'_>, vault: &Arc<Vault>) -> Result<Vec<OutboxId>, StoreError> {
        let accounts: Result<Vec<_>, _> = self.decided.iter().map(|decided| pending(batch, decided.id)).collect();
        for (decided, account) in self.decided.iter().zip(accounts?) {
            self.decide(batch, decided, account)?;
        }
        for delivery in &self.deliveries {
            delivery.insert(batch)?;
        }
        for change in &self.kv {
            kv::apply(batch, vault, change)?;
        }
        for conversation in &self.forget {
            history::forget(batch, *conversation)?;
        }
        for turn in &self.turns {
            turn.insert(batch)?;
        }
        for timer in &self.timers {
            timer.replace(batch)?;
        }
        Ok(self.deliveries.iter().map(|row| row.id).collect())
    }

    fn decide(&self, batch: &mut Batch<'_>, decided: &Decided, account: Tag) -> Result<(), StoreError> {
        let id = decided.id;
        let begun = i64::from(batch.memory.fresh.lock().is_begun(id));
        batch.execute(
            "UPDATE inbox SET state = ?2, finished_at = ?3, reason = ?4, trace = ?5, attempts = MAX(attempts, ?6)
             WHERE id = ?1",
            params![id.0, self.state, self.finished_at, decided.reason, decided.trace, begun],
        )?;
        if self.erase {
            batch.execute("UPDATE inbox SET head = NULL, body = NULL WHERE id = ?1", [id.0])?;
        }
        batch.note(Effect::Backlog { account, by: -1 });
        batch.note(Effect::Changed(id));
        Ok(())
    }
}

/// The account of a message that is not decided.
fn pending(batch: &Batch<'_>, id: InboxId) -> Result<Tag, StoreError> {
    let account = batch
        .sql("SELECT account FROM inbox WHERE id = ?1 AND state = ?2")?
        .query_row(params![id.0, InboxState::Pending], |row| row.get(0))
        .optional()?;
    account.ok_or_else(|| StoreError::NotPending { id: id.to_string() })
}

/// Seals each of `items` under the next id.
fn seal_all<T, R>(
    first: i64,
    items: Vec<T>,
    seal: impl Fn(i64, T) -> Result<R, StoreError>,
) -> Result<Vec<R>, StoreError> {
    (first..).zip(items).map(|(id, item)| seal(id, item)).collect()
}
