//! Messages: accepted, begun, loaded, traced.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use switchhook_core::id::{AccountId, InboxId};
use switchhook_core::message::{Conversation, Message};
use switchhook_core::time::UnixMillis;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::journal::{Accepted, InboxState, NewMessage, StoredMessage, Waiting};
use crate::memory::Effect;
use crate::seal::{Sealing, Table, Vault, or_leave_out};
use crate::store::Store;
use crate::tag::{Tag, from_sql_time, to_sql_time};
use crate::traffic::{Traffic, quarter};
use crate::writer::{Batch, Keeps, Shared, Undo, Work};

/// The two moments of an acceptance.
#[derive(Debug)]
pub struct Accepting {
    /// Each message has its id: work on it may start.
    pub seen: oneshot::Receiver<Result<Vec<Accepted>, StoreError>>,
    /// The batch is on disk: the provider may be told. That comes with the next commit that is synced, or two milliseconds
    /// later: an answer that needs no model costs one sync and not two. Where it fails, the batch may be kept all the same,
    /// and is known when it comes again.
    pub durable: oneshot::Receiver<Result<(), StoreError>>,
}

impl Store {
    /// Takes messages in, all or none. Waits for room in the queue only.
    pub async fn accept(&self, batch: Vec<NewMessage>) -> Accepting {
        let (seen, on_seen) = oneshot::channel();
        // Whoever asked may have gone; the messages are accepted all the same.
        let durable = self.accept_and(batch, move |ids| drop(seen.send(ids))).await;
        Accepting { seen: on_seen, durable }
    }

    /// The same; `seen` is told the ids on the writer's thread, which must not wait. Dropping the future leaves the batch
    /// either not queued, or written and told. What is returned says when the batch is on disk.
    pub async fn accept_and(
        &self,
        batch: Vec<NewMessage>,
        seen: impl FnOnce(Result<Vec<Accepted>, StoreError>) + Send + 'static,
    ) -> oneshot::Receiver<Result<(), StoreError>> {
        let now = self.now();
        let first = self.ids(Table::Inbox, batch.len());
        let sealing = self.vault().sealing();
        let sealed = batch.into_iter().zip(first..).map(|(new, id)| NewRow::seal(&sealing, InboxId(id), new, now));
        let rows: Result<Vec<_>, _> = sealed.collect();
        let (durable, on_durable) = oneshot::channel();
        let (rows, result) = match rows {
            Ok(rows) => (rows, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        let seen: Seen = Box::new(seen);
        let accept =
            Accept { rows, result, seen: Some(seen), durable, shared: self.shared().clone(), fresh: Vec::new() };
        self.queue(Box::new(accept)).await;
        on_durable
    }

    /// Work on a message starts: one attempt more, whatever becomes of it.
    ///
    /// The first one of a message that this process accepted is written with its outcome: should the process die before,
    /// the next start counts it. Every other is awaited, so that a message which ends the process at once is counted each
    /// time.
    pub async fn begin(&self, id: InboxId) -> Result<(), StoreError> {
        if self.shared().memory.fresh.lock().begin_first(id) {
            return Ok(());
        }
        self.write_as(Keeps::Process, Undo::Transaction, move |batch| {
            batch.execute("UPDATE inbox SET attempts = attempts + 1 WHERE id = ?1", [id.0])?;
            batch.note(Effect::Begun(id));
            Ok(())
        })
        .await
    }

    /// A message just accepted comes from memory, so that work on it need not wait for its commit.
    pub async fn load(&self, id: InboxId) -> Result<Option<StoredMessage>, StoreError> {
        if let Some(message) = self.shared().memory.fresh.lock().get(id) {
            return Ok(Some(message));
        }
        let vault = self.vault().clone();
        self.read_settled(move |conn| find(conn, &vault, id)).await
    }

    /// Everything accepted and not decided, oldest first.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let vault = self.vault().clone();
        self.read_settled(move |conn| {
            let mut statement = conn.prepare_cached(
                "SELECT id, account, head, accepted_at, attempts FROM inbox WHERE state = ?1 ORDER BY id",
            )?;
            let mut rows = statement.query([InboxState::Pending])?;
            let mut waiting = Vec::new();
            while let Some(row) = rows.next()? {
                waiting.extend(or_leave_out(open_waiting(row, &vault))?);
            }
            Ok(waiting)
        })
        .await
    }

    /// What waits in one conversation, oldest first. Looks at the newest `limit` messages that wait in the account: which
    /// conversation a message belongs to is sealed, so there is no index to ask.
    pub async fn waiting_in(&self, c: &Conversation, limit: u32) -> Result<Vec<StoredMessage>, StoreError> {
        let (vault, wanted) = (self.vault().clone(), c.clone());
        self.read_settled(move |conn| {
            let sql =
                format!("SELECT {COLUMNS} FROM inbox WHERE state = ?1 AND account = ?2 ORDER BY id DESC LIMIT ?3");
            let mut found = collect(conn, &sql, params![InboxState::Pending, vault.account(&wanted.account), limit])?;
            found.reverse();
            let opened = found.into_iter().filter_map(|raw| or_leave_out(raw.open(&vault)).transpose());
            let here = |stored: &StoredMessage| stored.message.as_ref().is_some_and(|m| m.conversation() == wanted);
            opened.filter(|stored| stored.as_ref().map_or(true, here)).collect()
        })
        .await
    }

    /// How many messages of the account wait, as of the last commit.
    pub fn backlog(&self, account: &AccountId) -> usize {
        let tag = self.vault().account(account);
        self.shared().memory.backlog.lock().get(&tag).map_or(0, |count| *count as usize)
    }

    /// The newest messages in a state, at most `limit`, oldest of them first.
    pub async fn list(&self, state: InboxState, limit: u32) -> Result<Vec<StoredMessage>, StoreError> {
        let vault = self.vault().clone();
        self.read_settled(move |conn| {
            let sql = format!("SELECT {COLUMNS} FROM inbox WHERE state = ?1 ORDER BY id DESC LIMIT ?2");
            let mut found = collect(conn, &sql, params![state, limit])?;
            found.reverse();
            found.into_iter().filter_map(|raw| or_leave_out(raw.open(&vault)).transpose()).collect()
        })
        .await
    }

    /// Who decided what, as [`Outcome::trace`](crate::Outcome::trace) had it.
    pub async fn trace(&self, id: InboxId) -> Result<Option<Vec<u8>>, StoreError> {
        let vault = self.vault().clone();
        self.read_settled(move |conn| {
            let mut statement = conn.prepare_cached("SELECT trace FROM inbox WHERE id = ?1")?;
            let sealed: Option<Option<Vec<u8>>> = statement.query_row([id.0], |row| row.get(0)).optional()?;
            sealed.flatten().map(|sealed| vault.open(Table::Inbox.cell(id.0, "trace"), &sealed)).transpose()
        })
        .await
    }
}

/// A message, sealed and ready to be written.
pub(crate) struct NewRow {
    pub(crate) id: InboxId,
    account: Tag,
    dedupe: Tag,
    head: Vec<u8>,
    body: Vec<u8>,
    accepted_at: UnixMillis,
    message: Message,
    unresolved: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Body<M> {
    message: M,
    unresolved: Option<String>,
}

impl NewRow {
    pub(crate) fn seal(vault: &Sealing<'_>, id: InboxId, new: NewMessage, now: UnixMillis) -> Result<Self, StoreError> {
        let NewMessage { dedupe_key, message, unresolved } = new;
        let account = vault.account(&message.account);
        let dedupe = vault.tag("dedupe", &[&dedupe_key]);
        let head = vault.seal_json(Table::Inbox.cell(id.0, "head").of(account), &message.conversation())?;
        let body = Body { message: &message, unresolved: unresolved.clone() };
        let body = vault.seal_json(Table::Inbox.cell(id.0, "body").of(account), &body)?;
        Ok(Self { id, account, dedupe, head, body, accepted_at: now, message, unresolved })
    }

    pub(crate) fn insert(&self, batch: &mut Batch<'_>) -> Result<Accepted, StoreError> {
        if self.put(batch, InboxState::Pending)? {
            batch.note(Effect::Backlog { account: self.account, by: 1 });
            return Ok(Accepted::New(self.id));
        }
        let mut statement = batch.sql("SELECT id FROM inbox WHERE account = ?1 AND dedupe = ?2")?;
        let earlier = statement.query_row(params![self.account, self.dedupe], |row| row.get(0))?;
        Ok(Accepted::Duplicate(InboxId(earlier)))
    }

    /// Whether there was none like it; what is not to be decided about is over from the start.
    pub(crate) fn put(&self, batch: &Batch<'_>, state: InboxState) -> Result<bool, StoreError> {
        let at = to_sql_time(self.accepted_at);
        let over = (state != InboxState::Pending).then_some(at);
        let inserted = batch.execute(
            "INSERT INTO inbox (id, account, dedupe, state, accepted_at, finished_at, head, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (account, dedupe) DO NOTHING",
            params![self.id.0, self.account, self.dedupe, state, at, over, self.head, self.body],
        )?;
        Ok(inserted == 1)
    }

    pub(crate) fn waiting(&self) -> Waiting {
        Waiting {
            id: self.id,
            account: self.message.account.clone(),
            conversation: self.message.conversation(),
            accepted_at: self.accepted_at,
            attempts: 0,
        }
    }

    /// What a load would give, and its size.
    fn into_stored(self) -> (StoredMessage, usize) {
        let stored = StoredMessage {
            id: self.id,
            state: InboxState::Pending,
            reason: None,
            message: Some(self.message),
            unresolved: self.unresolved,
            accepted_at: self.accepted_at,
            attempts: 0,
            approved: false,
        };
        (stored, self.body.len())
    }
}

type Seen = Box<dyn FnOnce(Result<Vec<Accepted>, StoreError>) + Send>;

/// The write of [`Store::accept`]: it answers twice.
struct Accept {
    rows: Vec<NewRow>,
    result: Result<(), StoreError>,
    seen: Option<Seen>,
    durable: oneshot::Sender<Result<(), StoreError>>,
    shared: Arc<Shared>,
    /// What was put into memory before the commit.
    fresh: Vec<InboxId>,
}

impl Work for Accept {
    fn run(&mut self, batch: &mut Batch<'_>) {
        if self.result.is_err() {
            return;
        }
        let rows = std::mem::take(&mut self.rows);
        let insert = |batch: &mut Batch<'_>| rows.iter().map(|row| row.insert(batch)).collect::<Result<Vec<_>, _>>();
        let accepted = batch.run(Undo::Transaction, insert);
        match accepted {
            Ok(accepted) => {
                let mut fresh = batch.memory.fresh.lock();
                for row in rows.into_iter().zip(&accepted).filter(|(r, a)| **a == Accepted::New(r.id)).map(|(r, _)| r) {
                    let traffic = Traffic { sent: 0, received: 1 };
                    batch.note(Effect::Traffic { account: row.account, quarter: quarter(row.accepted_at), traffic });
                    self.fresh.push(row.id);
                    let (stored, bytes) = row.into_stored();
                    fresh.insert(stored, bytes);
                }
                drop(fresh);
                if let Some(seen) = self.seen.take() {
                    seen(Ok(accepted));
                }
            }
            Err(error) => self.result = Err(error),
        }
    }

    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        let result = commit.and(self.result);
        if let Err(error) = &result {
            let mut fresh = self.shared.memory.fresh.lock();
            self.fresh.iter().for_each(|id| fresh.forget(*id));
            drop(fresh);
            if let Some(seen) = self.seen {
                seen(Err(error.clone()));
            }
        }
        let _ = self.durable.send(result);
    }

    fn keeps(&self) -> Keeps {
        Keeps::WithTheNext
    }
}

pub(crate) const COLUMNS: &str = "id, account, state, accepted_at, attempts, approved, body, reason";

/// A row as it lies, still sealed.
pub(crate) struct Raw {
    id: i64,
    account: Tag,
    state: InboxState,
    accepted_at: i64,
    attempts: u32,
    approved: bool,
    body: Option<Vec<u8>>,
    reason: Option<Vec<u8>>,
}

impl Raw {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            account: row.get(1)?,
            state: row.get(2)?,
            accepted_at: row.get(3)?,
            attempts: row.get(4)?,
            approved: row.get(5)?,
            body: row.get(6)?,
            reason: row.get(7)?,
        })
    }
    fn open(self, vault: &Vault) -> Result<StoredMessage, StoreError> {
        let cell = Table::Inbox.cell(self.id, "body").of(self.account);
        let body: Option<Body<Message>> = self.body.map(|sealed| vault.open_json(cell, &sealed)).transpose()?;
        let (message, unresolved) = body.map_or((None, None), |body| (Some(body.message), body.unresolved));
        Ok(StoredMessage {
            id: InboxId(self.id),
            state: self.state,
            reason: vault.open_text(Table::Inbox.cell(self.id, "reason"), self.reason)?,
            message,
            unresolved,
            accepted_at: from_sql_time(self.accepted_at),
            attempts: self.attempts,
            approved: self.approved,
        })
    }
}

pub(crate) fn find(conn: &Connection, vault: &Vault, id: InboxId) -> Result<Option<StoredMessage>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM inbox WHERE id = ?1");
    let raw = conn.prepare_cached(&sql)?.query_row([id.0], Raw::read).optional()?;
    raw.map(|raw| raw.open(vault)).transpose()
}

fn collect(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Raw>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params, Raw::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn open_waiting(row: &Row<'_>, vault: &Vault) -> Result<Waiting, StoreError> {
    let (id, account, head): (i64, Tag, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let conversation: Conversation = vault.open_json(Table::Inbox.cell(id, "head").of(account), &head)?;
    Ok(Waiting {
        id: InboxId(id),
        account: conversation.account.clone(),
        conversation,
        accepted_at: from_sql_time(row.get(3)?),
        attempts: row.get(4)?,
    })
}
