//! What is committed, and what a power cut would take back: since when, and who is told once it no longer would.

use std::time::{Duration, Instant};

use super::work::Work;

/// How long a power cut may take back what nobody waited for: long enough that under load another commit syncs it, too.
const SYNC_WITHIN: Duration = Duration::from_millis(100);

/// How long whoever leaves the sync to another commit waits for one: long enough for an answer that no model is asked for,
/// and not for a provider to notice.
const SHARE_WITHIN: Duration = Duration::from_millis(2);

pub(super) struct Unsynced {
    since: Option<Instant>,
    /// Those that are told once it is synced, and since when the first of them waits.
    waiting: Vec<Box<dyn Work>>,
    shared_since: Option<Instant>,
    sync_within: Duration,
    share_within: Duration,
}

impl Default for Unsynced {
    fn default() -> Self {
        Self {
            since: None,
            waiting: Vec::new(),
            shared_since: None,
            sync_within: SYNC_WITHIN,
            share_within: SHARE_WITHIN,
        }
    }
}

impl Unsynced {
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Something was committed without a sync.
    pub(super) fn add(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// Is told once what was added is synced.
    pub(super) fn tell(&mut self, work: Box<dyn Work>) {
        self.shared_since.get_or_insert_with(Instant::now);
        self.waiting.push(work);
    }

    /// How long until it is to be synced; none where there is nothing.
    pub(super) fn due(&self) -> Option<Duration> {
        let left = |since: Option<Instant>, within: Duration| Some(within.saturating_sub(since?.elapsed()));
        let (any, shared) = (left(self.since, self.sync_within), left(self.shared_since, self.share_within));
        any.into_iter().chain(shared).min()
    }

    /// All of it is synced, or will never be.
    pub(super) fn settled(&mut self) {
        (self.since, self.shared_since) = (None, None);
    }

    /// Who is to be told, once it is settled.
    pub(super) fn take_waiting(&mut self) -> Vec<Box<dyn Work>> {
        std::mem::take(&mut self.waiting)
    }

    /// Waits so long for another commit, whoever waits.
    #[cfg(test)]
    pub(super) fn wait(&mut self, wait: Duration) {
        (self.sync_within, self.share_within) = (wait, wait);
    }
}
