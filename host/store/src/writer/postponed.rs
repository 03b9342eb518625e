//! What nobody waits for and the disk did not take. It is tried again, in its order, before anything that came later.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::work::Work;

/// More are lost, and logged. A full disk takes no message in, so that what comes is what was under way, a few writes for
/// each, and what an operator does.
const MOST: usize = 16 * super::QUEUE;
/// So many share a transaction: a disk with little room takes a part.
const AT_ONCE: usize = 64;
/// Between two tries where nothing else is written; then twice as long, and so on.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

pub(super) struct Postponed {
    works: VecDeque<Box<dyn Work>>,
    wait: Duration,
    next_try: Instant,
}

impl Default for Postponed {
    fn default() -> Self {
        Self { works: VecDeque::new(), wait: FIRST_WAIT, next_try: Instant::now() }
    }
}

impl Postponed {
    pub(super) fn len(&self) -> usize {
        self.works.len()
    }

    /// How long until they are to be tried again; none where there are none.
    pub(super) fn next_try(&self) -> Option<Duration> {
        (!self.works.is_empty()).then(|| self.next_try.saturating_duration_since(Instant::now()))
    }

    /// The first of them, for a try.
    pub(super) fn take(&mut self) -> Option<Vec<Box<dyn Work>>> {
        let count = self.works.len().min(AT_ONCE);
        (count > 0).then(|| self.works.drain(..count).collect())
    }

    /// The try failed.
    pub(super) fn put_back(&mut self, works: Vec<Box<dyn Work>>) {
        for work in works.into_iter().rev() {
            self.works.push_front(work);
        }
        let now = Instant::now();
        // A try that another write gave rise to comes on top.
        if now >= self.next_try {
            self.next_try = now + self.wait;
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Returns those for which there is no room.
    pub(super) fn add(&mut self, mut works: Vec<Box<dyn Work>>) -> Vec<Box<dyn Work>> {
        if self.works.is_empty() && !works.is_empty() {
            self.wait = FIRST_WAIT;
            self.next_try = Instant::now() + self.wait;
        }
        let room = MOST.saturating_sub(self.works.len());
        let too_many = works.split_off(works.len().min(room));
        self.works.extend(works);
        too_many
    }

    pub(super) fn into_works(self) -> VecDeque<Box<dyn Work>> {
        self.works
    }
}
