//! Whose device an account is, or was last.

use serde::{Deserialize, Serialize};
use switchhook_core::id::{AccountId, ChannelName, DeviceId};
use switchhook_core::link::{LinkMethodName, LinkedDevice};
use switchhook_core::time::UnixMillis;

/// What is remembered of a device (B4). Its keys are not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    pub id: DeviceId,
    pub channel: ChannelName,
    pub account: AccountId,
    pub linked: LinkedDevice,
    /// None where it was linked before this was remembered.
    pub method: Option<LinkMethodName>,
    pub linked_at: UnixMillis,
    pub last_connected_at: Option<UnixMillis>,
    pub last_disconnected_at: Option<UnixMillis>,
    /// The end of the link; none while it stands.
    pub end: Option<DeviceEnd>,
}

/// How a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEnd {
    pub at: UnixMillis,
    pub by: EndedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// The phone, or its service.
    Phone,
    /// `unlink`.
    Unlink,
    /// `reset`, or another number that took its place.
    Reset,
}
