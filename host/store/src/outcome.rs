//! What one message brings about, in one transaction.

use switchhook_core::id::OutboxId;

use crate::error::StoreError;
use crate::journal::Outcome;
use crate::store::Store;

impl Store {
    /// Keeps an outcome as a whole or not at all; returns the ids of its deliveries, in their order. Awaited.
    /// Fails with [`StoreError::NotPending`] where one of the messages has been decided before.
    pub async fn commit_outcome(&self, _outcome: Outcome) -> Result<Vec<OutboxId>, StoreError> {
        todo!()
    }
}
