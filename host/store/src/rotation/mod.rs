//! From one master key to another, while everything goes on.
//!
//! A mark in the tables says that a rotation is under way, written together with the key of the look-ups under the new
//! key; from then on the store opens only with both keys. Each row says itself which key sealed it: what is left to do
//! is always what the old key sealed, however often it is cut short. Look-ups keep their key.

mod cells;
mod files;
mod mark;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::keys::{KeyId, Keyring, MasterKey};
use crate::seal::Sealer;
use crate::store::Store;
use crate::writer::{Batch, Keeps, Work};
pub use files::RotationError;

#[cfg(test)]
pub(crate) use cells::columns;
use cells::{Count, Sweep};

pub(crate) use mark::{INDEX_KEY_LIES, IndexKey, begin_at_opening, check, keep_index_key, open_index_key};
use mark::{Mark, UNMARK};

/// Rows that one transaction looks at, so that a rotation holds up nobody's message for long.
const SLICE: usize = 64;

/// Attempts to fold the log, each of which waits for readers for as long as SQLite does.
const FOLDS: usize = 5;

/// What a rotation came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Cells that the newest key seals now and did not before.
    pub cells: u64,
    /// Cells that no key given opens: altered, or sealed with a key that was gone before. They are left as they were.
    pub unreadable: u64,
}

impl Store {
    /// The master key that seals.
    pub fn key(&self) -> KeyId {
        self.vault().sealer().current()
    }

    /// The keys that a rotation under way, or cut short, goes away from; none where there is no rotation.
    pub async fn rotating(&self) -> Result<Option<Vec<KeyId>>, StoreError> {
        self.read_settled(|conn| Ok(Mark::read(conn)?.map(|mark| mark.from))).await
    }

    /// Seals with this key from now on; what lies in the tables is sealed anew by [`Store::finish_rotation`]. Awaited.
    /// The key must lie where the next start finds it, or the data is lost with this process.
    pub async fn begin_rotation(&self, to: MasterKey) -> Result<(), StoreError> {
        let before = self.vault().sealer().keys().current;
        let both = Sealer::new(Keyring { current: to.clone(), old: vec![before.clone()] });
        self.write_keeping(Keeps::Power, move |batch| {
            let sealed: Vec<u8> = batch.sql(INDEX_KEY_LIES)?.query_row([], |row| row.get(0))?;
            let key = open_index_key(&both, &sealed)?;
            mark::begin(batch.conn(), &both, &key, before.id())
        })
        .await?;
        self.vault().sealer().turn_to(to);
        Ok(())
    }

    /// Seals anew whatever the newest key did not seal, ends the rotation, and forgets the keys before. `watch` is told
    /// after every slice how far it is. Where the future is dropped, or the process ends, the next call does the rest.
    pub async fn finish_rotation(&self, watch: impl FnMut(Resealed)) -> Result<Resealed, StoreError> {
        self.reseal(SLICE, watch).await
    }

    pub(crate) async fn reseal(&self, slice: usize, mut watch: impl FnMut(Resealed)) -> Result<Resealed, StoreError> {
        // What the old key sealed is queued from here on, and the slices come after it.
        self.vault().passed().await;
        let mut done = Resealed::default();
        for mut sweep in Sweep::all() {
            loop {
                let vault = self.vault().clone();
                let (count, next) =
                    self.write_keeping(Keeps::Process, move |batch| sweep.slice(batch, &vault, slice)).await?;
                add(&mut done, &count);
                watch(done);
                match next {
                    Some(next) => sweep = next,
                    None => break,
                }
            }
        }
        self.write_keeping(Keeps::Power, |batch: &mut Batch<'_>| batch.execute(UNMARK, []).map(drop)).await?;
        self.fold().await?;
        // Whoever read a cell before it was sealed anew has opened it by then.
        self.vault().passed().await;
        self.vault().sealer().forget_old();
        Ok(done)
    }

    /// Writes the tables anew and empties the log: the free space of both still holds what the old key sealed. Writes
    /// wait meanwhile, and the disk needs room for the tables once more.
    async fn fold(&self) -> Result<(), StoreError> {
        for _ in 0..FOLDS {
            let (answer, wait) = oneshot::channel();
            self.queue(Box::new(Fold { folded: Ok(Folded::Partly), answer })).await;
            match wait.await.unwrap_or(Err(StoreError::Closed))? {
                Folded::Wholly => return Ok(()),
                Folded::Partly => tokio::task::yield_now().await,
            }
        }
        tracing::warn!(
            "the journal's log is in use and still holds what the old key sealed; the next start empties it"
        );
        Ok(())
    }
}

fn add(done: &mut Resealed, count: &Count) {
    done.cells += count.resealed;
    done.unreadable += count.unreadable;
}

/// What became of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folded {
    Wholly,
    /// Somebody reads from it.
    Partly,
}

struct Fold {
    folded: Result<Folded, StoreError>,
    answer: oneshot::Sender<Result<Folded, StoreError>>,
}

impl Work for Fold {
    fn run(&mut self, _batch: &mut Batch<'_>) {}
    fn keeps(&self) -> Keeps {
        Keeps::Power
    }
    fn after_commit(&mut self, conn: &Connection) {
        // The whole journal need not fit into memory. What that leaves held back of the log, should it fail, is written by
        // the folding.
        let spill = |may: bool| conn.pragma_update(None, "cache_spill", may);
        // Pages that were split or joined keep what was moved out of them, which `secure_delete` does not reach.
        let anew = spill(true).and_then(|()| conn.execute_batch("VACUUM"));
        let busy = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        self.folded = anew
            .and(spill(false))
            .and(busy)
            .map(|busy| if busy { Folded::Partly } else { Folded::Wholly })
            .map_err(StoreError::from);
    }
    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        // Whoever asked may have gone.
        let _ = self.answer.send(commit.and(self.folded));
    }
}
