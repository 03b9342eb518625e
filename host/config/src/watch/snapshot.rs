//! What the watched files hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// A file that is missing is in a state like another.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Holds([u8; 32]),
    /// Nobody knows what it held before: equal to no reading.
    Changed,
    NoFile,
    Unreadable(io::ErrorKind),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, State>);

impl Snapshot {
    pub(super) fn of(files: &BTreeSet<PathBuf>) -> Self {
        Self(files.iter().map(|file| (file.clone(), read(file))).collect())
    }

    /// Forgets all but these files.
    pub(super) fn keep(&mut self, files: &BTreeSet<PathBuf>) {
        self.0.retain(|file, _| files.contains(file));
    }

    /// Takes files in as they are; what changed since then is marked as changed.
    pub(super) fn adopt(&mut self, files: &BTreeSet<PathBuf>, since: SystemTime) {
        for file in files {
            let state = if changed_at(file).is_some_and(|at| at > since) { State::Changed } else { read(file) };
            self.0.insert(file.clone(), state);
        }
    }
}

fn read(file: &Path) -> State {
    let hash = || -> io::Result<Option<[u8; 32]>> {
        // Opening a pipe would wait for somebody to write.
        if !std::fs::metadata(file)?.is_file() {
            return Ok(None);
        }
        let mut hasher = Sha256::new();
        io::copy(&mut File::open(file)?, &mut hasher)?;
        Ok(Some(hasher.finalize().into()))
    };
    match hash() {
        Ok(Some(hash)) => State::Holds(hash),
        Ok(None) => State::NoFile,
        Err(error) => State::Unreadable(error.kind()),
    }
}

/// When the file was last written or put in its place: a rename keeps the time of writing, not this one.
fn changed_at(file: &Path) -> Option<SystemTime> {
    let metadata = std::fs::metadata(file).ok()?;
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    Some(UNIX_EPOCH + Duration::new(seconds, nanos))
}
