//! What concerns a message that is there already, or none at all.

use serde_json::{Value, json};

use super::send::{checked_text, merge};
use super::{Call, Done};
use crate::ledger::now_ms;
use crate::refusal::{Answer, Refusal};
use crate::world::World;

const ACTIONS: [&str; 11] = [
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

/// The reactions a bot may give (Bot API, `ReactionTypeEmoji`), as one text.
const REACTIONS: &str = "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 \
    😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡";

impl Call<'_> {
    pub(super) fn edit_text(&self, world: &mut World) -> Answer<Done> {
        let body = checked_text(self.marked("text")?)?;
        let text = body["text"].as_str().map(str::to_owned);
        let done = self.edit(world, body)?;
        Ok(Done { text, ..done })
    }

    pub(super) fn edit_markup(&self, world: &mut World) -> Answer<Done> {
        self.edit(world, json!({}))
    }

    /// Lays `body` and the keyboard over a message of the bot's.
    fn edit(&self, world: &mut World, mut body: Value) -> Answer<Done> {
        let (chat, id) = (self.chat_id("chat_id")?, self.message_id("edit")?);
        let markup = self.keyboard()?;
        let messages = &mut world.bot(self.bot)?.chat(chat)?.messages;
        let not_found = || Refusal::bad_request("message to edit not found");
        let message = messages.get_mut(&id).ok_or_else(not_found)?;
        if !message.by_bot {
            return Err(Refusal::bad_request("message can't be edited"));
        }
        if body["text"].is_string() {
            let entities = body.get("entities").cloned().unwrap_or(Value::Null);
            merge(&mut body, json!({ "entities": entities }));
        }
        merge(&mut body, json!({ "reply_markup": markup }));
        let same = body.as_object().is_some_and(|fields| fields.iter().all(|(name, new)| message.shown[name] == *new));
        if same {
            return Err(Refusal::bad_request(
                "message is not modified: specified new message content and reply markup are exactly the same as a \
                 current content and reply markup of the message",
            ));
        }
        merge(&mut message.shown, body);
        message.shown["edit_date"] = (now_ms() / 1000).into();
        if let Some(fields) = message.shown.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        Ok(Done { result: message.shown.clone(), chat: Some(chat), message_id: Some(id), ..Done::default() })
    }

    pub(super) fn delete(&self, world: &mut World) -> Answer<Done> {
        let (chat, id) = (self.chat_id("chat_id")?, self.message_id("delete")?);
        let of = world.bot(self.bot)?.chat(chat)?;
        let message = of.messages.get(&id).ok_or_else(|| Refusal::bad_request("message to delete not found"))?;
        // In a group the bot is no administrator.
        if !message.by_bot && !of.is_private() {
            return Err(Refusal::bad_request("message can't be deleted"));
        }
        of.messages.remove(&id);
        Ok(Done { chat: Some(chat), message_id: Some(id), ..Done::result(true) })
    }

    pub(super) fn react(&self, world: &mut World) -> Answer<Done> {
        let (chat, id) = (self.chat_id("chat_id")?, self.message_id("react")?);
        let given = self.params.json("reaction")?.unwrap_or_else(|| json!([]));
        let given = given.as_array().ok_or_else(|| Refusal::bad_request("can't parse reaction"))?;
        let known = |reaction: &Value| {
            reaction["type"] == "emoji"
                && reaction["emoji"].as_str().is_some_and(|e| REACTIONS.split_whitespace().any(|r| r == e))
        };
        if !given.iter().all(known) {
            return Err(Refusal::bad_request("REACTION_INVALID"));
        }
        if given.len() > 1 {
            return Err(Refusal::bad_request("REACTIONS_TOO_MANY"));
        }
        let of = world.bot(self.bot)?.chat(chat)?;
        of.messages.get(&id).ok_or_else(|| Refusal::bad_request("message to react not found"))?;
        Ok(Done { chat: Some(chat), message_id: Some(id), ..Done::result(true) })
    }

    pub(super) fn chat_action(&self, world: &mut World) -> Answer<Done> {
        let chat = self.chat_id("chat_id")?;
        world.bot(self.bot)?.chat(chat)?;
        if !self.params.text("action").is_some_and(|action| ACTIONS.contains(&action)) {
            return Err(Refusal::bad_request("wrong parameter action in request"));
        }
        Ok(Done { chat: Some(chat), thread: self.params.number("message_thread_id"), ..Done::result(true) })
    }

    pub(super) fn answer_press(&self, world: &mut World) -> Answer<Done> {
        let id = self.params.text("callback_query_id").unwrap_or_default();
        if world.bot(self.bot)?.presses.remove(id) {
            return Ok(Done::result(true));
        }
        Err(Refusal::bad_request("query is too old and response timeout expired or query ID is invalid"))
    }
}
