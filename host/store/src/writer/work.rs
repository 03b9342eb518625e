//! What may stand in the queue, and what becomes of it when its commit fails.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::batch::{Batch, Undo};
use crate::error::StoreError;

/// A write in the queue. `run` may be skipped where the transaction could not even begin, and is called again where it is
/// postponed; `finish` is always called, once, with what became of the commit.
pub(crate) trait Work: Send {
    fn run(&mut self, batch: &mut Batch<'_>);
    /// Called once its commit went through, outside of any transaction.
    fn after_commit(&mut self, _conn: &Connection) {}
    fn finish(self: Box<Self>, commit: Result<(), StoreError>);
    /// What its commit survives.
    fn keeps(&self) -> Keeps {
        Keeps::AsTheStore
    }
    /// What becomes of it where the disk does not take its commit.
    fn on_full_disk(&self) -> OnFullDisk {
        OnFullDisk::Fail
    }
    /// Whether it changes nothing: then it is done whatever the disk takes.
    fn only_reads(&self) -> bool {
        false
    }
}

/// What becomes of a write that the disk does not take: it is full, in use by another program, read-only for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFullDisk {
    /// Whoever relies on it is told.
    Fail,
    /// It is run again, in its order, until the disk takes it: for what has happened already, such as that something was
    /// sent. There are as many as are under way, since nothing is begun meanwhile.
    Postpone,
    /// The same within a limit, for what others can bring about meanwhile; what is more is lost, and logged.
    PostponeSome,
}

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keeps {
    /// The end of the process; a power cut only from a tenth of a second later on. For what nobody waits for: a sync is the
    /// dearest part of a commit, and the next one syncs the log as a whole.
    Process,
    /// What the store was opened for, and whoever waits is told then: by the sync of another commit, or by its own where none
    /// follows within two milliseconds. For an acceptance: its outcome follows, and the provider has time.
    WithTheNext,
    /// What the store was opened for.
    AsTheStore,
    /// A power cut, always: what must never step back, such as a ratchet.
    Power,
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

/// A write that nobody waits for; `end` is told what became of it. Where it is postponed, `work` is run more than once.
pub(crate) struct Ordered<F, E> {
    pub(crate) name: &'static str,
    pub(crate) undo: Undo,
    pub(crate) on_full_disk: OnFullDisk,
    pub(crate) work: F,
    pub(crate) result: Result<(), StoreError>,
    pub(crate) end: E,
}

impl<F, E> Work for Ordered<F, E>
where
    F: FnMut(&mut Batch<'_>) -> Result<(), StoreError> + Send,
    E: FnOnce(Result<(), StoreError>) + Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) {
        self.result = batch.run(self.undo, &mut self.work);
        if let Err(error) = &self.result
            && self.on_full_disk != OnFullDisk::Fail
            && error.is_of_the_disk()
        {
            // By itself it could be undone, but what follows in the transaction would overtake it.
            batch.spoil(error.clone());
        }
    }
    fn on_full_disk(&self) -> OnFullDisk {
        self.on_full_disk
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
    fn only_reads(&self) -> bool {
        true
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

/// Tells whoever waits that everything queued before it is over, or waits for the disk.
pub(crate) struct Barrier(pub(crate) oneshot::Sender<Result<(), StoreError>>);

impl Work for Barrier {
    fn run(&mut self, _batch: &mut Batch<'_>) {}
    fn keeps(&self) -> Keeps {
        Keeps::Process
    }
    fn only_reads(&self) -> bool {
        true
    }
    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        // Whoever asked may have gone.
        let _ = self.0.send(commit);
    }
}
