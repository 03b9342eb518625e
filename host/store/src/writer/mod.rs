//! What writes: it takes everything that waits, runs it in one transaction, and answers when it is on disk. It has a thread
//! of its own; a write that has it to itself can be committed by whoever wants it, see [`Seat`].

mod batch;
mod postponed;
mod seat;
mod syncing;
mod thread;
mod trouble;
mod unsynced;
mod wal;
mod work;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

pub(crate) use self::batch::{Batch, Undo};
use self::postponed::Postponed;
pub(crate) use self::seat::Seat;
pub(crate) use self::thread::Thread;
use self::trouble::Trouble;
use self::unsynced::Unsynced;
use self::wal::Wal;
pub(crate) use self::work::{Awaited, Barrier, Keeps, OnFullDisk, Ordered, Reading, Work};
use crate::error::StoreError;
use crate::failpoint::edge;
use crate::folder::Folder;
use crate::memory::{Effect, Memory};
use crate::schema;
use crate::store::Durability;
use crate::traffic;

/// Writes that may wait. Whoever comes after that waits for room.
pub(crate) const QUEUE: usize = 1024;

/// How long a write waits for another program that has the journal, once one has waited in vain.
const BUSY_AGAIN: Duration = Duration::from_millis(100);

/// What the writer and the store share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) memory: Memory,
    pub(crate) stop: AtomicBool,
    pub(crate) commits: AtomicU64,
    pub(crate) failed_commits: AtomicU64,
    /// Writes that were committed on the thread of whoever wanted them.
    pub(crate) commits_here: AtomicU64,
    /// Commits that were synced, so that they survive a power cut.
    pub(crate) synced_commits: AtomicU64,
    /// Syncs of commits that were not synced themselves, and that no other followed soon.
    pub(crate) late_syncs: AtomicU64,
    /// Writes that were asked for, and those that are over: equal means that nothing waits.
    pub(crate) asked: AtomicU64,
    pub(crate) over: AtomicU64,
    pub(crate) high_water: AtomicU64,
    /// Writes that wait for a disk that takes them.
    pub(crate) postponed: AtomicU64,
}

impl Shared {
    /// Whether every write that was asked for is over.
    pub(crate) fn is_settled(&self) -> bool {
        // In this order: a write that is over was asked for before.
        let over = self.over.load(Ordering::Acquire);
        over == self.asked.load(Ordering::Acquire)
    }
}

pub(crate) struct Writer {
    conn: Connection,
    shared: Arc<Shared>,
    durability: Durability,
    /// Whether the connection syncs its commits now.
    syncing: bool,
    unsynced: Unsynced,
    /// A sync of the log failed, whoever asked for it. What it was to bring to disk may be missing there although the next
    /// one goes well, and what follows in the log would be missing with it.
    log_in_doubt: bool,
    wal: Wal,
    postponed: Postponed,
    trouble: Trouble,
    /// Held until the last commit is done.
    folder: Folder,
}

impl Writer {
    /// `conn` is as [`schema::writer`](crate::schema::writer) makes it for this durability.
    pub(crate) fn new(conn: Connection, shared: Arc<Shared>, durability: Durability, folder: Folder) -> Self {
        let (wal, postponed, trouble) = (Wal::of(&conn), Postponed::default(), Trouble::default());
        let (syncing, unsynced) = (durability == Durability::Power, Unsynced::default());
        Self { conn, shared, durability, syncing, unsynced, log_in_doubt: false, wal, postponed, trouble, folder }
    }

    /// Lets go of the pages at hand, which the next commits read again.
    fn rest(&self) {
        if let Err(error) = self.conn.execute_batch("PRAGMA shrink_memory") {
            tracing::debug!(%error, "the pages at hand stay");
        }
    }

    /// What was postponed goes first. While the disk does not take that, it is given nothing that came later either: the
    /// end of a delivery must not be overtaken by its next start. What only reads is done all the same.
    fn commit(&mut self, mut works: Vec<Box<dyn Work>>) {
        let only_reads = !works.is_empty() && works.iter().all(|work| work.only_reads());
        if only_reads && self.postponed.next_try().is_some_and(|wait| !wait.is_zero()) {
            return self.read(works);
        }
        let kept = self.write_postponed().and_then(|()| self.keep(&mut works));
        let Err(error) = kept else { return self.finish(works, Ok(())) };
        let (reads, writes): (Vec<_>, Vec<_>) = works.into_iter().partition(|work| work.only_reads());
        self.finish(writes, Err(error));
        self.read(reads);
    }

    fn read(&mut self, mut reads: Vec<Box<dyn Work>>) {
        let mut batch = Batch::new(&self.conn, &self.shared.memory);
        reads.iter_mut().for_each(|read| read.run(&mut batch));
        self.finish(reads, Ok(()));
    }

    /// All of them, or as many as the disk takes.
    fn write_postponed(&mut self) -> Result<(), StoreError> {
        if self.postponed.next_try().is_none() {
            return Ok(());
        }
        // Whoever waits for something is to be told soon; it comes again.
        self.conn.busy_timeout(BUSY_AGAIN)?;
        while let Some(mut works) = self.postponed.take() {
            match self.keep(&mut works) {
                Err(error) if error.is_of_the_disk() => {
                    self.postponed.put_back(works);
                    return Err(error);
                }
                result => self.finish(works, result),
            }
        }
        Ok(self.conn.busy_timeout(schema::BUSY)?)
    }

    /// One transaction, and what is to be done once it is on disk.
    fn keep(&mut self, works: &mut [Box<dyn Work>]) -> Result<(), StoreError> {
        if works.is_empty() {
            return Ok(());
        }
        let changes = self.conn.total_changes();
        let done = self.begin(works).and_then(|synced| self.transact(works, synced));
        self.learn(done, works, changes)
    }

    /// Commits a write at once, on the thread of whoever asks. It is given back, untouched, where that may take long.
    fn keep_here(&mut self, work: Box<dyn Work>) -> Option<Box<dyn Work>> {
        if !self.wal.is_quick() || self.log_in_doubt || self.postponed.next_try().is_some() {
            return Some(work);
        }
        let mut works = vec![work];
        let changes = self.conn.total_changes();
        // Another program that has the journal is waited for on our own thread.
        let begun = self.waiting_at_most(Duration::ZERO, |writer| writer.begin(&works));
        let Ok(synced) = begun else { return works.pop() };
        let done = catch_unwind(AssertUnwindSafe(|| self.transact(&mut works, synced)));
        let done = done.unwrap_or_else(|panic| {
            // A fault of that write: the journal goes on without it.
            self.roll_back(StoreError::rolled_back());
            resume_unwind(panic)
        });
        let kept = self.learn(done, &mut works, changes);
        self.shared.commits_here.fetch_add(u64::from(kept.is_ok()), Ordering::Relaxed);
        self.finish(works, kept);
        None
    }

    fn waiting_at_most<T>(
        &mut self,
        wait: Duration,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.conn.busy_timeout(wait)?;
        let done = work(self);
        self.conn.busy_timeout(schema::BUSY)?;
        done
    }

    /// What follows from how a transaction went.
    fn learn(
        &mut self,
        done: Result<Vec<Effect>, StoreError>,
        works: &mut [Box<dyn Work>],
        changes: u64,
    ) -> Result<(), StoreError> {
        match done {
            Ok(effects) => {
                if self.conn.total_changes() != changes {
                    self.trouble.over();
                }
                self.shared.commits.fetch_add(1, Ordering::Relaxed);
                effects.into_iter().for_each(|e| self.shared.memory.apply(e));
                works.iter_mut().for_each(|work| work.after_commit(&self.conn));
                Ok(())
            }
            Err(error) => {
                self.trouble.failed(&error, works.len(), Instant::now());
                self.shared.failed_commits.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Tells every write what became of it, but for those that are tried again, and those that wait for a sync.
    fn finish(&mut self, works: Vec<Box<dyn Work>>, result: Result<(), StoreError>) {
        let full = result.as_ref().is_err_and(StoreError::is_of_the_disk);
        let over = if full { self.postpone(works) } else { works };
        self.shared.postponed.store(self.postponed.len() as u64, Ordering::Relaxed);
        self.shared.over.fetch_add(over.len() as u64, Ordering::Release);
        for work in over {
            if result.is_ok() && !self.unsynced.is_empty() && work.keeps() == Keeps::WithTheNext {
                self.unsynced.tell(work);
            } else {
                work.finish(result.clone());
            }
        }
        // Last: who answers is held up by whoever is told before.
        if self.unsynced.is_empty() {
            self.tell(&Ok(()));
        }
    }

    /// Returns what is not tried again.
    fn postpone(&mut self, works: Vec<Box<dyn Work>>) -> Vec<Box<dyn Work>> {
        let (mut over, later): (Vec<_>, Vec<_>) =
            works.into_iter().partition(|work| work.on_full_disk() == OnFullDisk::Fail);
        over.extend(self.postponed.add(later));
        over
    }

    fn give_up(&mut self) {
        if let Err(error) = self.write_postponed() {
            let works = std::mem::take(&mut self.postponed).into_works();
            self.shared.postponed.store(0, Ordering::Relaxed);
            self.shared.over.fetch_add(works.len() as u64, Ordering::Release);
            for work in works {
                work.finish(Err(error.clone()));
            }
        }
    }

    /// Begins a transaction for these. Says whether its commit is to be synced.
    fn begin(&mut self, works: &[Box<dyn Work>]) -> Result<bool, StoreError> {
        if self.log_in_doubt {
            self.begin_log_anew()?;
        }
        let synced = match works.iter().map(|work| work.keeps()).max() {
            Some(Keeps::Power) => true,
            Some(Keeps::AsTheStore) => self.durability == Durability::Power,
            Some(Keeps::Process | Keeps::WithTheNext) | None => false,
        };
        self.sync_commits(synced)?;
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(synced)
    }

    /// What comes after [`Writer::begin`], to the commit.
    fn transact(&mut self, works: &mut [Box<dyn Work>], synced: bool) -> Result<Vec<Effect>, StoreError> {
        let conn = &self.conn;
        let changes = conn.total_changes();
        let mut batch = Batch::new(conn, &self.shared.memory);
        for work in works {
            work.run(&mut batch);
            // What follows would be kept one by one. A read can be what failed, too.
            let undone = conn.is_autocommit().then(StoreError::rolled_back);
            if let Some(error) = batch.take_broken().or(undone) {
                return Err(self.roll_back(error));
            }
        }
        traffic::write(&batch).map_err(|error| self.roll_back(error))?;
        edge("store.before_commit");
        let effects = batch.into_effects();
        let changed = conn.total_changes() != changes;
        let started = Instant::now();
        let committed = conn.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        committed.map_err(|error| self.not_committed(error.into()))?;
        self.wal.committed((synced == (self.durability == Durability::Power)).then(|| started.elapsed()));
        edge("store.after_commit");
        self.shared.synced_commits.fetch_add(u64::from(synced), Ordering::Relaxed);
        self.committed(synced, changed)?;
        Ok(effects)
    }

    /// Whether the commits that follow are synced. The log is synced as a whole, what was not before included.
    fn sync_commits(&mut self, synced: bool) -> Result<(), StoreError> {
        if self.syncing != synced {
            // Not a kept statement: SQLite obeys this one when it prepares it, and outside of a transaction only.
            self.conn.execute_batch(if synced {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            })?;
            self.syncing = synced;
        }
        Ok(())
    }

    /// The last try of all, and the end.
    fn close(mut self) {
        self.give_up();
        // Whoever waits is told, and what goes wrong is logged.
        let _ = self.catch_up();
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

    fn roll_back(&self, error: StoreError) -> StoreError {
        if !self.conn.is_autocommit()
            && let Err(rolling) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(error = %rolling, "a transaction can't be rolled back");
        }
        error
    }
}
