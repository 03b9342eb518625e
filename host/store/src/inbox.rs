//! Messages: accepted, begun, listed, released.

use switchhook_core::id::{AccountId, InboxId};
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::journal::{Accepted, Approval, InboxState, NewMessage, StoredMessage, Waiting};
use crate::store::Store;

/// The two moments of an acceptance.
pub struct Accepting {
    /// Each message has its id: work on it may start.
    pub seen: oneshot::Receiver<Result<Vec<Accepted>, StoreError>>,
    /// The batch is on disk: the provider may be told.
    pub durable: oneshot::Receiver<Result<(), StoreError>>,
}

impl Store {
    /// Takes messages in, all or none. Waits for room in the queue only.
    pub async fn accept(&self, _batch: Vec<NewMessage>) -> Accepting {
        todo!()
    }
    /// Work on a message starts: one attempt more, whatever becomes of it. Ordered.
    pub async fn begin(&self, _id: InboxId) {
        todo!()
    }
    pub async fn load(&self, _id: InboxId) -> Result<Option<StoredMessage>, StoreError> {
        todo!()
    }
    /// Everything accepted and not decided, oldest first.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        todo!()
    }
    /// How many messages of the account wait.
    pub fn backlog(&self, _account: &AccountId) -> usize {
        todo!()
    }
    /// The newest messages in a state, at most `limit`, oldest of them first.
    pub async fn list(&self, _state: InboxState, _limit: u32) -> Result<Vec<StoredMessage>, StoreError> {
        todo!()
    }
    /// Puts a message that is held, dead, revoked or expired back to work, its age and attempts counted anew.
    pub async fn release(&self, _id: InboxId, _approved: Approval) -> Result<(), StoreError> {
        todo!()
    }
    /// Gives a held or dead message up, and erases it.
    pub async fn drop_message(&self, _id: InboxId) -> Result<(), StoreError> {
        todo!()
    }
    /// The account's channel is gone: what waits is held, what was to leave is parked. What is leaving goes on leaving.
    /// Returns how many messages and deliveries that were.
    pub async fn park_account(&self, _account: &AccountId, _reason: &str) -> Result<usize, StoreError> {
        todo!()
    }
    /// Who decided what, as [`Outcome::trace`](crate::Outcome::trace) had it.
    pub async fn trace(&self, _id: InboxId) -> Result<Option<Vec<u8>>, StoreError> {
        todo!()
    }
}
