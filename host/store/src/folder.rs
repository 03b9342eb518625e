//! The data folder: made private, locked for one process, and known for lying on a network or not.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::StoreError;

/// Holds the lock for as long as it lives. The kernel lets go of it when the process ends, however that comes.
pub(crate) struct Folder {
    dir: PathBuf,
    _lock: File,
}

impl Folder {
    pub(crate) fn take(dir: &Path) -> Result<Self, StoreError> {
        let failed = |reason: io::Error| StoreError::Folder { dir: dir.to_owned(), reason: Arc::new(reason) };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let mut lock = private(&dir.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(dir, lock)),
            Err(TryLockError::Error(reason)) => return Err(failed(reason)),
        }
        lock.set_len(0).map_err(failed)?;
        writeln!(lock, "{}", std::process::id()).map_err(failed)?;
        // Made here, since SQLite would let everybody read it.
        private(&dir.join(FILE)).map_err(failed)?;
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.join(FILE)
    }
    /// Whether shared memory and locks can't be trusted here.
    pub(crate) fn is_on_network(&self) -> bool {
        network_magic(&self.dir)
    }
}

pub(crate) const FILE: &str = "journal.db";

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn locked(dir: &Path, mut lock: File) -> StoreError {
    let mut pid = String::new();
    // Only for the message: a holder that has not written its number yet is `unknown`.
    let _ = lock.rewind().and_then(|()| lock.read_to_string(&mut pid));
    let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
    StoreError::Locked { dir: dir.to_owned(), pid }
}

#[cfg(target_os = "linux")]
fn network_magic(dir: &Path) -> bool {
    // From linux/magic.h: NFS, SMB, CIFS, SMB2, FUSE and virtiofs, 9p (Windows' drives in WSL), AFS, Ceph.
    const NETWORK: [u32; 8] =
        [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546, 0x0102_1997, 0x5346_414f, 0x00c3_6400];
    rustix::fs::statfs(dir).is_ok_and(|found| NETWORK.contains(&(found.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn network_magic(_dir: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_belongs_to_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("data");
        let first = Folder::take(&dir).unwrap();
        match Folder::take(&dir).map(|_| ()) {
            Err(StoreError::Locked { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
            other => panic!("{other:?}"),
        }
        drop(first);
        assert!(Folder::take(&dir).is_ok());
    }

    #[test]
    fn nobody_else_may_look_in() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("data");
        let folder = Folder::take(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
