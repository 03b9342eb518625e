//! Everything the fake holds.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::answer::Answer;
use crate::fault::Faults;
use crate::hold::Hold;
use crate::ledger::Ledger;

pub(crate) struct Fake {
    pub(crate) key: Option<String>,
    /// The models that exist; every one, if empty.
    pub(crate) models: Vec<String>,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Mutex<Faults>,
    /// What to answer next; the echo, if empty.
    pub(crate) script: Mutex<VecDeque<Answer>>,
    pub(crate) hold: Hold,
    answers: AtomicU64,
}

impl Fake {
    pub(crate) fn new(key: Option<String>, models: Vec<String>, ledger: Ledger) -> Self {
        Self {
            key,
            models,
            ledger,
            faults: Mutex::default(),
            script: Mutex::default(),
            hold: Hold::default(),
            answers: AtomicU64::new(0),
        }
    }

    /// The number of the next answer, from 1.
    pub(crate) fn next_number(&self) -> u64 {
        self.answers.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
