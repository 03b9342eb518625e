//! What comes in.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, ChannelName};
use crate::person::PersonId;
use crate::time::UnixMillis;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatKind {
    Direct,
    Group,
    Channel,
}

/// What the operator has said of a contact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    #[default]
    Unknown,
    Approved,
    Blocked,
}

/// A person, under every id they are known by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    pub id: PersonId,
    pub aliases: Vec<PersonId>,
    pub name: Option<String>,
    /// Filled in by the host before policy runs; connectors leave it `Unknown`.
    #[serde(default)]
    pub standing: Standing,
}

impl Party {
    /// Every id of the person, the canonical one first.
    pub fn ids(&self) -> impl Iterator<Item = &PersonId> {
        std::iter::once(&self.id).chain(&self.aliases)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// The provider's id of the chat.
    pub id: String,
    pub kind: ChatKind,
    pub title: Option<String>,
    /// The topic inside the chat, where the provider has them.
    pub thread: Option<String>,
}

/// Names one conversation: order holds within it, and history and kv belong to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Conversation {
    pub account: AccountId,
    pub chat: String,
    pub thread: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachmentKind {
    Image,
    Video,
    Audio,
    Voice,
    Document,
    Sticker,
    Location,
    Contact,
    Other,
}

/// Something sent along with a message; the bytes are fetched by handle, when somebody asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The connector's own name for the bytes, such as Telegram's `file_id`.
    pub handle: String,
    pub kind: AttachmentKind,
    pub media_type: Option<String>,
    pub file_name: Option<String>,
    pub size: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quoted {
    pub message_id: String,
    pub sender: Option<Party>,
    pub text: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    Text(String),
    Edited { message_id: String, text: String },
    Deleted { message_id: String },
    Reaction { message_id: String, emoji: Option<String> },
    Button(String),
    Joined(Vec<Party>),
    Left(Vec<Party>),
    Timer(String),
    Other { kind: String, json: String },
}

impl Content {
    pub fn kind(&self) -> ContentKind {
        match self {
            Self::Text(_) => ContentKind::Text,
            Self::Edited { .. } => ContentKind::Edited,
            Self::Deleted { .. } => ContentKind::Deleted,
            Self::Reaction { .. } => ContentKind::Reaction,
            Self::Button(_) => ContentKind::Button,
            Self::Joined(_) => ContentKind::Joined,
            Self::Left(_) => ContentKind::Left,
            Self::Timer(_) => ContentKind::Timer,
            Self::Other { .. } => ContentKind::Other,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentKind {
    Text,
    Edited,
    Deleted,
    Reaction,
    Button,
    Joined,
    Left,
    Timer,
    Other,
}

/// One message or event, as policy, reply and prompt plugins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The provider's id of the message, unique within its chat.
    pub id: String,
    pub channel: ChannelName,
    /// The kind of connector, such as `telegram`.
    pub connector: String,
    pub account: AccountId,
    pub chat: Chat,
    pub sender: Party,
    pub content: Content,
    pub attachments: Vec<Attachment>,
    /// In a group: whether our account is mentioned or answered. Always true in a direct chat.
    pub mentions_me: bool,
    pub quoted: Option<Quoted>,
    pub sent_at: UnixMillis,
    pub extra: Vec<(String, String)>,
}

impl Message {
    pub fn conversation(&self) -> Conversation {
        Conversation { account: self.account.clone(), chat: self.chat.id.clone(), thread: self.chat.thread.clone() }
    }
    /// The text a person wrote, if this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) | Content::Edited { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// A message on its way into the inbox: the first station of its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Tells a redelivery from a new message: unique within the account and stable over redeliveries (Telegram: the
    /// update id). Kept 30 days beyond the body.
    pub dedupe_key: String,
    pub message: Message,
    /// Set where the sender could not be resolved to every id they may be known by: it fails closed, with this reason.
    pub unresolved: Option<String>,
}
