//! The methods of the Bot API that the fake knows.

mod change;
mod files;
mod send;
mod updates;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::ledger::{Accepted, now_us};
use crate::markup::{Marked, parse_html};
use crate::net::Peer;
use crate::params::Params;
use crate::refusal::{Answer, Refusal};
use crate::world::{Fake, World};

pub(crate) use self::files::stored;
pub(crate) use self::send::{merge, without_answer};

/// Every method, as Telegram writes it.
const METHODS: [&str; 24] = [
    "answerCallbackQuery",
    "deleteMessage",
    "deleteWebhook",
    "editMessageReplyMarkup",
    "editMessageText",
    "forwardMessage",
    "getChat",
    "getFile",
    "getMe",
    "getUpdates",
    "getWebhookInfo",
    "sendAnimation",
    "sendAudio",
    "sendChatAction",
    "sendContact",
    "sendDocument",
    "sendLocation",
    "sendMessage",
    "sendPhoto",
    "sendSticker",
    "sendVideo",
    "sendVoice",
    "setMessageReaction",
    "setMyCommands",
];

/// Telegram takes the names of methods in any case.
pub(crate) fn named(name: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|method| method.eq_ignore_ascii_case(name))
}

/// A call of a method by a bot that proved who it is.
pub(crate) struct Call<'a> {
    pub(crate) fake: &'a Arc<Fake>,
    pub(crate) peer: &'a Peer,
    pub(crate) bot: i64,
    pub(crate) method: &'static str,
    pub(crate) params: Params,
}

/// What a method did, for the ledger.
#[derive(Default)]
struct Done {
    result: Value,
    chat: Option<i64>,
    thread: Option<i64>,
    text: Option<String>,
    message_id: Option<i64>,
}

impl Done {
    fn result(result: impl Into<Value>) -> Self {
        Self { result: result.into(), ..Self::default() }
    }
}

impl Call<'_> {
    pub(crate) async fn carry_out(self) -> Answer {
        match self.method {
            "getUpdates" => return self.get_updates().await,
            "getMe" => return Ok(self.fake.world().bot(self.bot)?.me()),
            "getWebhookInfo" => {
                return Ok(json!({ "url": "", "has_custom_certificate": false, "pending_update_count": 0 }));
            }
            "deleteWebhook" | "setMyCommands" => return Ok(true.into()),
            _ => {}
        }
        let mut world = self.fake.world();
        let done = match self.method {
            "getChat" => return Ok(world.bot(self.bot)?.chat(self.chat_id("chat_id")?)?.shown.clone()),
            "getFile" => return self.get_file(&mut world),
            "sendChatAction" => self.chat_action(&mut world)?,
            "answerCallbackQuery" => self.answer_press(&mut world)?,
            "editMessageText" => self.edit_text(&mut world)?,
            "editMessageReplyMarkup" => self.edit_markup(&mut world)?,
            "deleteMessage" => self.delete(&mut world)?,
            "setMessageReaction" => self.react(&mut world)?,
            "forwardMessage" => self.forward(&mut world)?,
            _ => self.send(&mut world)?,
        };
        let at_us = now_us();
        world.ledger.accept(Accepted {
            at_ms: at_us / 1000,
            at_us,
            bot: self.bot,
            method: self.method,
            chat: done.chat,
            thread: done.thread,
            text: done.text,
            message_id: done.message_id,
            params: self.params.values,
            connection: self.peer.connection,
            port: self.peer.port,
        });
        Ok(done.result)
    }

    fn chat_id(&self, name: &str) -> Answer<i64> {
        match self.params.number(name) {
            Some(id) => Ok(id),
            None if self.params.values.contains_key(name) => Err(Refusal::bad_request("chat not found")),
            None => Err(Refusal::bad_request(format_args!("{name} is empty"))),
        }
    }

    fn message_id(&self, what: &str) -> Answer<i64> {
        self.params
            .number("message_id")
            .ok_or_else(|| Refusal::bad_request(format_args!("message to {what} not found")))
    }

    /// A text parameter with its markup read, or with the entities that were sent.
    fn marked(&self, name: &str) -> Answer<Marked> {
        let text = self.params.text(name).unwrap_or_default();
        let mode = self.params.text("parse_mode").unwrap_or_default();
        let mut marked = match mode.to_ascii_lowercase().as_str() {
            "" => Marked::plain(text),
            "html" => parse_html(text)?,
            _ => return Err(Refusal::bad_request("unsupported parse_mode")),
        };
        if let Some(Value::Array(entities)) = self.params.json("entities")?.filter(|_| mode.is_empty()) {
            marked.entities = entities;
        }
        Ok(marked)
    }

    /// Counts a message against the limits, where they are enforced.
    fn within_limits(&self, world: &mut World, chat: i64) -> Answer<()> {
        world.limits.count(chat, std::time::Instant::now()).map_err(Refusal::too_many)
    }
}
