//! What became of a message, and why.

use serde::{Deserialize, Serialize};
use switchhook_core::id::{InboxId, OutboxId};
use switchhook_core::time::UnixMillis;
use switchhook_pipeline::Trace;
use switchhook_store::{DeliveryState, InboxState, StoreError};

use crate::host::Host;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explanation {
    pub message: InboxId,
    pub state: InboxState,
    pub reason: Option<String>,
    pub accepted_at: UnixMillis,
    pub attempts: u32,
    /// Who decided what, of which version, and how fast; none while it waits.
    pub trace: Option<Trace>,
    pub deliveries: Vec<ExplainedDelivery>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExplainedDelivery {
    pub delivery: OutboxId,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub attempts: u32,
    /// Each may be a duplicate at the receiver.
    pub unknowns: u32,
    pub provider_id: Option<String>,
}

impl Host {
    /// Everything the journal knows of a message but its text.
    pub async fn explain(&self, id: InboxId) -> Result<Option<Explanation>, StoreError> {
        let Some(stored) = self.store().load(id).await? else { return Ok(None) };
        let trace = self.store().trace(id).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let deliveries = self.store().deliveries_of(id).await?.into_iter().map(|row| ExplainedDelivery {
            delivery: row.id,
            state: row.state,
            reason: row.reason,
            attempts: row.attempts,
            unknowns: row.unknowns,
            provider_id: row.provider_id,
        });
        Ok(Some(Explanation {
            message: id,
            state: stored.state,
            reason: stored.reason,
            accepted_at: stored.accepted_at,
            attempts: stored.attempts,
            trace,
            deliveries: deliveries.collect(),
        }))
    }
}
