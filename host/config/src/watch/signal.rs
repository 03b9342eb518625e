//! How the watcher's thread is woken.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the thread is woken by.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wake {
    Stop,
    Files(Vec<PathBuf>),
    Touched,
    Time,
}

#[derive(Debug, Default)]
struct State {
    stop: bool,
    files: Option<Vec<PathBuf>>,
    touched: bool,
}

/// Holds at most one of each, however many there were.
#[derive(Debug, Default)]
pub(super) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

impl Signal {
    pub(super) fn stop(&self) {
        self.set(|state| state.stop = true);
    }
    pub(super) fn files(&self, files: Vec<PathBuf>) {
        self.set(|state| state.files = Some(files));
    }
    pub(super) fn touch(&self) {
        self.set(|state| state.touched = true);
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// The state is plain data, sound whatever panicked beside it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next thing to do, at most until `deadline`.
    pub(super) fn wait(&self, deadline: Instant) -> Wake {
        let idle = |state: &mut State| !state.stop && state.files.is_none() && !state.touched;
        let mut state = self.wait_while(deadline, idle);
        if state.stop {
            Wake::Stop
        } else if let Some(files) = state.files.take() {
            Wake::Files(files)
        } else if std::mem::take(&mut state.touched) {
            Wake::Touched
        } else {
            Wake::Time
        }
    }

    /// Waits until nothing was touched for `quiet`, at most `patience` times as long.
    pub(super) fn quiet(&self, quiet: Duration, patience: u32) {
        for _ in 0..patience {
            let mut state = self.wait_while(Instant::now() + quiet, |state| !state.stop && !state.touched);
            if state.stop || !std::mem::take(&mut state.touched) {
                return;
            }
        }
    }

    /// Waits; true means that the watch ended meanwhile.
    pub(super) fn stopped_within(&self, wait: Duration) -> bool {
        self.wait_while(Instant::now() + wait, |state| !state.stop).stop
    }

    fn wait_while(&self, deadline: Instant, idle: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(self.lock(), left, idle);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
