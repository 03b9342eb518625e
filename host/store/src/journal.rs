//! What the journal takes and gives: the life of a message and of a delivery, as data.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchhook_core::action::Action;
use switchhook_core::hook::{KvSpace, Turn};
use switchhook_core::id::{AccountId, ChannelName, InboxId, OutboxId, PluginName};
use switchhook_core::message::{ChatKind, Conversation, Message};
use switchhook_core::time::UnixMillis;

/// A message to be accepted.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub dedupe_key: String,
    pub message: Message,
    pub unresolved: Option<String>,
}

/// What became of a message handed to [`Store::accept`](crate::Store::accept).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    New(InboxId),
    /// Seen before, under this id: a success, with nothing to do.
    Duplicate(InboxId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InboxState {
    /// Accepted, not decided yet.
    Pending,
    Done,
    /// By policy. The text is erased.
    Denied,
    /// By policy or by the operator's wish: waits for `held approve|drop`.
    Held,
    /// Something failed; replayable (`dead list|replay`).
    Dead,
    /// Allowed when it came, denied under the config that was in force when the answer was ready.
    Revoked,
    /// Older than `max_age` when it was its turn.
    Expired,
    /// Dropped by the operator.
    Dropped,
    /// Written by the account's owner elsewhere: kept for the log, nobody decides about it.
    Own,
    /// No message: somebody asked the host to send something.
    Asked,
}

/// Why a message goes back to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// The operator wants it through: a further hold counts as a pass.
    Approved,
    /// It is to be decided again from the start.
    Replay,
}

/// A message as the journal holds it.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    pub id: InboxId,
    pub state: InboxState,
    pub reason: Option<String>,
    /// None once it is erased.
    pub message: Option<Message>,
    pub unresolved: Option<String>,
    pub accepted_at: UnixMillis,
    /// Starts of work on it, this one included; a crash counts.
    pub attempts: u32,
    /// The operator approved it: a further hold counts as a pass.
    pub approved: bool,
}

/// A message that waits for work, without its body.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub id: InboxId,
    pub account: AccountId,
    pub conversation: Conversation,
    pub accepted_at: UnixMillis,
    pub attempts: u32,
}

/// A change of the key-value store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvWrite {
    pub scope: KvScope,
    pub key: String,
    pub change: KvChange,
}

/// Whose values they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KvScope {
    pub space: KvSpace,
    pub plugin: PluginName,
    /// None in [`KvSpace::Shared`].
    pub chat: Option<(ChannelName, Conversation)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KvChange {
    Set(Vec<u8>),
    Delete,
    Increment(i64),
}

/// An action to deliver.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    pub channel: ChannelName,
    pub account: AccountId,
    /// The chat it goes to, which need not be the chat of the message.
    pub chat: String,
    pub chat_kind: ChatKind,
    pub thread: Option<String>,
    pub action: Action,
    /// The provider's id of the message being answered.
    pub answers: Option<String>,
    /// Whether it leaves as soon as the commit is on disk: then a crash makes it `unknown`, not `ready`.
    pub armed: bool,
    /// Under which policies the answer was allowed.
    pub fingerprint: String,
}

/// Asks for `Content::Timer(name)` later. Replaces an earlier one of the same name in the same conversation.
#[derive(Debug, Clone)]
pub struct NewTimer {
    pub name: String,
    pub due: UnixMillis,
    /// The message that comes due, complete but for its time.
    pub message: Message,
}

/// Everything that one message (or several answered together) brings about. Committed as a whole or not at all.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub messages: Vec<InboxId>,
    pub state: InboxState,
    pub reason: Option<String>,
    /// Erases the bodies, as a denial must.
    pub erase: bool,
    pub deliveries: Vec<NewDelivery>,
    pub kv: Vec<KvWrite>,
    /// What was said, to be remembered in this conversation.
    pub turns: Vec<(Conversation, Turn)>,
    /// Conversations whose history is forgotten, before `turns` are added.
    pub forget: Vec<Conversation>,
    pub timers: Vec<NewTimer>,
    /// Who decided what, for `explain`; opaque here, sealed, erased with the body.
    pub trace: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Waits for its turn, or for its next attempt.
    Ready,
    /// Leaving: bytes may be on the wire.
    Armed,
    /// Bytes may have left and no definitive answer came. Waits to be sent again.
    Unknown,
    Sent,
    /// Given up after its last attempt, or refused for good; replayable.
    Dead,
    /// Waits for the operator.
    Parked,
    /// The sender lost the right to an answer before it left.
    Revoked,
    Dropped,
}

/// A delivery as the journal holds it.
#[derive(Debug, Clone)]
pub struct StoredDelivery {
    pub id: OutboxId,
    pub message: InboxId,
    pub channel: ChannelName,
    pub account: AccountId,
    pub chat: String,
    pub chat_kind: ChatKind,
    pub thread: Option<String>,
    /// None once it is erased.
    pub action: Option<Action>,
    pub answers: Option<String>,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub attempts: u32,
    /// How often it was left unknown: each may be a duplicate at the receiver.
    pub unknowns: u32,
    pub not_before: UnixMillis,
    pub fingerprint: String,
    pub provider_id: Option<String>,
}

/// How an attempt to deliver ended.
#[derive(Debug, Clone)]
pub enum DeliveryEnd {
    Sent {
        provider_id: Option<String>,
    },
    /// Back to `ready`.
    Retry {
        at: UnixMillis,
        reason: String,
    },
    /// It did not come to leave, and waits where it was: the attempt is not counted.
    Waits {
        reason: String,
    },
    /// To `unknown`, counted; sent again at that time.
    Unknown {
        at: UnixMillis,
        reason: String,
    },
    Dead {
        reason: String,
    },
    Parked {
        reason: String,
    },
    Revoked {
        reason: String,
    },
}

/// How long what was decided is kept, for `explain` and replays, and how long a dedupe key outlives it.
pub const KEEP_BODIES: Duration = Duration::from_secs(7 * 24 * 3600);
pub const KEEP_DEDUPE: Duration = Duration::from_secs(30 * 24 * 3600);
