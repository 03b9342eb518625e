//! Who did what to a device (B10).

use serde_json::Value;
use switchhook_core::id::ChannelName;
use switchhook_core::time::Clock;
use switchhook_store::{AuditEntry, Store};

/// Who asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// By what they proved themselves, such as `api-token`.
    pub actor: String,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

/// What is written of. The names never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    LinkStart,
    LinkComplete,
    LinkCancel,
    Unlink,
    Reset,
    Refresh,
    Send,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::LinkStart => "link_start",
            Self::LinkComplete => "link_complete",
            Self::LinkCancel => "link_cancel",
            Self::Unlink => "unlink",
            Self::Reset => "reset",
            Self::Refresh => "refresh",
            Self::Send => "message_send",
        }
    }
}

pub(crate) async fn write(
    store: &Store,
    clock: &dyn Clock,
    channel: &ChannelName,
    act: Act,
    caller: &Caller,
    detail: Value,
) {
    let entry = AuditEntry {
        at: clock.now(),
        actor: caller.actor.clone(),
        address: caller.address.clone(),
        user_agent: caller.user_agent.clone(),
        act: act.name().to_owned(),
        subject: channel.to_string(),
        detail,
    };
    store.audit(entry).await;
}
