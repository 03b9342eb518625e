//! Attempts and devices as they go over the wire: what a person is shown, and nothing that is dead.

use serde::{Deserialize, Serialize};
use switchhook_core::id::{AccountId, ChannelName, DeviceId};
use switchhook_core::link::LinkMethodName;
use switchhook_core::person::PersonId;
use switchhook_core::status::{DeviceStatus, Status};
use switchhook_core::time::UnixMillis;
use switchhook_store::{LinkProblem, LinkRecord};

/// What a request for an attempt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkRequest {
    pub method: LinkMethodName,
    /// As `+15551234567`. For a code, none means the one that the config names; there is no other default (E4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Whether a link that stands may be given up for this one (E1).
    #[serde(default)]
    pub confirm: bool,
}

/// The answer to [`ShownPasskey::options`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyAnswer {
    /// What the browser's `navigator.credentials.get` gave.
    pub assertion: serde_json::Value,
}

/// An attempt as it is now. What is dead is absent until the next is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    #[serde(flatten)]
    pub record: LinkRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qr: Option<ShownQr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ShownCode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey: Option<ShownPasskey>,
}

/// A QR code to be scanned, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownQr {
    /// What the code holds. It is a secret: whoever scans it owns the device.
    pub payload: String,
    pub expires_at: UnixMillis,
    /// The same for whoever's clock differs.
    pub expires_in_ms: u64,
}

/// A code to be typed on the phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownCode {
    /// As `ABCD-EFGH`. A secret as well.
    pub code: String,
    pub expires_at: UnixMillis,
    pub expires_in_ms: u64,
    /// What to do with it, a step each.
    pub instructions: Vec<String>,
}

/// What the phone's owner must still prove.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownPasskey {
    /// The options for `navigator.credentials.get`, until they are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<serde_json::Value>,
    /// What must be the same on the phone, where there is something to compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
    /// What to do, a step each.
    pub instructions: Vec<String>,
}

/// What kind of device an account is (B4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    Mobile,
    Desktop,
    Web,
}

/// The device of a channel, or the place of one. Keys and credentials are never in it (C7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// None where none was ever linked.
    pub id: Option<DeviceId>,
    pub channel: ChannelName,
    pub account: AccountId,
    pub kind: DeviceKind,
    pub status: DeviceStatus,
    /// Whether it is linked and its channel is not in trouble.
    pub active: bool,
    /// The phone's number, as `+15551234567`.
    pub number: Option<PersonId>,
    /// Every id its owner is known by.
    pub owner: Vec<PersonId>,
    /// What the owner calls themselves.
    pub display_name: Option<String>,
    /// Where their picture can be had for a while, in the detail of a device that is connected.
    pub picture: Option<String>,
    /// What the phone is, such as `iphone`.
    pub platform: Option<String>,
    pub method: Option<LinkMethodName>,
    pub linked_at: Option<UnixMillis>,
    pub last_connected_at: Option<UnixMillis>,
    pub last_disconnected_at: Option<UnixMillis>,
    /// When the link ends by itself, where the service says so: WhatsApp does not, it ends links of phones that were not
    /// used for a while.
    pub expires_at: Option<UnixMillis>,
    /// When the link ended.
    pub ended_at: Option<UnixMillis>,
    /// The channel's own status: its state, its code, the last inbound and outbound.
    pub connection: Status,
    /// What is wrong, where something is.
    pub error: Option<LinkProblem>,
    /// In percent, where the phone reports it: WhatsApp's have not since devices log in by themselves.
    pub battery: Option<u8>,
    pub charging: Option<bool>,
}
