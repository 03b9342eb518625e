//! Attempts to link an account, as they are remembered. What was shown during one is not among it.

use serde::{Deserialize, Serialize};
use switchhook_core::code::ErrorCode;
use switchhook_core::id::{AccountId, ChannelName, LinkId};
use switchhook_core::link::{LinkMethodName, LinkProgress, LinkStatus};
use switchhook_core::person::PersonId;
use switchhook_core::time::UnixMillis;

/// An attempt to link (B3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRecord {
    pub id: LinkId,
    /// Which in a row it is since the channel was last linked, from 1.
    pub attempt: u32,
    pub channel: ChannelName,
    pub account: AccountId,
    pub method: LinkMethodName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<PersonId>,
    pub status: LinkStatus,
    pub progress: LinkProgress,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<LinkProblem>,
    pub asked_by: String,
    /// The address it was asked from, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_from: Option<String>,
    pub started_at: UnixMillis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<UnixMillis>,
    /// When it ends at the latest.
    pub expires_at: UnixMillis,
}

/// Why an attempt came to nothing, or a device is in trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkProblem {
    pub code: ErrorCode,
    /// For a person: what happened, and what to do.
    pub message: String,
    /// Whether the same may well work later, with nothing changed.
    pub retryable: bool,
}
