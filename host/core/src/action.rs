//! What goes out.

use serde::{Deserialize, Serialize};

use crate::message::AttachmentKind;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextFormat {
    #[default]
    Plain,
    Markdown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachmentSource {
    /// One received before.
    Handle(String),
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingAttachment {
    pub source: AttachmentSource,
    pub kind: AttachmentKind,
    pub media_type: Option<String>,
    pub file_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    pub label: String,
    pub value: String,
}

/// A message to send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// None means the chat of the message being answered.
    pub to: Option<String>,
    pub text: String,
    #[serde(default)]
    pub format: TextFormat,
    pub reply_to: Option<String>,
    #[serde(default)]
    pub attachments: Vec<OutgoingAttachment>,
    #[serde(default)]
    pub buttons: Vec<Vec<Button>>,
    #[serde(default)]
    pub extra: Vec<(String, String)>,
}

impl Outgoing {
    /// Plain text to the chat being answered.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// What a reply or prompt plugin wants done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Send(Outgoing),
    Edit { message_id: String, text: String, format: TextFormat },
    Delete { message_id: String },
    React { message_id: String, emoji: Option<String> },
    MarkRead,
    Forward { message_id: String, to: String },
    Schedule { name: String, after_ms: u64 },
    CancelTurn,
    NewConversation,
    Other { kind: String, json: String },
}

impl Action {
    /// Whether a connector carries it out. The rest is the host's own business.
    pub fn is_delivered(&self) -> bool {
        !matches!(self, Self::Schedule { .. } | Self::CancelTurn | Self::NewConversation)
    }

    /// Whether it puts something new into a chat, which is what limits count. A reaction, an edit or a read mark does not.
    pub fn is_message(&self) -> bool {
        matches!(self, Self::Send(_) | Self::Forward { .. })
    }
}
