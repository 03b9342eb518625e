//! Sending: an action becomes calls, and what came of them.

mod failure;
mod progress;
mod send;

use serde_json::{Map, Value, json};
use switchhook_core::action::{Action, TextFormat};
use switchhook_core::connector::{Delivery, DeliveryError, Receipt};
use switchhook_core::message::{Chat, ChatKind};

use self::failure::{class, markup_refused, not_modified};
pub(crate) use self::progress::Progress;
use crate::api::{CALL_TIMEOUT, CallError};
use crate::connector::TelegramConnector;
use crate::kind::ID_PREFIX;
use crate::markup;
use crate::types::Sent;

/// The parameters of a call.
type Params = Map<String, Value>;

impl TelegramConnector {
    pub(crate) async fn carry_out(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        match &delivery.action {
            Action::Send(outgoing) => self.send(delivery, outgoing).await,
            Action::Edit { message_id, text, format } => self.edit(delivery, message_id, text, *format).await,
            Action::Delete { message_id } => self.delete(delivery, message_id).await,
            Action::React { message_id, emoji } => self.react(delivery, message_id, emoji.as_deref()).await,
            // Bots have no read marks.
            Action::MarkRead => Ok(Receipt::default()),
            Action::Forward { message_id, to } => self.forward(delivery, message_id, to).await,
            Action::Other { kind, .. } => Err(unsupported(kind)),
            Action::Schedule { .. } | Action::CancelTurn | Action::NewConversation => {
                Err(unsupported("the host's own"))
            }
        }
    }

    pub(crate) async fn show_typing(&self, chat: &Chat) {
        let mut params = to_chat(&chat.id);
        in_thread(&mut params, chat.thread.as_deref());
        params.insert("action".to_owned(), json!("typing"));
        if let Err(error) = self.bot.call::<Value>("sendChatAction", &params, CALL_TIMEOUT).await {
            tracing::debug!(channel = %self.channel, %error, "typing is not shown");
        }
    }

    async fn edit(
        &self,
        delivery: &Delivery,
        message: &str,
        text: &str,
        format: TextFormat,
    ) -> Result<Receipt, DeliveryError> {
        let params = about(&delivery.chat, message)?;
        match self.call_with_text("editMessageText", params, Text::new("text", text, format)).await {
            Ok(_) => Ok(receipt(message)),
            Err(error) if not_modified(&error) => Ok(receipt(message)),
            Err(error) => Err(class(error)),
        }
    }

    async fn delete(&self, delivery: &Delivery, message: &str) -> Result<Receipt, DeliveryError> {
        match self.call("deleteMessage", about(&delivery.chat, message)?).await {
            Ok(_) => Ok(receipt(message)),
            // Gone is what was asked for; an earlier attempt may have done it.
            Err(CallError::Refused { description, .. }) if description.contains("message to delete not found") => {
                Ok(receipt(message))
            }
            Err(error) => Err(class(error)),
        }
    }

    async fn react(&self, delivery: &Delivery, message: &str, emoji: Option<&str>) -> Result<Receipt, DeliveryError> {
        let mut params = about(&delivery.chat, message)?;
        let reaction: Vec<Value> = emoji.iter().map(|emoji| json!({ "type": "emoji", "emoji": emoji })).collect();
        params.insert("reaction".to_owned(), reaction.into());
        self.call("setMessageReaction", params).await.map_err(class)?;
        Ok(receipt(message))
    }

    async fn forward(&self, delivery: &Delivery, message: &str, to: &str) -> Result<Receipt, DeliveryError> {
        let mut params = about(to, message)?;
        params.insert("from_chat_id".to_owned(), chat_id(&delivery.chat));
        sent(self.call("forwardMessage", params).await.map_err(class)?)
    }

    /// Calls a method that concerns a chat. A group that has become a supergroup is followed to its new id.
    async fn call(&self, method: &str, mut params: Params) -> Result<Value, CallError> {
        match self.bot.call(method, &params, CALL_TIMEOUT).await {
            Err(CallError::Refused { migrated_to: Some(id), .. }) => {
                params.insert("chat_id".to_owned(), json!(id));
                self.bot.call(method, &params, CALL_TIMEOUT).await
            }
            other => other,
        }
    }

    /// Calls a method with a formatted text; where Telegram does not take our markup, the text goes as it was written.
    async fn call_with_text(&self, method: &str, params: Params, text: Text<'_>) -> Result<Value, CallError> {
        match self.call(method, text.formatted(params.clone())).await {
            Err(error) if text.format == TextFormat::Markdown && markup_refused(&error) => {
                tracing::warn!(channel = %self.channel, %error, "a formatted text is sent plain");
                self.call(method, text.plain(params)).await
            }
            other => other,
        }
    }
}

/// A text parameter and how it is written.
#[derive(Clone, Copy)]
struct Text<'a> {
    name: &'static str,
    text: &'a str,
    format: TextFormat,
}

impl<'a> Text<'a> {
    fn new(name: &'static str, text: &'a str, format: TextFormat) -> Self {
        Self { name, text, format }
    }
    fn formatted(self, mut params: Params) -> Params {
        match self.format {
            TextFormat::Plain => self.plain(params),
            TextFormat::Markdown => {
                params.insert(self.name.to_owned(), markup::html(self.text).into());
                params.insert("parse_mode".to_owned(), "HTML".into());
                params
            }
        }
    }
    fn plain(self, mut params: Params) -> Params {
        params.insert(self.name.to_owned(), self.text.into());
        params
    }
}

fn to_chat(chat: &str) -> Params {
    Params::from_iter([("chat_id".to_owned(), chat_id(chat))])
}

fn in_thread(params: &mut Params, thread: Option<&str>) {
    if let Some(thread) = thread.and_then(|id| id.parse::<i64>().ok()) {
        params.insert("message_thread_id".to_owned(), thread.into());
    }
}

fn about(chat: &str, message: &str) -> Result<Params, DeliveryError> {
    let mut params = to_chat(chat);
    params.insert("message_id".to_owned(), message_id(message)?.into());
    Ok(params)
}

/// A number, or the `@name` of a public channel.
fn chat_id(chat: &str) -> Value {
    chat.parse::<i64>().map_or_else(|_| chat.into(), Value::from)
}

/// The chat that a text names: `12345`, `tg:12345`, a group's `-100…`, or the `@name` of a public one.
pub(crate) fn chat(named: &str) -> Option<Chat> {
    let own = named.strip_prefix(ID_PREFIX).and_then(|rest| rest.strip_prefix(':')).unwrap_or(named);
    let is_public = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let kind = match own.strip_prefix('@') {
        Some(name) => is_public(name).then_some(ChatKind::Group)?,
        // A phone number: bots can't write to one.
        None if own.starts_with('+') => return None,
        None if own.parse::<i64>().ok()? > 0 => ChatKind::Direct,
        None => ChatKind::Group,
    };
    Some(Chat { id: own.to_owned(), kind, title: None, thread: None })
}

fn message_id(id: &str) -> Result<i64, DeliveryError> {
    id.parse().map_err(|_| DeliveryError::Rejected {
        code: "bad-message-id".to_owned(),
        reason: format!("`{id}` is no message of Telegram's: those are numbers"),
    })
}

fn receipt(message: &str) -> Receipt {
    Receipt { provider_id: Some(message.to_owned()) }
}

/// The receipt of a message sent. One that can't be read leaves no doubt that something was sent, only what.
fn sent(result: Value) -> Result<Receipt, DeliveryError> {
    match serde_json::from_value::<Sent>(result) {
        Ok(sent) => Ok(receipt(&sent.message_id.to_string())),
        Err(_) => Ok(Receipt::default()),
    }
}

fn unsupported(what: &str) -> DeliveryError {
    DeliveryError::Rejected { code: "unsupported".to_owned(), reason: format!("Telegram has no action `{what}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B11: what names no chat is found before anything is sent.
    #[test]
    fn chats_are_ids_and_public_names() {
        for (named, id, kind) in [
            ("12345", "12345", ChatKind::Direct),
            ("tg:12345", "12345", ChatKind::Direct),
            ("-1001234", "-1001234", ChatKind::Group),
            ("@tea_club", "@tea_club", ChatKind::Group),
        ] {
            let chat = chat(named).unwrap();
            assert_eq!((chat.id.as_str(), chat.kind), (id, kind), "{named}");
        }
        for bad in ["", "+15551234567", "bob", "@", "@two words", "wa:12345", "1.5", "0x10"] {
            assert_eq!(chat(bad), None, "{bad}");
        }
    }
}
