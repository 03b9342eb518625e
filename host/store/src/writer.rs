//! The one thread that writes: it takes everything that waits, runs it in one transaction, and answers when it is on disk.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{CachedStatement, Connection, Params};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;
use crate::failpoint::edge;
use crate::folder::Folder;
use crate::memory::{Effect, Memory};
use crate::store::Durability;
use crate::traffic;

/// Writes that may wait. Whoever comes after that waits for room.
pub(crate) const QUEUE: usize = 1024;

/// How long a power cut may take back what nobody waited for: long enough that under load another commit syncs it, too.
const SYNC_WITHIN: Duration = Duration::from_millis(100);

/// A write in the queue. `run` may be skipped where the transaction could not even begin; `finish` is always called,
/// with what became of the commit.
pub(crate) trait Work: Send {
    fn run(&mut self, batch: &mut Batch<'_>);
    /// Called once its commit went through, outside of any transaction.
    fn after_commit(&mut self, _conn: &Connection) {}
    fn finish(self: Box<Self>, commit: Result<(), StoreError>);
    /// What its commit survives.
    fn keeps(&self) -> Keeps {
        Keeps::AsTheStore
    }
}

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keeps {
    /// The end of the process; a power cut only from [`SYNC_WITHIN`] later on. For what nobody waits for: a sync is the
    /// dearest part of a commit, and the next one syncs the log as a whole.
    Process,
    /// What the store was opened for.
    AsTheStore,
    /// A power cut, always: what must never step back, such as a ratchet.
    Power,
}

/// What is undone where a write fails half-way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undo {
    /// Its own changes, whatever the others of the transaction did. SQLite copies every page that it touches for that,
    /// which is a good part of what a small write costs.
    Write,
    /// The transaction: for a write that looks before it changes anything, so that what fails afterwards is the disk. Its
    /// refusal, with nothing changed, is its own.
    Transaction,
}

/// The transaction that several writes share.
pub(crate) struct Batch<'a> {
    conn: &'a Connection,
    effects: Vec<Effect>,
    pub(crate) memory: &'a Memory,
    /// Why the transaction as a whole is lost.
    broken: Option<StoreError>,
}

impl<'a> Batch<'a> {
    pub(crate) fn conn(&self) -> &'a Connection {
        self.conn
    }
    pub(crate) fn sql(&self, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
        Ok(self.conn.prepare_cached(sql)?)
    }
    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        Ok(self.sql(sql)?.execute(params)?)
    }
    /// What memory must learn once the commit is on disk.
    pub(crate) fn note(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
    pub(crate) fn effects(&self) -> &[Effect] {
        &self.effects
    }
    /// Runs one write so that it happens as a whole or not at all.
    pub(crate) fn run<T>(
        &mut self,
        undo: Undo,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match undo {
            Undo::Write => self.whole(work),
            Undo::Transaction => self.looking_first(work),
        }
    }
    fn looking_first<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let (noted, changes) = (self.effects.len(), self.conn.total_changes());
        let result = work(self);
        if let Err(error) = &result {
            self.effects.truncate(noted);
            // A full disk, for one, may have rolled the transaction back by itself.
            if self.conn.total_changes() != changes || self.conn.is_autocommit() {
                self.broken = Some(error.clone());
            }
        }
        result
    }
    fn whole<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let noted = self.effects.len();
        let result = self.execute("SAVEPOINT op", []).and_then(|_| work(self));
        let closed = match &result {
            Ok(_) => self.execute("RELEASE op", []),
            Err(_) => self.execute("ROLLBACK TO op", []).and_then(|_| self.execute("RELEASE op", [])),
        };
        if let Err(error) = closed.map_err(|closing| result.as_ref().err().cloned().unwrap_or(closing)) {
            // A full disk, for one, rolls the whole transaction back, and the savepoint with it.
            self.effects.truncate(noted);
            self.broken = Some(error.clone());
            return Err(error);
        }
        if result.is_err() {
            self.effects.truncate(noted);
        }
        result
    }
}

/// A write that somebody waits for.
pub(crate) struct Awaited<T, F> {
    pub(crate) work: Option<F>,
    pub(crate) result: Option<Result<T, StoreError>>,
    pub(crate) answer: oneshot::Sender<Result<T, StoreError>>,
    pub(crate) keeps: Keeps,
    pub(crate) undo: Undo,
}

impl<T: Send, F: FnOnce(&mut Batch<'_>) -> Result<T, StoreError> + Send> Work for Awaited<T, F> {
    fn run(&mut self, batch: &mut Batch<'_>) {
        if let Some(work) = self.work.take() {
            self.result = Some(batch.run(self.undo, work));
        }
    }
    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        let Self { result, answer, .. } = *self;
        // Whoever asked may have gone; the write is done all the same.
        let _ = answer.send(commit.and_then(|()| result.unwrap_or(Err(StoreError::Closed))));
    }
    fn keeps(&self) -> Keeps {
        self.keeps
    }
}

/// A write that nobody waits for; `end` is told what became of it.
pub(crate) struct Ordered<F, E> {
    pub(crate) name: &'static str,
    pub(crate) undo: Undo,
    pub(crate) work: Option<F>,
    pub(crate) result: Result<(), StoreError>,
    pub(crate) end: E,
}

impl<F, E> Work for Ordered<F, E>
where
    F: FnOnce(&mut Batch<'_>) -> Result<(), StoreError> + Send,
    E: FnOnce(Result<(), StoreError>) + Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) {
        if let Some(work) = self.work.take() {
            self.result = batch.run(self.undo, work);
        }
    }
    fn keeps(&self) -> Keeps {
        Keeps::Process
    }
    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        let result = commit.and(self.result);
        if let Err(error) = &result {
            tracing::error!(write = self.name, %error, "a write is lost");
        }
        (self.end)(result);
    }
}

/// A read for which the order of the queue matters, or that may use no other connection. Answered at once.
pub(crate) struct Reading<F> {
    pub(crate) read: Option<F>,
}

impl<F: FnOnce(Result<&Connection, StoreError>) + Send> Work for Reading<F> {
    fn run(&mut self, batch: &mut Batch<'_>) {
        if let Some(read) = self.read.take() {
            read(Ok(batch.conn()));
        }
    }
    fn keeps(&self) -> Keeps {
        Keeps::Process
    }
    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        if let (Some(read), Err(error)) = (self.read, commit) {
            read(Err(error));
        }
    }
}

/// Wakes the writer, so that it sees that it is to stop.
pub(crate) struct Nudge;

impl Work for Nudge {
    fn run(&mut self, _batch: &mut Batch<'_>) {}
    fn keeps(&self) -> Keeps {
        Keeps::Process
    }
    fn finish(self: Box<Self>, _commit: Result<(), StoreError>) {}
}

/// What the writer and the store share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) memory: Memory,
    pub(crate) stop: AtomicBool,
    pub(crate) commits: AtomicU64,
    pub(crate) failed_commits: AtomicU64,
    /// Commits that were synced, so that they survive a power cut.
    pub(crate) synced_commits: AtomicU64,
    /// Syncs of commits that were not synced themselves, and that no other followed soon.
    pub(crate) late_syncs: AtomicU64,
    /// Writes that were asked for, and those that are over: equal means that nothing waits.
    pub(crate) asked: AtomicU64,
    pub(crate) over: AtomicU64,
    pub(crate) high_water: AtomicU64,
}

pub(crate) struct Writer {
    conn: Connection,
    shared: Arc<Shared>,
    durability: Durability,
    /// Whether the connection syncs its commits now.
    syncing: Cell<bool>,
    /// Since when something is committed that a power cut would take back.
    behind: Cell<Option<Instant>>,
    /// For waiting with a limit: a thread of ours has no timer of its own.
    timer: Runtime,
    /// Held until the last commit is done.
    folder: Folder,
}

impl Writer {
    /// `conn` is as [`schema::writer`](crate::schema::writer) makes it for this durability.
    pub(crate) fn new(
        conn: Connection,
        shared: Arc<Shared>,
        durability: Durability,
        folder: Folder,
    ) -> std::io::Result<Self> {
        let timer = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (syncing, behind) = (Cell::new(durability == Durability::Power), Cell::new(None));
        Ok(Self { conn, shared, durability, syncing, behind, timer, folder })
    }

    /// Works until told to stop, then does what waits, and ends.
    pub(crate) fn run(self, mut queue: mpsc::Receiver<Box<dyn Work>>) {
        while let Some(first) = self.next(&mut queue) {
            self.commit(gather(first, &mut queue));
            if self.shared.stop.load(Ordering::Acquire) {
                queue.close();
                while let Ok(first) = queue.try_recv() {
                    self.commit(gather(first, &mut queue));
                }
                break;
            }
        }
        let Self { conn, folder, .. } = self;
        // By hand, since only the last connection to close would do it, and a reader may outlast this one.
        if let Err(error) = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the log could not be folded into the journal; the next start does it");
        }
        if let Err((_, error)) = conn.close() {
            tracing::warn!(%error, "the journal did not close cleanly; nothing is lost");
        }
        drop(folder);
    }

    /// The next write. Where the last commit was not synced and none follows soon, its log is synced meanwhile.
    fn next(&self, queue: &mut mpsc::Receiver<Box<dyn Work>>) -> Option<Box<dyn Work>> {
        if let Some(since) = self.behind.get() {
            let left = SYNC_WITHIN.saturating_sub(since.elapsed());
            let soon = async { tokio::time::timeout(left, queue.recv()).await };
            // A queue that is never empty must not put it off.
            if !left.is_zero()
                && let Ok(next) = self.timer.block_on(soon)
            {
                return next;
            }
            self.catch_up();
        }
        queue.blocking_recv()
    }

    /// Syncs what was committed without it.
    fn catch_up(&self) {
        match self.folder.sync_log() {
            Ok(()) => {
                self.shared.late_syncs.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => tracing::error!(%error, "the journal's log can't be synced; the next commit does it"),
        }
        self.behind.set(None);
    }

    fn commit(&self, mut works: Vec<Box<dyn Work>>) {
        let result = self.transact(&mut works);
        let count = works.len() as u64;
        match &result {
            Ok(_) => self.shared.commits.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                tracing::error!(%error, writes = count, "a commit failed");
                self.shared.failed_commits.fetch_add(1, Ordering::Relaxed)
            }
        };
        let result = result.map(|effects| effects.into_iter().for_each(|e| self.shared.memory.apply(e)));
        if result.is_ok() {
            works.iter_mut().for_each(|work| work.after_commit(&self.conn));
        }
        self.shared.over.fetch_add(count, Ordering::Release);
        for work in works {
            work.finish(result.clone());
        }
    }

    fn transact(&self, works: &mut [Box<dyn Work>]) -> Result<Vec<Effect>, StoreError> {
        let conn = &self.conn;
        let synced = match works.iter().map(|work| work.keeps()).max() {
            Some(Keeps::Power) => true,
            Some(Keeps::AsTheStore) => self.durability == Durability::Power,
            Some(Keeps::Process) | None => false,
        };
        self.sync_commits(synced)?;
        let changes = conn.total_changes();
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut batch = Batch { conn, effects: Vec::new(), memory: &self.shared.memory, broken: None };
        for work in works {
            work.run(&mut batch);
            if let Some(error) = batch.broken {
                return Err(self.roll_back(error));
            }
        }
        traffic::write(&batch).map_err(|error| self.roll_back(error))?;
        edge("store.before_commit");
        let effects = batch.effects;
        conn.prepare_cached("COMMIT")?.execute([]).map_err(|error| self.roll_back(error.into()))?;
        edge("store.after_commit");
        self.shared.synced_commits.fetch_add(u64::from(synced), Ordering::Relaxed);
        if !synced {
            let since = self.behind.get().unwrap_or_else(Instant::now);
            self.behind.set((self.durability == Durability::Power).then_some(since));
        } else if conn.total_changes() != changes {
            self.behind.set(None);
        } else if self.behind.get().is_some() {
            // A commit of nothing syncs nothing, and whoever waits for it may rely on what came before.
            self.catch_up();
        }
        Ok(effects)
    }

    /// Whether the commits that follow are synced. The log is synced as a whole, what was not before included.
    fn sync_commits(&self, synced: bool) -> Result<(), StoreError> {
        if self.syncing.get() != synced {
            // Not a kept statement: SQLite obeys this one when it prepares it, and outside of a transaction only.
            self.conn.execute_batch(if synced {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            })?;
            self.syncing.set(synced);
        }
        Ok(())
    }

    fn roll_back(&self, error: StoreError) -> StoreError {
        if !self.conn.is_autocommit()
            && let Err(rolling) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(error = %rolling, "a transaction can't be rolled back");
        }
        error
    }
}

fn gather(first: Box<dyn Work>, queue: &mut mpsc::Receiver<Box<dyn Work>>) -> Vec<Box<dyn Work>> {
    let mut works = vec![first];
    while works.len() < QUEUE
        && let Ok(work) = queue.try_recv()
    {
        works.push(work);
    }
    works
}
