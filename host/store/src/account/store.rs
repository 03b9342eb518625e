//! Reading and writing the state of one account.

use std::sync::Arc;

use switchhook_core::id::AccountId;
use tokio::sync::{oneshot, watch};

use crate::account::record::{Change, Place, StateBatch, StateEntry, StateKey, scope_tag};
use crate::account::rows::{self, Range};
use crate::error::StoreError;
use crate::memory::Pair;
use crate::store::Store;
use crate::tag::Tag;
use crate::writer::{Awaited, Batch, Keeps, OnFullDisk, Ordered, Undo, Work};

/// The state of one account. Cheap to clone.
///
/// Reads see every write asked for before them, awaited or ordered. A write that fails leaves whoever relies on it with a
/// memory that the disk does not share: [`AccountStore::lost`] tells, and the only cure is to start again from disk. Until
/// then no write is done any more: a ratchet kept without the message that turned it would lose that message. The same goes
/// once somebody clears the account: a session that has ended may have something left to write, and would bring the keys
/// back that were given up.
#[derive(Clone)]
pub struct AccountStore {
    store: Store,
    account: Arc<AccountId>,
    lost: Arc<watch::Sender<bool>>,
    /// How often the account was cleared before.
    cleared: u64,
}

impl Store {
    /// The state of an account. Each call starts with [`AccountStore::lost`] at false.
    pub fn account_state(&self, account: &AccountId) -> AccountStore {
        let cleared = self.shared().memory.times_cleared(self.vault().account(account));
        AccountStore {
            cleared,
            store: self.clone(),
            account: Arc::new(account.clone()),
            lost: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl AccountStore {
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Becomes true when a write failed.
    pub fn lost(&self) -> watch::Receiver<bool> {
        self.lost.subscribe()
    }

    /// An empty batch, to fill and hand to [`AccountStore::commit`] or [`AccountStore::queue`].
    pub fn batch(&self) -> StateBatch<'_> {
        StateBatch { sealing: self.store.vault().sealing(), account: &self.account, changes: Vec::new() }
    }

    /// Awaited: returns when all of the batch is on disk, where a power cut does not take it back.
    pub async fn commit(&self, batch: StateBatch<'_>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let StateBatch { changes, sealing: _until_queued, .. } = batch;
        self.write(move |batch| changes.iter().try_for_each(|change| rows::apply(batch, change))).await
    }

    /// Ordered: returns when the batch is queued; what is asked for later comes later, and a read sees it.
    pub async fn queue(&self, batch: StateBatch<'_>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let StateBatch { changes, sealing: _until_queued, .. } = batch;
        let known: Vec<_> = changes.iter().map(known).collect();
        let work = self.in_step(move |batch| changes.iter().try_for_each(|change| rows::apply(batch, change)));
        let room = self.told(self.store.room().await)?;
        let (shared, lost) = (self.store.shared().clone(), self.lost.clone());
        // Held while sending, so that what memory says last is also written last.
        let mut queued = self.store.shared().memory.states_queued.lock();
        let numbers: Vec<_> = known.into_iter().map(|(row, pair)| (row, queued.put(row, pair))).collect();
        let end = move |result: Result<(), StoreError>| {
            let mut queued = shared.memory.states_queued.lock();
            numbers.into_iter().for_each(|(row, number)| queued.written(row, number));
            if result.is_err() {
                lost.send_replace(true);
            }
        };
        // `end` is called before the next commit is begun.
        room.send(Box::new(Ordered {
            name: "account state",
            undo: Undo::Write,
            // What was received with it is not kept either, and comes again: to somebody who knows what is on disk.
            on_full_disk: OnFullDisk::Fail,
            work,
            result: Ok(()),
            end,
        }));
        Ok(())
    }

    pub async fn get(&self, key: StateKey<'_>) -> Result<Option<Vec<u8>>, StoreError> {
        let place = Place::of(self.store.vault(), &self.account, key);
        let queued = self.store.shared().memory.states_queued.lock().get(place.row);
        match queued {
            Some(Pair::Is(value)) => return Ok(value),
            Some(Pair::Open) => self.store.settle().await?,
            None => {}
        }
        let vault = self.store.vault().clone();
        self.store.read(move |conn| rows::get(conn, &vault, &place)).await
    }

    /// Those of the keys that exist, in the order asked for.
    pub async fn get_all(&self, keys: &[StateKey<'_>]) -> Result<Vec<(usize, Vec<u8>)>, StoreError> {
        let vault = self.store.vault().clone();
        let places: Vec<_> = keys.iter().map(|key| Place::of(&vault, &self.account, *key)).collect();
        let read = move |conn: &rusqlite::Connection| {
            let mut found = Vec::with_capacity(places.len());
            for (index, place) in places.iter().enumerate() {
                found.extend(rows::get(conn, &vault, place)?.map(|value| (index, value)));
            }
            Ok(found)
        };
        self.store.read_settled(read).await
    }

    /// All records of a kind, in no order.
    pub async fn list(&self, space: &'static str) -> Result<Vec<StateEntry>, StoreError> {
        self.list_where(space, None).await
    }

    /// The records of one scope of a kind, in no order.
    pub async fn list_scope(&self, space: &'static str, scope: &str) -> Result<Vec<StateEntry>, StoreError> {
        self.list_where(space, Some(self.scope(space, scope))).await
    }

    async fn list_where(&self, space: &'static str, scope: Option<Tag>) -> Result<Vec<StateEntry>, StoreError> {
        let (vault, account) = (self.store.vault().clone(), self.account.clone());
        self.store.read_settled(move |conn| rows::list(conn, &vault, &account, space, scope)).await
    }

    /// Whether there is any record in a scope.
    pub async fn any_in_scope(&self, space: &'static str, scope: &str) -> Result<bool, StoreError> {
        let (account, scope) = (self.tag(), self.scope(space, scope));
        self.store.read_settled(move |conn| rows::any_in_scope(conn, account, space, scope)).await
    }

    /// The highest number among the records of a kind.
    pub async fn highest(&self, space: &'static str) -> Result<Option<u32>, StoreError> {
        let account = self.tag();
        self.store.read_settled(move |conn| rows::highest(conn, account, space)).await
    }

    /// Deletes all of a kind; awaited, as are the others.
    pub async fn delete_space(&self, space: &'static str) -> Result<usize, StoreError> {
        self.delete(vec![Range::Space(space)]).await
    }

    pub async fn delete_scope(&self, space: &'static str, scope: &str) -> Result<usize, StoreError> {
        self.delete(vec![Range::Scope(space, self.scope(space, scope))]).await
    }

    /// Deletes the records with these names, in whatever scope.
    pub async fn delete_named(&self, space: &'static str, names: &[&str]) -> Result<usize, StoreError> {
        let vault = self.store.vault();
        let tag = |name: &&str| crate::account::record::name_tag(vault, &self.account, space, name);
        self.delete(names.iter().map(|name| Range::Name(space, tag(name))).collect()).await
    }

    /// Deletes what expires before `bound`; what never does stays.
    pub async fn delete_before(&self, space: &'static str, bound: i64) -> Result<usize, StoreError> {
        self.delete(vec![Range::Before(space, bound)]).await
    }

    /// Deletes everything the account has, also after a write that was lost: nothing is of one time. Whoever goes on with
    /// the account asks for its state anew: none that was given out before writes any more, this one included.
    pub async fn clear(&self) -> Result<(), StoreError> {
        let (account, shared) = (self.tag(), self.store.shared().clone());
        let delete = move |batch: &mut Batch<'_>| {
            *shared.memory.states_cleared.lock().entry(account).or_default() += 1;
            rows::delete(batch, account, &Range::Account)
        };
        self.told(self.store.write_keeping(Keeps::Power, delete).await).map(drop)
    }

    async fn delete(&self, ranges: Vec<Range>) -> Result<usize, StoreError> {
        let account = self.tag();
        let delete = move |batch: &mut Batch<'_>| {
            ranges.iter().try_fold(0, |count, range| Ok(count + rows::delete(batch, account, range)?))
        };
        self.write(delete).await
    }

    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, wait) = oneshot::channel();
        let (work, lost) = (Some(self.in_step(work)), self.lost.clone());
        let write = Awaited { work, result: None, answer, keeps: Keeps::Power, undo: Undo::Write };
        self.store.queue(Box::new(InStep { write, lost })).await;
        self.told(wait.await.unwrap_or(Err(StoreError::Closed)))
    }

    /// Refuses the work once an earlier write was lost or the account was cleared, and is lost if it fails.
    fn in_step<T, F>(&self, mut work: F) -> impl FnMut(&mut Batch<'_>) -> Result<T, StoreError> + Send + use<T, F>
    where
        F: FnMut(&mut Batch<'_>) -> Result<T, StoreError> + Send,
    {
        let (lost, cleared, account, shared) =
            (self.lost.clone(), self.cleared, self.tag(), self.store.shared().clone());
        move |batch| {
            if *lost.borrow() {
                return Err(StoreError::OutOfStep);
            }
            let is_current = shared.memory.times_cleared(account) == cleared;
            let done = if is_current { work(batch) } else { Err(StoreError::Cleared) };
            done.inspect_err(|_| {
                lost.send_replace(true);
            })
        }
    }

    fn told<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_err() {
            self.lost.send_replace(true);
        }
        result
    }

    fn tag(&self) -> Tag {
        self.store.vault().account(&self.account)
    }

    fn scope(&self, space: &str, scope: &str) -> Tag {
        scope_tag(self.store.vault(), &self.account, space, scope)
    }
}

/// A write that says that it is lost before the next commit is begun.
struct InStep<W> {
    write: W,
    lost: Arc<watch::Sender<bool>>,
}

impl<W: Work> Work for InStep<W> {
    fn run(&mut self, batch: &mut Batch<'_>) {
        self.write.run(batch);
    }
    fn keeps(&self) -> Keeps {
        self.write.keeps()
    }
    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        let Self { write, lost } = *self;
        if commit.is_err() {
            lost.send_replace(true);
        }
        Box::new(write).finish(commit);
    }
}

/// What a reader may take a queued change for.
fn known(change: &Change) -> (Tag, Pair) {
    match change {
        Change::Put { place, value, .. } => (place.row, Pair::Is(Some(value.clone()))),
        Change::Delete(place) => (place.row, Pair::Is(None)),
        Change::MarkUploaded(place) => (place.row, Pair::Open),
    }
}
