//! An update becomes a message.

mod attachments;
mod mention;
mod party;

use serde::de::DeserializeOwned;
use serde_json::Value;
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::message::{Chat, ChatKind, Content, Inbound, Message, Party, Quoted};
use switchhook_core::time::UnixMillis;

use crate::kind::KIND;
use crate::types::{self, CallbackQuery, MessageReaction, User};

/// What one answer to `getUpdates` brought.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) messages: Vec<Inbound>,
    /// Ids of the presses of buttons, to be acknowledged.
    pub(crate) pressed: Vec<String>,
    last: Option<i64>,
}

impl Received {
    /// The kinds of update that are asked for.
    pub(crate) const KINDS: [&'static str; 6] =
        ["message", "edited_message", "channel_post", "edited_channel_post", "message_reaction", "callback_query"];

    /// What confirms all of it, those that could not be read included.
    pub(crate) fn next_offset(&self) -> Option<i64> {
        self.last.map(|id| id.saturating_add(1))
    }
}

/// Why an update gives no message.
#[derive(Debug, thiserror::Error)]
enum Skipped {
    #[error("it is of a kind that was not asked for")]
    UnknownKind,
    #[error("it can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("nobody is named as its sender")]
    NoSender,
    #[error("it belongs to no chat of ours")]
    NoChat,
    #[error("it is our own")]
    Own,
}

/// Turns updates into messages of one channel.
pub(crate) struct Mapper {
    channel: ChannelName,
    account: AccountId,
    me: User,
}

/// What a message consists of, whatever update it came in.
struct Event {
    id: i64,
    chat: Chat,
    sender: Party,
    content: Content,
    sent_at: UnixMillis,
}

impl Mapper {
    pub(crate) fn new(channel: &ChannelName, account: &AccountId, me: User) -> Self {
        Self { channel: channel.clone(), account: account.clone(), me }
    }

    /// Reads every update; what can't be read is logged without its text, skipped and confirmed with the rest.
    pub(crate) fn map(&self, updates: &[Value], now: UnixMillis) -> Received {
        let mut received = Received::default();
        for update in updates {
            let Some(id) = update["update_id"].as_i64() else {
                tracing::warn!(channel = %self.channel, "an update without an id is skipped");
                continue;
            };
            received.last = received.last.max(Some(id));
            received.pressed.extend(update["callback_query"]["id"].as_str().map(str::to_owned));
            match self.message(update, now) {
                Ok(message) => {
                    let dedupe_key = format!("u{id}");
                    received.messages.push(Inbound { dedupe_key, message, unresolved: None });
                }
                Err(Skipped::Own) => {}
                Err(reason) => {
                    tracing::warn!(channel = %self.channel, update = id, kind = kind_of(update), %reason, "an update is skipped");
                }
            }
        }
        received
    }

    fn message(&self, update: &Value, now: UnixMillis) -> Result<Message, Skipped> {
        let kind = kind_of(update);
        let body = &update[kind];
        match kind {
            "message" | "channel_post" => self.written(&read(body)?, body),
            "edited_message" | "edited_channel_post" => self.edited(&read(body)?),
            "message_reaction" => self.reaction(&read(body)?),
            "callback_query" => self.pressed(&read(body)?, now),
            _ => Err(Skipped::UnknownKind),
        }
    }

    fn written(&self, message: &types::Message, raw: &Value) -> Result<Message, Skipped> {
        let sender = self.sender(message)?;
        let attachments = attachments::of(message);
        let content = if !message.new_chat_members.is_empty() {
            Content::Joined(message.new_chat_members.iter().map(party::of_user).collect())
        } else if let Some(user) = &message.left_chat_member {
            Content::Left(vec![party::of_user(user)])
        } else if message.written().is_some() || !attachments.is_empty() {
            Content::Text(mention::without_own_address(message, &self.me))
        } else {
            Content::Other { kind: service_kind(raw).to_owned(), json: raw.to_string() }
        };
        let sent_at = at(message.date);
        let event = Event { id: message.message_id, chat: chat_of(message), sender, content, sent_at };
        Ok(self.finish(event, Some(message)))
    }

    fn edited(&self, message: &types::Message) -> Result<Message, Skipped> {
        let sender = self.sender(message)?;
        let text = mention::without_own_address(message, &self.me);
        let content = Content::Edited { message_id: message.message_id.to_string(), text };
        let sent_at = at(message.edit_date.unwrap_or(message.date));
        let event = Event { id: message.message_id, chat: chat_of(message), sender, content, sent_at };
        Ok(self.finish(event, Some(message)))
    }

    fn reaction(&self, reaction: &MessageReaction) -> Result<Message, Skipped> {
        let sender = match (&reaction.user, &reaction.actor_chat) {
            (Some(user), _) => party::of_user(user),
            (None, Some(chat)) => party::of_chat(chat),
            (None, None) => return Err(Skipped::NoSender),
        };
        let added = reaction.new_reaction.iter().find(|r| !reaction.old_reaction.contains(r));
        let emoji = added.map(|r| match (&r.emoji, &r.custom_emoji_id) {
            (Some(emoji), _) => emoji.clone(),
            (None, Some(id)) => format!("custom:{id}"),
            (None, None) => r.kind.clone(),
        });
        let content = Content::Reaction { message_id: reaction.message_id.to_string(), emoji };
        let chat = chat_from(&reaction.chat, None);
        let sent_at = at(reaction.date);
        Ok(self.finish(Event { id: reaction.message_id, chat, sender, content, sent_at }, None))
    }

    /// A press has no date of its own, and the message with the button may be old: it happened now.
    fn pressed(&self, query: &CallbackQuery, now: UnixMillis) -> Result<Message, Skipped> {
        let message = query.message.as_ref().ok_or(Skipped::NoChat)?;
        let event = Event {
            id: message.message_id,
            chat: chat_of(message),
            sender: party::of_user(&query.from),
            content: Content::Button(query.data.clone().unwrap_or_default()),
            sent_at: now,
        };
        let mut pressed = self.finish(event, None);
        // The buttons are ours: nobody else's message could carry one that reaches us.
        pressed.mentions_me = true;
        pressed.quoted = Some(quote(message));
        Ok(pressed)
    }

    fn sender(&self, message: &types::Message) -> Result<Party, Skipped> {
        if message.from.as_ref().is_some_and(|user| user.id == self.me.id) {
            return Err(Skipped::Own);
        }
        party::of_sender(message).ok_or(Skipped::NoSender)
    }

    /// `message` is the one the event is about, where it was written just now.
    fn finish(&self, event: Event, message: Option<&types::Message>) -> Message {
        let direct = event.chat.kind == ChatKind::Direct;
        let mut extra = Vec::new();
        if message.is_some_and(|m| m.forward_origin.is_some()) {
            extra.push(("forwarded".to_owned(), "true".to_owned()));
        }
        if let Some(album) = message.and_then(|m| m.media_group_id.clone()) {
            extra.push(("album".to_owned(), album));
        }
        Message {
            id: event.id.to_string(),
            channel: self.channel.clone(),
            connector: KIND.to_owned(),
            account: self.account.clone(),
            chat: event.chat,
            sender: event.sender,
            content: event.content,
            attachments: message.map(attachments::of).unwrap_or_default(),
            mentions_me: direct || message.is_some_and(|m| mention::of(m, &self.me)),
            quoted: message.and_then(mention::answered).map(quote),
            sent_at: event.sent_at,
            extra,
        }
    }
}

/// A time that Telegram gives in seconds. One that is too far away is the last there is.
fn at(seconds: u64) -> UnixMillis {
    UnixMillis(seconds.saturating_mul(1000))
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(body)
}

/// The name of the one field beside the id, which says what an update is.
fn kind_of(update: &Value) -> &str {
    let names = update.as_object().into_iter().flat_map(|fields| fields.keys());
    names.map(String::as_str).find(|name| *name != "update_id").unwrap_or("none")
}

/// What a message without text and attachments is about: the field that all the others do not have.
fn service_kind(raw: &Value) -> &str {
    const FRAME: [&str; 14] = [
        "author_signature",
        "chat",
        "date",
        "forward_origin",
        "from",
        "has_protected_content",
        "is_topic_message",
        "link_preview_options",
        "message_id",
        "message_thread_id",
        "reply_to_message",
        "sender_boost_count",
        "sender_chat",
        "via_bot",
    ];
    let names = raw.as_object().into_iter().flat_map(|fields| fields.keys());
    names.map(String::as_str).find(|name| !FRAME.contains(name)).unwrap_or("message")
}

fn chat_of(message: &types::Message) -> Chat {
    chat_from(&message.chat, message.thread())
}

fn chat_from(chat: &types::Chat, thread: Option<i64>) -> Chat {
    let kind = match chat.kind.as_str() {
        "private" => ChatKind::Direct,
        "channel" => ChatKind::Channel,
        _ => ChatKind::Group,
    };
    Chat { id: chat.id.to_string(), kind, title: chat.title.clone(), thread: thread.map(|id| id.to_string()) }
}

fn quote(message: &types::Message) -> Quoted {
    Quoted {
        message_id: message.message_id.to_string(),
        sender: party::of_sender(message),
        text: message.written().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests;
