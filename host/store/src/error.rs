use std::path::PathBuf;
use std::sync::Arc;

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
    #[error("the tables can't be brought up to date: {reason}")]
    Migration { reason: Arc<refinery::Error> },
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

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql { reason: Arc::new(error) }
    }
}
