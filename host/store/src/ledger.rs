//! Which generations there were, and who did what.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchhook_core::time::UnixMillis;

use crate::error::StoreError;
use crate::store::Store;

/// An attempt to apply a config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerationRecord {
    pub number: u64,
    pub digest: String,
    pub cause: String,
    pub outcome: String,
    pub changes: serde_json::Value,
    pub took: Duration,
    pub at: UnixMillis,
}

/// Something an operator or the host did that somebody may ask about later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub at: UnixMillis,
    pub actor: String,
    pub act: String,
    pub subject: String,
    pub detail: serde_json::Value,
}

impl Store {
    pub async fn record_generation(&self, _r: GenerationRecord) -> Result<(), StoreError> {
        todo!()
    }
    /// The newest first, those of earlier processes included.
    pub async fn generations(&self, _limit: u32) -> Result<Vec<GenerationRecord>, StoreError> {
        todo!()
    }
    /// Ordered.
    pub async fn audit(&self, _e: AuditEntry) {
        todo!()
    }
    /// The newest first.
    pub async fn audits(&self, _limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        todo!()
    }
}
