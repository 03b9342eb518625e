//! What happens, for whoever watches: the API's event stream and tests. Carries no text and no number.

use serde::Serialize;
use switchhook_core::id::{ChannelName, InboxId, OutboxId};
use switchhook_core::time::UnixMillis;

/// How many events a slow watcher may lag behind before it loses the oldest.
pub(crate) const EVENT_BUFFER: usize = 1024;

#[derive(Debug, Clone, Serialize)]
pub struct Event {
    pub at: UnixMillis,
    pub channel: ChannelName,
    #[serde(flatten)]
    pub what: EventKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    Accepted { message: InboxId },
    Settled { message: InboxId, state: String },
    Delivered { delivery: OutboxId },
    DeliveryFailed { delivery: OutboxId, code: &'static str },
}
