//! Messages that come due.

use switchhook_core::time::UnixMillis;

use crate::error::StoreError;
use crate::journal::Waiting;
use crate::store::Store;

impl Store {
    /// Turns the timers due into pending messages, in one transaction.
    pub async fn fire_timers(&self, _now: UnixMillis) -> Result<Vec<Waiting>, StoreError> {
        todo!()
    }
    /// When the next timer is due.
    pub async fn next_timer(&self) -> Result<Option<UnixMillis>, StoreError> {
        todo!()
    }
}
