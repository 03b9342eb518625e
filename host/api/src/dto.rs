//! What goes over the wire besides what the runtime itself describes. The command line reads the same types.

use serde::{Deserialize, Serialize};
use switchhook_config::{Change, Problem};
use switchhook_core::id::{AccountId, ChannelName, InboxId, OutboxId};
use switchhook_core::message::Standing;
use switchhook_core::person::PersonId;
use switchhook_core::time::UnixMillis;
use switchhook_store::{DeliveryState, InboxState};

/// The body of every answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// For scripts; never changes its meaning.
    pub code: String,
    /// For a person.
    pub message: String,
}

/// A message that waits for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageEntry {
    pub id: InboxId,
    pub state: InboxState,
    /// Why it waits.
    pub reason: Option<String>,
    pub accepted_at: UnixMillis,
    pub attempts: u32,
    /// None once the body is erased.
    pub content: Option<MessageContent>,
}

/// Who wrote what, where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageContent {
    pub channel: ChannelName,
    pub account: AccountId,
    pub chat: String,
    pub sender: PersonId,
    pub sender_name: Option<String>,
    /// None where it is no text.
    pub text: Option<String>,
}

/// A delivery that waits for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryEntry {
    pub id: OutboxId,
    /// The message it answers.
    pub message: InboxId,
    pub channel: ChannelName,
    pub account: AccountId,
    pub chat: String,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub attempts: u32,
    /// How often it was left unknown: each may be a duplicate at the receiver.
    pub unknowns: u32,
}

/// What was given up on, and can be tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetters {
    pub messages: Vec<MessageEntry>,
    pub deliveries: Vec<DeliveryEntry>,
}

/// Somebody who has written, or of whom the operator has said something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactEntry {
    pub id: PersonId,
    pub aliases: Vec<PersonId>,
    pub name: Option<String>,
    pub standing: Standing,
    /// None where the person has never written.
    pub channel: Option<ChannelName>,
    /// To the hour.
    pub last_seen: Option<UnixMillis>,
}

/// What a reload would do: the changes, or what is wrong with the config.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DryRun {
    /// What would be kept as it is is left out.
    pub changes: Vec<Change>,
    pub problems: Vec<Problem>,
    /// The problems with their places, for a terminal.
    pub rendered: Option<String>,
}
