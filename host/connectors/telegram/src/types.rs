//! What of the Bot API's objects is read. Fields of no use to us are left out; everything optional is optional.

use serde::Deserialize;
use serde_json::Value;

/// The frame of every answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope {
    pub(crate) ok: bool,
    pub(crate) result: Option<Value>,
    pub(crate) error_code: Option<u16>,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Option<Parameters>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Parameters {
    /// Seconds.
    pub(crate) retry_after: Option<u64>,
    pub(crate) migrate_to_chat_id: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) first_name: String,
    pub(crate) last_name: Option<String>,
    pub(crate) username: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Chat {
    pub(crate) id: i64,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) title: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Entity {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// UTF-16 units, as is the length.
    pub(crate) offset: usize,
    pub(crate) length: usize,
    pub(crate) user: Option<User>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct File {
    pub(crate) file_id: String,
    pub(crate) file_size: Option<u64>,
    pub(crate) mime_type: Option<String>,
    pub(crate) file_name: Option<String>,
    pub(crate) file_path: Option<String>,
    #[serde(default)]
    pub(crate) width: u64,
    #[serde(default)]
    pub(crate) height: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Location {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Contact {
    pub(crate) phone_number: String,
    pub(crate) first_name: String,
    pub(crate) last_name: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Message {
    pub(crate) message_id: i64,
    pub(crate) chat: Chat,
    pub(crate) from: Option<User>,
    /// Set where a chat speaks and not a person: anonymous administrators, channels.
    pub(crate) sender_chat: Option<Chat>,
    /// Seconds since 1970; 0 for a message that can't be read any more.
    #[serde(default)]
    pub(crate) date: u64,
    pub(crate) edit_date: Option<u64>,
    pub(crate) message_thread_id: Option<i64>,
    #[serde(default)]
    pub(crate) is_topic_message: bool,
    pub(crate) forward_origin: Option<Value>,
    pub(crate) media_group_id: Option<String>,
    pub(crate) reply_to_message: Option<Box<Message>>,
    /// Set on the message that opened a topic; every message in the topic claims to reply to it.
    pub(crate) forum_topic_created: Option<Value>,
    pub(crate) text: Option<String>,
    pub(crate) caption: Option<String>,
    #[serde(default)]
    pub(crate) entities: Vec<Entity>,
    #[serde(default)]
    pub(crate) caption_entities: Vec<Entity>,
    #[serde(default)]
    pub(crate) new_chat_members: Vec<User>,
    pub(crate) left_chat_member: Option<User>,
    #[serde(default)]
    pub(crate) photo: Vec<File>,
    pub(crate) animation: Option<File>,
    pub(crate) video: Option<File>,
    pub(crate) video_note: Option<File>,
    pub(crate) audio: Option<File>,
    pub(crate) voice: Option<File>,
    pub(crate) document: Option<File>,
    pub(crate) sticker: Option<File>,
    pub(crate) location: Option<Location>,
    pub(crate) contact: Option<Contact>,
}

impl Message {
    /// What was written, if only below a picture.
    pub(crate) fn written(&self) -> Option<&str> {
        self.text.as_deref().or(self.caption.as_deref())
    }
    pub(crate) fn thread(&self) -> Option<i64> {
        self.message_thread_id.filter(|_| self.is_topic_message)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CallbackQuery {
    pub(crate) from: User,
    /// Absent for messages sent in inline mode.
    pub(crate) message: Option<Message>,
    pub(crate) data: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct MessageReaction {
    pub(crate) chat: Chat,
    pub(crate) message_id: i64,
    pub(crate) user: Option<User>,
    /// Set where a chat reacts and not a person.
    pub(crate) actor_chat: Option<Chat>,
    pub(crate) date: u64,
    pub(crate) old_reaction: Vec<ReactionType>,
    pub(crate) new_reaction: Vec<ReactionType>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct ReactionType {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) emoji: Option<String>,
    pub(crate) custom_emoji_id: Option<String>,
}

/// What of a sent message matters to us.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    pub(crate) message_id: i64,
}
