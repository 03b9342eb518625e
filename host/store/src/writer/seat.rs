//! Where the writer is while nobody commits.

use std::sync::atomic::Ordering;

use parking_lot::{Mutex, MutexGuard};

use super::work::Work;
use super::{Shared, Writer};

/// Whoever commits has the lock: as a rule the writer's own thread. None once the store is closed.
pub(crate) struct Seat(Mutex<Option<Writer>>);

impl Seat {
    pub(crate) fn new(writer: Writer) -> Self {
        Self(Mutex::new(Some(writer)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Writer>> {
        self.0.lock()
    }

    /// Commits a write on this thread, and tells whoever waits for it. It is given back, untouched, where it is for the
    /// writer's thread: others wait or are being written, who come first and can share its commit; or it may take long.
    pub(crate) fn commit_here(&self, work: Box<dyn Work>) -> Option<Box<dyn Work>> {
        let Some(mut seat) = self.0.try_lock() else { return Some(work) };
        let Some(writer) = seat.as_mut() else { return Some(work) };
        let shared = writer.shared.clone();
        // At the end the queue alone decides who was first.
        if shared.stop.load(Ordering::Acquire) || !shared.is_settled() {
            return Some(work);
        }
        // What somebody asks for from now on comes later, and waits for the seat.
        shared.asked.fetch_add(1, Ordering::AcqRel);
        let _counted = OverOnPanic(&shared);
        let back = writer.keep_here(work);
        if back.is_some() {
            shared.asked.fetch_sub(1, Ordering::AcqRel);
        }
        back
    }

    /// Has it let go of what only a busy writer needs, unless somebody commits right now.
    pub(crate) fn rest(&self) {
        if let Some(seat) = self.0.try_lock()
            && let Some(writer) = seat.as_ref()
        {
            writer.rest();
        }
    }

    /// Has commits been as quick as this.
    #[cfg(test)]
    pub(crate) fn assume(&self, usual: std::time::Duration) {
        self.lock().as_ref().expect("the store is open").wal.assume(usual);
    }

    /// Has what is not synced wait so long for another commit.
    #[cfg(test)]
    pub(crate) fn wait_for_a_sync(&self, wait: std::time::Duration) {
        self.lock().as_mut().expect("the store is open").unsynced.wait(wait);
    }

    /// From now on syncs of the log fail, or no longer.
    #[cfg(test)]
    pub(crate) fn fail_syncs(&self, fail: bool) {
        switchhook_wal::fail_syncs(&self.lock().as_ref().expect("the store is open").conn, fail).expect("a log");
    }
}

/// A write that panics is over, too: what waits for it to be over must not wait for ever.
struct OverOnPanic<'a>(&'a Shared);

impl Drop for OverOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.over.fetch_add(1, Ordering::Release);
        }
    }
}
