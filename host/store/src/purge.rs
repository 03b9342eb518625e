//! Forgetting what was decided long ago.

use crate::error::StoreError;
use crate::store::Store;

impl Store {
    /// Erases what was decided longer ago than [`KEEP_BODIES`](crate::KEEP_BODIES), and dedupe keys
    /// [`KEEP_DEDUPE`](crate::KEEP_DEDUPE) later. What is held, dead or parked waits for the operator and stays. Returns
    /// how many rows it touched.
    pub async fn purge(&self) -> Result<usize, StoreError> {
        todo!()
    }
}
