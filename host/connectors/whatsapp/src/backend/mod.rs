//! The auth state of a linked device, on our own sealed store: one file for each of the library's traits.
//!
//! Two classes of write. *Awaited*, on disk before they return: sessions, sender keys, identities, prekeys, the device,
//! sync keys and app-state versions, and all that deletes by range. *Ordered*, queued and never overtaken: the buffer of
//! inbound messages, used-up prekeys, sent messages, what is learned of others. A message then waits for one commit.

mod app_sync;
mod device;
mod message_secret;
mod protocol;
mod signal;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchhook_store::{AccountStore, StateBatch};
use tokio::sync::Mutex;
use whatsapp_rust::wacore::store::error::{Result, StoreError};

/// The library's `Backend` over an [`AccountStore`].
pub(crate) struct SealedBackend {
    states: AccountStore,
    /// Held while a record is read, changed and written back.
    changing: Mutex<()>,
}

impl SealedBackend {
    pub(crate) fn new(states: AccountStore) -> Self {
        Self { states, changing: Mutex::default() }
    }

    async fn commit(&self, batch: StateBatch<'_>) -> Result<()> {
        self.states.commit(batch).await.map_err(failed)
    }

    async fn queue(&self, batch: StateBatch<'_>) -> Result<()> {
        self.states.queue(batch).await.map_err(failed)
    }
}

fn failed(error: switchhook_store::StoreError) -> StoreError {
    StoreError::Database(Box::new(error))
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| StoreError::Serialization(Box::new(error)))
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Serialization(Box::new(error)))
}

/// A record of ours that is not as we write them.
fn misshapen(what: &str) -> StoreError {
    StoreError::Validation(format!("a stored {what} is not of the length it was written with"))
}

/// The name of what is told apart by sender and message. Neither holds a space.
fn sender_and_id(sender: &str, id: &str) -> String {
    format!("{sender} {id}")
}
