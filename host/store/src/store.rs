//! The store as its users see it; what it does is in the modules of its parts.

use std::path::PathBuf;
use std::sync::Arc;

use switchhook_core::time::Clock;

use crate::error::StoreError;
use crate::keys::Keyring;

/// What a commit survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: every commit is synced.
    #[default]
    Power,
    /// The end of the process, however it comes; a power cut may lose the last commits, never the whole.
    Process,
}

/// Where the store lies and how it keeps.
#[derive(Clone)]
pub struct StoreOptions {
    /// Made where it is missing. Belongs to one process at a time.
    pub dir: PathBuf,
    pub keys: Keyring,
    pub durability: Durability,
    /// Whether `dir` lies on a network file system; none means finding out.
    pub network_fs: Option<bool>,
    pub clock: Arc<dyn Clock>,
}

/// What the process before this one left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Deliveries that were leaving: they are `unknown` now.
    pub unknown: usize,
    /// Messages accepted and not decided.
    pub waiting: usize,
}

/// Numbers for metrics, since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub commits: u64,
    pub failed_commits: u64,
    /// Writes asked for; several share a commit.
    pub ops: u64,
    /// The most writes that ever waited at once.
    pub queue_high_water: u64,
}

/// The journal and everything else that must survive. Cheap to clone; the last clone to go flushes and closes.
///
/// Two classes of write: *awaited* ones return when they are on disk, *ordered* ones when they are queued, and nothing
/// queued later overtakes them. Dropping a future before it is done leaves the write either queued or not.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// Opens, or makes, the store in a folder, and brings back what a crash left. Blocking.
    pub fn open(_options: StoreOptions) -> Result<(Store, Recovered), StoreError> {
        todo!()
    }
    /// Writes what is queued and closes, for all clones. Blocking.
    pub fn close(self) {
        todo!()
    }
    pub fn counters(&self) -> Counters {
        todo!()
    }
}
