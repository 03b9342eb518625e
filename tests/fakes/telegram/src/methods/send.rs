//! Messages into a chat: texts, files, places, contacts, forwards.

use serde_json::{Value, json};

use super::{Call, Done};
use crate::bot::{Bot, Stored};
use crate::ledger::now_ms;
use crate::markup::Marked;
use crate::refusal::{Answer, Refusal};
use crate::world::World;

/// UTF-16 units, after entities are parsed.
const MAX_TEXT: usize = 4096;
const MAX_CAPTION: usize = 1024;
/// Bytes.
const MAX_BUTTON: usize = 64;

impl Call<'_> {
    pub(super) fn send(&self, world: &mut World) -> Answer<Done> {
        let chat = self.chat_id("chat_id")?;
        let body = self.body(world.bot(self.bot)?)?;
        let markup = self.keyboard()?;
        let bot = world.bot(self.bot)?;
        let thread = self.thread(bot, chat)?;
        let answered = self.answered(bot, chat)?;
        self.within_limits(world, chat)?;
        let bot = world.bot(self.bot)?;
        let from = bot.user();
        let chat_of = bot.chat(chat)?;
        let id = chat_of.next_message();
        let mut shown = json!({ "message_id": id, "from": from, "chat": chat_of.shown, "date": now_ms() / 1000 });
        merge(&mut shown, body);
        if let Some(thread) = thread {
            merge(&mut shown, json!({ "message_thread_id": thread, "is_topic_message": true }));
        }
        if let Some(answered) = answered {
            shown["reply_to_message"] = answered;
        }
        if let Some(markup) = markup {
            shown["reply_markup"] = markup;
        }
        chat_of.keep(id, shown.clone(), true);
        let text = shown["text"].as_str().or(shown["caption"].as_str()).map(str::to_owned);
        Ok(Done { result: shown, chat: Some(chat), thread, text, message_id: Some(id) })
    }

    /// What the message consists of.
    fn body(&self, bot: &mut Bot) -> Answer<Value> {
        match self.method {
            "sendMessage" => checked_text(self.marked("text")?),
            "sendLocation" => {
                let at = self.params.decimal("latitude").zip(self.params.decimal("longitude"));
                let (latitude, longitude) = at.ok_or_else(|| Refusal::bad_request("latitude is empty"))?;
                Ok(json!({ "location": { "latitude": latitude, "longitude": longitude } }))
            }
            "sendContact" => {
                let phone_number = self.needed("phone_number")?;
                let first_name = self.needed("first_name")?;
                Ok(json!({ "contact": { "phone_number": phone_number, "first_name": first_name } }))
            }
            method => {
                let field = method.trim_start_matches("send").to_ascii_lowercase();
                let caption = self.marked("caption")?;
                if caption.units() > MAX_CAPTION {
                    return Err(Refusal::bad_request("message caption is too long"));
                }
                let mut body = json!({ &field: self.file(bot, &field)? });
                if !caption.text.is_empty() {
                    merge(&mut body, json!({ "caption": caption.text, "caption_entities": caption.entities }));
                }
                Ok(body)
            }
        }
    }

    fn needed(&self, name: &str) -> Answer<&str> {
        let value = self.params.text(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Refusal::bad_request(format_args!("{name} is empty")))
    }

    fn thread(&self, bot: &mut Bot, chat: i64) -> Answer<Option<i64>> {
        let chat = bot.chat(chat)?;
        match self.params.number("message_thread_id") {
            Some(thread) if !chat.threads.contains(&thread) => Err(Refusal::bad_request("message thread not found")),
            thread => Ok(thread),
        }
    }

    fn answered(&self, bot: &mut Bot, chat: i64) -> Answer<Option<Value>> {
        let Some(reply) = self.params.json("reply_parameters")? else { return Ok(None) };
        let chat = bot.chat(chat)?;
        let found = reply["message_id"].as_i64().and_then(|id| chat.messages.get(&id));
        match found {
            Some(message) => Ok(Some(without_answer(message))),
            None if reply["allow_sending_without_reply"] == true => Ok(None),
            None => Err(Refusal::bad_request("message to be replied not found")),
        }
    }

    /// The buttons, as Telegram would take them.
    pub(super) fn keyboard(&self) -> Answer<Option<Value>> {
        let Some(markup) = self.params.json("reply_markup")? else { return Ok(None) };
        let Some(rows) = markup["inline_keyboard"].as_array() else { return Ok(Some(markup)) };
        let keys = rows.iter().filter_map(Value::as_array).flatten();
        for key in keys {
            if key["text"].as_str().is_none_or(str::is_empty) {
                return Err(Refusal::bad_request(
                    "can't parse inline keyboard button: Field \"text\" must be of type String",
                ));
            }
            match key["callback_data"].as_str() {
                Some(data) if data.is_empty() || data.len() > MAX_BUTTON => {
                    return Err(Refusal::bad_request("BUTTON_DATA_INVALID"));
                }
                None if key["url"].as_str().is_none() => {
                    return Err(Refusal::bad_request(
                        "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
                    ));
                }
                _ => {}
            }
        }
        Ok(Some(markup))
    }

    pub(super) fn forward(&self, world: &mut World) -> Answer<Done> {
        let (to, from) = (self.chat_id("chat_id")?, self.chat_id("from_chat_id")?);
        let wanted = self.message_id("forward")?;
        let bot = world.bot(self.bot)?;
        let source = bot.chat(from)?.messages.get(&wanted).cloned();
        let mut shown = source.ok_or_else(|| Refusal::bad_request("message to forward not found"))?.shown;
        bot.chat(to)?;
        self.within_limits(world, to)?;
        let bot = world.bot(self.bot)?;
        let user = bot.user();
        let chat = bot.chat(to)?;
        let id = chat.next_message();
        let origin = json!({ "type": "user", "sender_user": shown["from"], "date": shown["date"] });
        let frame = json!({ "message_id": id, "from": user, "chat": chat.shown, "date": now_ms() / 1000, "forward_origin": origin });
        merge(&mut shown, frame);
        chat.keep(id, shown.clone(), true);
        let text = shown["text"].as_str().map(str::to_owned);
        Ok(Done { result: shown, chat: Some(to), thread: None, text, message_id: Some(id) })
    }
}

/// A text as a message shows it, if Telegram takes it.
pub(super) fn checked_text(marked: Marked) -> Answer<Value> {
    if marked.text.trim().is_empty() {
        return Err(Refusal::bad_request("message text is empty"));
    }
    if marked.units() > MAX_TEXT {
        return Err(Refusal::bad_request("message is too long"));
    }
    let mut body = json!({ "text": marked.text });
    if !marked.entities.is_empty() {
        body["entities"] = marked.entities.into();
    }
    Ok(body)
}

/// A message as another one quotes it: Telegram shows one level.
pub(crate) fn without_answer(message: &Stored) -> Value {
    let mut shown = message.shown.clone();
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("reply_to_message");
    }
    shown
}

pub(crate) fn merge(into: &mut Value, fields: Value) {
    if let (Value::Object(into), Value::Object(fields)) = (into, fields) {
        into.extend(fields);
    }
}
