//! What is to go wrong with one account.

use serde::{Deserialize, Serialize};
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

/// A login that is answered with `<failure>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusal {
    /// 401 removed, 402 banned for a time, 403 locked, 405 too old, 409, 429, 500, 503 …
    reason: u16,
    /// Of a ban: what for (101 to 106).
    #[serde(default)]
    code: Option<u16>,
    /// Of a ban: for how many seconds.
    #[serde(default)]
    expire: Option<u64>,
    #[serde(default)]
    message: Option<String>,
    /// How many logins; all, if left out.
    #[serde(default)]
    times: Option<u32>,
}

/// A request that is answered with an error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Error {
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) text: Option<String>,
    /// How many; all, if left out.
    #[serde(default)]
    times: Option<u32>,
}

/// All of them; each is set and taken back by itself.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Faults {
    pub(crate) refuse: Option<Refusal>,
    /// Messages are not accepted, and their acknowledgement says so: 463 and the like.
    pub(crate) ack: Option<Error>,
    /// Pairing codes are refused: 400 with `rate-overlimit`, 403, 429, 452; 0 leaves the request without an answer.
    pub(crate) code: Option<Error>,
    /// Uploads and key fetches are refused.
    pub(crate) keys: Option<Error>,
    /// The socket stays open, and nothing is read or said.
    pub(crate) silent: bool,
    /// What the server says comes so many milliseconds late.
    pub(crate) slow_ms: u64,
    /// What the device sends is lost on the way, on the connection that stands when it is set.
    pub(crate) deaf: bool,
    /// What people write is queued, not delivered.
    pub(crate) held: bool,
    /// What people write is not acknowledged by them with receipts.
    pub(crate) no_receipts: bool,
    /// The phone asks whoever scanned for the owner's passkey.
    pub(crate) passkey: bool,
}

/// What a command changes; what is left out stays.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Change {
    pub(crate) refuse: Option<Refusal>,
    pub(crate) ack: Option<Error>,
    pub(crate) code: Option<Error>,
    pub(crate) keys: Option<Error>,
    pub(crate) silent: Option<bool>,
    pub(crate) slow_ms: Option<u64>,
    pub(crate) deaf: Option<bool>,
    pub(crate) held: Option<bool>,
    pub(crate) no_receipts: Option<bool>,
    pub(crate) passkey: Option<bool>,
}

impl Refusal {
    /// Logging in with a device that was removed.
    pub(crate) fn removed() -> Self {
        Self { reason: 401, code: None, expire: None, message: None, times: None }
    }

    pub(crate) fn too_old() -> Self {
        Self { reason: 405, ..Self::removed() }
    }

    pub(crate) fn node(&self) -> Node {
        let node = NodeBuilder::new("failure").attr("reason", self.reason.to_string()).attr("location", "fake");
        let mut node = node.build();
        let mut put = |name: &'static str, value: Option<String>| {
            if let Some(value) = value {
                node.attrs.insert(name, value);
            }
        };
        put("code", self.code.map(|code| code.to_string()));
        put("expire", self.expire.map(|seconds| seconds.to_string()));
        put("message", self.message.clone());
        node
    }
}

impl Faults {
    pub(crate) fn change(&mut self, change: Change) {
        self.refuse = change.refuse.or(self.refuse.take());
        self.ack = change.ack.or(self.ack.take());
        self.code = change.code.or(self.code.take());
        self.keys = change.keys.or(self.keys.take());
        self.silent = change.silent.unwrap_or(self.silent);
        self.slow_ms = change.slow_ms.unwrap_or(self.slow_ms);
        self.deaf = change.deaf.unwrap_or(self.deaf);
        self.held = change.held.unwrap_or(self.held);
        self.no_receipts = change.no_receipts.unwrap_or(self.no_receipts);
        self.passkey = change.passkey.unwrap_or(self.passkey);
    }

    pub(crate) fn refusal(&mut self) -> Option<Refusal> {
        strike(&mut self.refuse, |refusal| &mut refusal.times)
    }
    pub(crate) fn ack_error(&mut self) -> Option<Error> {
        strike(&mut self.ack, |error| &mut error.times)
    }
    pub(crate) fn code_error(&mut self) -> Option<Error> {
        strike(&mut self.code, |error| &mut error.times)
    }
    pub(crate) fn keys_error(&mut self) -> Option<Error> {
        strike(&mut self.keys, |error| &mut error.times)
    }
}

/// Uses a fault up by one.
fn strike<T: Clone>(fault: &mut Option<T>, times: impl Fn(&mut T) -> &mut Option<u32>) -> Option<T> {
    let struck = fault.as_mut()?;
    let copy = struck.clone();
    if let Some(left) = times(struck) {
        *left = left.saturating_sub(1);
        if *left == 0 {
            *fault = None;
        }
    }
    Some(copy)
}
