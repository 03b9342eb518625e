//! What is said of commits that fail. A disk that takes nothing fails each of them, and the log may lie on it, too.

use std::time::{Duration, Instant};

use crate::error::StoreError;

/// Between two lines about the same trouble: seldom enough for a log, and often enough for whoever has just opened it.
const AGAIN: Duration = Duration::from_secs(10);

/// None since the last commit that wrote something.
#[derive(Default)]
pub(super) struct Trouble(Option<Since>);

struct Since {
    said: Instant,
    failed: u64,
}

impl Trouble {
    /// A commit of so many writes failed.
    pub(super) fn failed(&mut self, error: &StoreError, writes: usize, now: Instant) {
        if !error.is_of_the_disk() {
            tracing::error!(%error, writes, "a commit failed");
        } else if let Some(failed) = self.worth_saying(now) {
            tracing::error!(%error, writes, failed, "a commit failed, and is tried again where it can be");
        }
    }

    /// A commit wrote something: one of nothing succeeds on a full disk, too.
    pub(super) fn over(&mut self) {
        if let Some(Since { failed, .. }) = self.0.take() {
            tracing::info!(failed, "the journal can be written again");
        }
    }

    /// How many commits have failed, where that is to be said now.
    fn worth_saying(&mut self, now: Instant) -> Option<u64> {
        let is_first = self.0.is_none();
        let since = self.0.get_or_insert(Since { said: now, failed: 0 });
        since.failed += 1;
        if !is_first && now.duration_since(since.said) < AGAIN {
            return None;
        }
        since.said = now;
        Some(since.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_at_once_and_then_now_and_then() {
        let (mut trouble, start) = (Trouble::default(), Instant::now());
        let said = |trouble: &mut Trouble, at: Duration| trouble.worth_saying(start + at);
        assert_eq!(said(&mut trouble, Duration::ZERO), Some(1));
        assert_eq!(said(&mut trouble, AGAIN / 2), None);
        assert_eq!(said(&mut trouble, AGAIN), Some(3));
        assert_eq!(said(&mut trouble, AGAIN * 3 / 2), None);
        trouble.over();
        assert_eq!(said(&mut trouble, AGAIN * 3 / 2), Some(1), "it is another one");
    }
}
