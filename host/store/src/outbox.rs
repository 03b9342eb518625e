//! Deliveries: ready, armed, ended.

use switchhook_core::id::{AccountId, InboxId, OutboxId};

use crate::error::StoreError;
use crate::journal::{DeliveryEnd, DeliveryState, StoredDelivery};
use crate::store::Store;

impl Store {
    /// What is ready or unknown of an account, oldest first.
    pub async fn deliveries(&self, _account: &AccountId) -> Result<Vec<StoredDelivery>, StoreError> {
        todo!()
    }
    pub async fn delivery(&self, _id: OutboxId) -> Result<Option<StoredDelivery>, StoreError> {
        todo!()
    }
    /// The newest deliveries in these states, at most `limit`, oldest of them first.
    pub async fn list_deliveries(
        &self,
        _states: &[DeliveryState],
        _limit: u32,
    ) -> Result<Vec<StoredDelivery>, StoreError> {
        todo!()
    }
    /// What a message brought about, oldest first.
    pub async fn deliveries_of(&self, _id: InboxId) -> Result<Vec<StoredDelivery>, StoreError> {
        todo!()
    }
    /// A ready or unknown delivery is about to leave: one attempt more. Awaited: only then may it leave.
    pub async fn arm(&self, _id: OutboxId) -> Result<(), StoreError> {
        todo!()
    }
    /// An attempt has ended; `arm_next` arms another one in the same commit. Awaited. Fails with
    /// [`StoreError::NextNotArmed`] where the end is kept and the next one may not leave.
    pub async fn end_delivery(
        &self,
        _id: OutboxId,
        _end: DeliveryEnd,
        _arm_next: Option<OutboxId>,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// As [`Store::end_delivery`], ordered.
    pub async fn end_delivery_later(&self, _id: OutboxId, _end: DeliveryEnd) {
        todo!()
    }
    /// Puts a dead, parked or revoked delivery back to `ready`, its attempts counted anew.
    pub async fn release_delivery(&self, _id: OutboxId) -> Result<(), StoreError> {
        todo!()
    }
    /// Gives up a delivery that is not leaving, and erases it.
    pub async fn drop_delivery(&self, _id: OutboxId) -> Result<(), StoreError> {
        todo!()
    }
}
