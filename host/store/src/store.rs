//! The store as its users see it; what it does is in the modules of its parts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use switchhook_core::time::{Clock, UnixMillis};
use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;
use crate::folder::{FILE, Folder};
use crate::keys::Keyring;
use crate::reads::{Read, Readers};
use crate::recovery;
use crate::schema;
use crate::seal::{Table, Vault};
use crate::writer::{
    Awaited, Barrier, Batch, Keeps, OnFullDisk, Ordered, QUEUE, Reading, Seat, Shared, Thread, Undo, Work, Writer,
};

/// What a commit survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: whoever waits for a commit is told once it is synced, by itself or with another that comes soon. All
    /// others are within a tenth of a second.
    #[default]
    Power,
    /// The end of the process, however it comes; a power cut may lose the last commits, never the whole. What must never
    /// step back, the awaited state of linked accounts, survives one all the same.
    Process,
}

/// Where the store lies and how it keeps.
#[derive(Clone)]
pub struct StoreOptions {
    /// Made where it is missing. Belongs to one process at a time.
    pub dir: PathBuf,
    pub keys: Keyring,
    pub durability: Durability,
    /// Whether `dir` lies on a network file system; none means finding out.
    pub network_fs: Option<bool>,
    pub clock: Arc<dyn Clock>,
}

/// What the process before this one left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Deliveries that were leaving: they are `unknown` now.
    pub unknown: usize,
    /// Messages accepted and not decided.
    pub waiting: usize,
}

/// Numbers for metrics, since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub commits: u64,
    pub failed_commits: u64,
    /// Writes that were committed on the thread of whoever wanted them, since nobody could have shared the commit.
    pub commits_here: u64,
    /// Commits that survive a power cut.
    pub synced_commits: u64,
    /// Syncs of commits that were not synced themselves, and that no other followed soon enough.
    pub late_syncs: u64,
    /// Writes asked for; several share a commit.
    pub ops: u64,
    /// The most writes that ever waited at once.
    pub queue_high_water: u64,
    /// Writes that nobody waits for and that the disk has not taken yet. They are tried again until it does.
    pub postponed: u64,
    /// Cells that did not open: altered, or sealed with a key that is gone.
    pub unsealable: u64,
}

/// The journal and everything else that must survive. Cheap to clone; the last clone to go flushes and closes.
///
/// Two classes of write: *awaited* ones return when they are on disk, *ordered* ones when they are queued, and nothing
/// queued later overtakes them. Ordered ones survive the process as soon as they are written; a power cut may take back
/// the last tenth of a second of them. Where they are about something that has happened, a full disk is waited for.
/// Dropping a future before it is done leaves the write either queued or not.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    queue: mpsc::Sender<Box<dyn Work>>,
    /// None where the writer's connection must be the only one.
    readers: Option<Readers>,
    vault: Arc<Vault>,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    /// The next id of each table whose rows are sealed before they are queued.
    next: HashMap<Table, AtomicI64>,
    seat: Arc<Seat>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens, or makes, the store in a folder, and brings back what a crash left. Blocking.
    pub fn open(options: StoreOptions) -> Result<(Store, Recovered), StoreError> {
        let folder = Folder::take(&options.dir)?;
        let exclusive = options.network_fs.unwrap_or_else(|| folder.is_on_network());
        let mut conn = schema::writer(&folder.file(), options.durability, exclusive)?;
        let vault = Arc::new(schema::prepare(&mut conn, &folder, options.keys)?);
        let shared = Arc::new(Shared::default());
        let recovered = recovery::recover(&mut conn, &shared.memory)?;
        let next = recovery::next_ids(&conn)?;
        let readers = if exclusive { None } else { Some(Readers::start(&folder.file())?) };
        let (queue, waiting) = mpsc::channel(QUEUE);
        let dir = options.dir;
        let threads = |reason| StoreError::Folder { dir: dir.clone(), reason: Arc::new(reason) };
        let seat = Arc::new(Seat::new(Writer::new(conn, shared.clone(), options.durability, folder)));
        let writer = Thread::new(seat.clone(), shared.clone(), waiting).map_err(threads)?;
        let writer =
            std::thread::Builder::new().name("store-write".to_owned()).spawn(move || writer.run()).map_err(threads)?;
        let writer = Mutex::new(Some(writer));
        let inner = Inner { queue, readers, vault, shared, clock: options.clock, next, seat, writer };
        Ok((Self { inner: Arc::new(inner) }, recovered))
    }

    /// Whether there is a store in a folder.
    pub fn is_in(dir: &Path) -> bool {
        dir.join(FILE).exists()
    }

    /// Writes what is queued and closes, for all clones. Blocking.
    pub fn close(self) {
        self.inner.stop();
    }

    /// Lets go of memory that only a busy store needs; what comes next finds less at hand.
    pub fn rest(&self) {
        self.inner.seat.rest();
        self.inner.shared.memory.fresh.lock().shrink();
    }

    pub fn counters(&self) -> Counters {
        let shared = &self.inner.shared;
        Counters {
            commits: shared.commits.load(Ordering::Relaxed),
            failed_commits: shared.failed_commits.load(Ordering::Relaxed),
            commits_here: shared.commits_here.load(Ordering::Relaxed),
            synced_commits: shared.synced_commits.load(Ordering::Relaxed),
            late_syncs: shared.late_syncs.load(Ordering::Relaxed),
            ops: shared.asked.load(Ordering::Relaxed),
            queue_high_water: shared.high_water.load(Ordering::Relaxed),
            postponed: shared.postponed.load(Ordering::Relaxed),
            unsealable: self.inner.vault.sealer().refused(),
        }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.inner.clock.now()
    }
    pub(crate) fn vault(&self) -> &Arc<Vault> {
        &self.inner.vault
    }
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }
    #[cfg(test)]
    pub(crate) fn seat(&self) -> &Seat {
        &self.inner.seat
    }
    /// Takes `count` ids in a row and returns the first.
    pub(crate) fn ids(&self, table: Table, count: usize) -> i64 {
        self.inner.next[&table].fetch_add(count as i64, Ordering::Relaxed)
    }

    /// Room for one write. Holding it, the write is sent without waiting, so that nothing comes between a note in memory
    /// and the queue.
    pub(crate) async fn room(&self) -> Result<Room<'_>, StoreError> {
        let permit = self.inner.queue.reserve().await.map_err(|_| StoreError::Closed)?;
        Ok(Room { permit, inner: &self.inner })
    }

    pub(crate) async fn queue(&self, work: Box<dyn Work>) {
        match self.room().await {
            Ok(room) => room.send(work),
            Err(closed) => work.finish(Err(closed)),
        }
    }

    /// An awaited write.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.write_as(Keeps::AsTheStore, Undo::Write, work).await
    }

    /// An awaited write whose commit survives what it is said to.
    pub(crate) async fn write_keeping<T, F>(&self, keeps: Keeps, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.write_as(keeps, Undo::Write, work).await
    }

    /// The same, undone with what it is said to.
    pub(crate) async fn write_as<T, F>(&self, keeps: Keeps, undo: Undo, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, wait) = oneshot::channel();
        self.queue(Box::new(Awaited { work: Some(work), result: None, answer, keeps, undo })).await;
        wait.await.unwrap_or(Err(StoreError::Closed))
    }

    /// An awaited write by somebody whose thread may be kept for as long as a quick disk takes: a lane's may, which its guests
    /// keep for as long. To be woken by the writer's thread costs more than a commit that nobody could have shared.
    pub(crate) async fn write_here<T, F>(&self, undo: Undo, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, wait) = oneshot::channel();
        let work = Awaited { work: Some(work), result: None, answer, keeps: Keeps::AsTheStore, undo };
        if let Some(work) = self.inner.seat.commit_here(Box::new(work)) {
            self.queue(work).await;
        }
        wait.await.unwrap_or(Err(StoreError::Closed))
    }

    /// An ordered write of something that has happened, postponed where the disk does not take it. `name` is for the log,
    /// should it be lost all the same.
    pub(crate) async fn order<F>(&self, name: &'static str, work: F)
    where
        F: FnMut(&mut Batch<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let (undo, on_full_disk) = (Undo::Write, OnFullDisk::PostponeSome);
        self.queue(Box::new(Ordered { name, undo, on_full_disk, work, result: Ok(()), end: |_| () })).await;
    }

    /// A read of what is committed.
    pub(crate) async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, wait) = oneshot::channel();
        let hold = self.vault().hold();
        let read = move |conn: Result<&Connection, StoreError>| {
            let _until_open = hold;
            // Whoever asked may have gone.
            let _ = answer.send(conn.and_then(read));
        };
        match &self.inner.readers {
            Some(readers) => readers.send(Box::new(read) as Read).await,
            None => self.queue(Box::new(Reading { read: Some(read) })).await,
        }
        wait.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The same for a read of a few rows, by somebody whose thread may be kept for as long as the disk takes: a lane's may,
    /// which its guests keep for longer.
    pub(crate) async fn read_here<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        if let Some(borrowed) = self.inner.readers.as_ref().and_then(Readers::borrow) {
            let _until_open = self.vault().hold();
            return read(borrowed.connection());
        }
        self.read(read).await
    }

    /// A read that sees every write queued before it, but for those that wait for the disk.
    pub(crate) async fn read_settled<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.settle().await?;
        self.read(read).await
    }

    /// Returns when every write queued before is over, or waits for a disk that takes it: a full one can be read.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        if self.is_settled() {
            return Ok(());
        }
        let (answer, wait) = oneshot::channel();
        self.queue(Box::new(Barrier(answer))).await;
        wait.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Returns when every write queued before is over; fails where one waits for the disk.
    pub(crate) async fn settle_all(&self) -> Result<(), StoreError> {
        if self.is_settled() { Ok(()) } else { self.write(|_| Ok(())).await }
    }

    fn is_settled(&self) -> bool {
        self.inner.shared.is_settled()
    }
}

/// See [`Store::room`].
pub(crate) struct Room<'a> {
    permit: mpsc::Permit<'a, Box<dyn Work>>,
    inner: &'a Inner,
}

impl Room<'_> {
    pub(crate) fn send(self, work: Box<dyn Work>) {
        let shared = &self.inner.shared;
        shared.asked.fetch_add(1, Ordering::Release);
        let waiting = QUEUE - self.inner.queue.capacity();
        shared.high_water.fetch_max(waiting as u64, Ordering::Relaxed);
        self.permit.send(work);
    }
}

impl Inner {
    fn stop(&self) {
        let Some(writer) = self.writer.lock().take() else { return };
        self.shared.stop.store(true, Ordering::Release);
        // Wakes the writer, so that it sees that it is to stop. Where there is no room, it is awake anyway.
        let _ = self.queue.try_send(Box::new(Barrier(oneshot::channel().0)));
        if writer.join().is_err() {
            tracing::error!("the store's writer panicked: what was queued is lost");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}
