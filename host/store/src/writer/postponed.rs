//! What nobody waits for and the disk did not take. It is tried again, in its order, before anything that came later.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::work::{OnFullDisk, Work};

/// How many there may be of those that have a limit. A pair that a plugin wrote has 64 KiB at the most.
const MOST: usize = 2 * super::QUEUE;
/// So many share a transaction: a disk with little room takes a part.
const AT_ONCE: usize = 64;
/// Between two tries where nothing else is written; then twice as long, and so on.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

pub(super) struct Postponed {
    works: VecDeque<Box<dyn Work>>,
    /// How many of them have a limit.
    limited: usize,
    wait: Duration,
    next_try: Instant,
}

impl Default for Postponed {
    fn default() -> Self {
        Self { works: VecDeque::new(), limited: 0, wait: FIRST_WAIT, next_try: Instant::now() }
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
        let taken: Vec<_> = self.works.drain(..count).collect();
        self.limited -= taken.iter().filter(|work| is_limited(work.as_ref())).count();
        (count > 0).then_some(taken)
    }

    /// The try failed.
    pub(super) fn put_back(&mut self, works: Vec<Box<dyn Work>>) {
        self.limited += works.iter().filter(|work| is_limited(work.as_ref())).count();
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
    pub(super) fn add(&mut self, works: Vec<Box<dyn Work>>) -> Vec<Box<dyn Work>> {
        if self.works.is_empty() && !works.is_empty() {
            self.wait = FIRST_WAIT;
            self.next_try = Instant::now() + self.wait;
        }
        let mut too_many = Vec::new();
        for work in works {
            match is_limited(work.as_ref()) {
                true if self.limited == MOST => {
                    too_many.push(work);
                    continue;
                }
                true => self.limited += 1,
                false => {}
            }
            self.works.push_back(work);
        }
        too_many
    }

    pub(super) fn into_works(self) -> VecDeque<Box<dyn Work>> {
        self.works
    }
}

fn is_limited(work: &dyn Work) -> bool {
    work.on_full_disk() == OnFullDisk::PostponeSome
}
