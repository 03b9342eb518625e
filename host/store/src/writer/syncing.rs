//! What has come to disk, what has not, and what is done about it.

use std::sync::atomic::Ordering;

use super::Writer;
use crate::error::StoreError;
use crate::store::Durability;

impl Writer {
    /// What is on disk after a commit. One that changed nothing is not relied on to have synced anything.
    pub(super) fn committed(&mut self, synced: bool, changed: bool) -> Result<(), StoreError> {
        match (synced, changed) {
            (true, true) => self.unsynced.settled(),
            // Whoever waits for it may rely on what came before.
            (true, false) => return self.catch_up(),
            (false, true) if self.durability == Durability::Power => self.unsynced.add(),
            (false, _) => {}
        }
        Ok(())
    }

    /// Syncs what was committed without it, and tells whoever waits for that.
    pub(super) fn catch_up(&mut self) -> Result<(), StoreError> {
        if self.unsynced.is_empty() {
            self.tell(&Ok(()));
            return Ok(());
        }
        if !self.log_in_doubt {
            match switchhook_wal::sync(&self.conn) {
                Ok(()) => {
                    self.shared.late_syncs.fetch_add(1, Ordering::Relaxed);
                    self.all_synced();
                    return Ok(());
                }
                Err(error) => self.doubt_log(&error.into()),
            }
        }
        let anew = self.begin_log_anew();
        if anew.is_err() {
            // Nobody waits for a better disk, and the next commit begins with another try.
            self.unsynced.settled();
            self.tell(&anew);
        }
        anew
    }

    fn doubt_log(&mut self, error: &StoreError) {
        tracing::error!(%error, "the journal's log could not be synced: it is begun anew before it is relied on");
        self.log_in_doubt = true;
    }

    /// Something failed that syncs the log among other things.
    fn doubt_log_after(&mut self, error: &StoreError) {
        if error.is_of_a_sync() {
            self.doubt_log(error);
        }
    }

    /// Has everything in the journal itself, which is synced, and nothing in the log.
    pub(super) fn begin_log_anew(&mut self) -> Result<(), StoreError> {
        self.wal.begin_anew(&self.conn)?;
        switchhook_wal::sync(&self.conn)?;
        self.log_in_doubt = false;
        self.all_synced();
        Ok(())
    }

    fn all_synced(&mut self) {
        self.unsynced.settled();
        self.tell(&Ok(()));
    }

    /// Tells whoever waited for a sync how it went.
    pub(super) fn tell(&mut self, synced: &Result<(), StoreError>) {
        for work in self.unsynced.take_waiting() {
            work.finish(synced.clone());
        }
    }

    /// Folds the log where it is long. It takes a while, and whoever waits for a sync comes first.
    pub(super) fn fold(&mut self) {
        if self.unsynced.is_awaited() || self.log_in_doubt {
            return;
        }
        if let Err(error) = self.wal.fold(&self.conn) {
            tracing::debug!(%error, "the log could not be folded into the journal; the next commit tries again");
            // It begins with a sync of the log.
            self.doubt_log_after(&error.into());
        }
    }

    /// It was written, and can have failed in its sync: what others wrote without one was to be synced with it.
    pub(super) fn not_committed(&mut self, error: StoreError) -> StoreError {
        self.doubt_log_after(&error);
        self.roll_back(error)
    }
}
