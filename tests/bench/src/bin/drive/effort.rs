//! How much is measured.

use std::time::Duration;

/// What one round does with one program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: u32,
    /// Messages written one after the other, each when the one before is answered.
    pub(crate) one_by_one: usize,
    pub(crate) bursts: usize,
    /// Messages of a burst, from all chats alike.
    pub(crate) burst: usize,
    /// How long messages are written at a fixed rate, whether answered or not.
    pub(crate) steady: Duration,
    /// Messages a second meanwhile.
    pub(crate) rate: u32,
    pub(crate) edits: usize,
    /// Of runs of the host with and without something, where that is what is measured.
    pub(crate) pairs: u32,
}

impl Effort {
    /// About a minute. The time a processor counts in, 10 ms, is still a fiftieth of what is counted.
    pub(crate) fn quick(rate: u32) -> Self {
        let steady = Duration::from_secs(5);
        Self { rounds: 2, one_by_one: 500, bursts: 3, burst: 500, steady, rate, edits: 3, pairs: 2 }
    }

    /// About ten minutes with everything: enough rounds for a spread, enough messages for a 99th percentile.
    pub(crate) fn full(rate: u32) -> Self {
        let steady = Duration::from_secs(10);
        Self { rounds: 3, one_by_one: 1000, bursts: 10, burst: 500, steady, rate, edits: 8, pairs: 4 }
    }
}
