use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{ErrorCode, ffi};

use crate::keys::KeyId;

/// Why the store could not do what it was asked for. Where nothing else is said, nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("the data folder {} is in use by process {pid}: stop that one first, or give this one another `data_dir`", dir.display())]
    Locked { dir: PathBuf, pid: String },
    #[error("the data folder {} can't be used: {reason}", dir.display())]
    Folder { dir: PathBuf, reason: Arc<std::io::Error> },
    #[error(
        "the data in {} was sealed with the master key {wanted}, and the keys given are {given} (nothing was changed)",
        dir.display()
    )]
    WrongKey { dir: PathBuf, wanted: KeyId, given: String },
    #[error(
        "the data in {} is being sealed anew: the master keys {needed} are needed until that is done, and the keys given \
         are {given}. Put all of them back, `master.key.next` in `keys_dir` included, or give `switchhook key rotate` \
         both again (nothing was changed)",
        dir.display()
    )]
    HalfRotated { dir: PathBuf, needed: String, given: String },
    /// A row does not open: altered, moved from elsewhere, or sealed with a key that is gone.
    #[error("{table} {row}, column {column}, does not open: it was altered, or sealed with a key that is gone")]
    Unsealable { table: &'static str, row: String, column: &'static str },
    #[error("{table} holds something this version can't read: {reason}")]
    Unreadable { table: &'static str, reason: Arc<serde_json::Error> },
    #[error(
        "{} is no journal of Switchhook's but another program's database (nothing was changed): give `data_dir` another \
         folder",
        file.display()
    )]
    Foreign { file: PathBuf },
    #[error(
        "{} was written by a newer Switchhook: it is of version {has}, and this one knows up to {newest} (nothing was \
         changed): run the newer one, or bring back a copy from before it",
        file.display()
    )]
    Newer { file: PathBuf, has: i64, newest: i64 },
    #[error(
        "the journal is damaged: {reason}. Stop the host, keep the whole data folder as it is, and bring back a copy of it \
         from before"
    )]
    Damaged { reason: String },
    #[error("the disk of the data folder is full: nothing of this was kept, and nothing kept is lost. Make room")]
    DiskFull,
    /// An earlier write of the same account's state was lost.
    #[error(
        "an earlier change of this account's state was lost: nothing of it is kept until it starts again from disk"
    )]
    OutOfStep,
    /// The account's state was cleared after whoever writes had read it.
    #[error("this account's state was cleared meanwhile: nothing that was known of it before is kept")]
    Cleared,
    #[error("the tables can't be brought up to date: {reason}")]
    Migration { reason: Arc<rusqlite_migration::Error> },
    #[error("the journal can't be read or written: {reason}")]
    Sql { reason: Arc<rusqlite::Error> },
    /// The outcome of a message that is no longer pending; somebody else decided it.
    #[error("{id} is no longer pending: its outcome was not kept")]
    NotPending { id: String },
    #[error("there is no {id}")]
    NotFound { id: String },
    #[error("{id} is {state}; this takes one that is {expected}")]
    WrongState { id: String, state: &'static str, expected: &'static str },
    #[error("the text of {id} is erased, so nothing can be done with it any more")]
    Erased { id: String },
    /// The end of the delivery before it *is* kept; only the next one could not be armed.
    #[error("{id} is {state} and can't be armed; the end of the one before it is kept")]
    NextNotArmed { id: String, state: &'static str },
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether it is the disk that did not take a write, which may take it later: full, read-only for the moment, in use by
    /// another program, or failing to write. One that can't be read is none of these: that does not pass.
    pub fn is_of_the_disk(&self) -> bool {
        let Self::Sql { reason } = self else { return matches!(self, Self::DiskFull) };
        let rusqlite::Error::SqliteFailure(error, _) = &**reason else { return false };
        match error.code {
            ErrorCode::SystemIoFailure => !matches!(
                error.extended_code,
                ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS
            ),
            ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory => true,
            _ => false,
        }
    }

    /// Whether the disk did not confirm that it has something: it may have it or not.
    pub(crate) fn is_of_a_sync(&self) -> bool {
        let Self::Sql { reason } = self else { return false };
        let failed = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC];
        matches!(&**reason, rusqlite::Error::SqliteFailure(error, _) if failed.contains(&error.extended_code))
    }

    /// SQLite undid the transaction by itself, whatever failed in it.
    pub(crate) fn rolled_back() -> Self {
        let reason = Some("the transaction was undone".to_owned());
        Self::from(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), reason))
    }

    /// For scripts; never changes its meaning.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "folder-locked",
            Self::Folder { .. } => "folder",
            Self::WrongKey { .. } => "wrong-key",
            Self::HalfRotated { .. } => "half-rotated",
            Self::Unsealable { .. } | Self::Unreadable { .. } | Self::Damaged { .. } => "damaged",
            Self::Foreign { .. } => "foreign-database",
            Self::Newer { .. } => "newer-database",
            Self::DiskFull => "disk-full",
            Self::OutOfStep => "out-of-step",
            Self::Cleared => "cleared",
            Self::Migration { .. } => "migration",
            Self::Sql { .. } => "journal",
            Self::NotPending { .. } | Self::WrongState { .. } | Self::NextNotArmed { .. } => "wrong-state",
            Self::NotFound { .. } => "not-found",
            Self::Erased { .. } => "erased",
            Self::Closed => "closed",
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { reason: error.to_string() },
            _ => Self::Sql { reason: Arc::new(error) },
        }
    }
}
