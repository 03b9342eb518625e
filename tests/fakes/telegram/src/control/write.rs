//! People write, press and react.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shared, Told, Wrong, bot_id};
use crate::bot::{Bot, Chat};
use crate::ledger::{now_ms, now_us};
use crate::methods::{merge, stored, without_answer};
use crate::params::Upload;
use crate::world::World;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    id: i64,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
}

impl Person {
    fn shown(&self) -> Value {
        let first_name = self.first_name.clone().unwrap_or_else(|| format!("Person {}", self.id));
        let mut shown = json!({ "id": self.id, "is_bot": false, "first_name": first_name });
        if let Some(username) = &self.username {
            shown["username"] = username.as_str().into();
        }
        if let Some(last_name) = &self.last_name {
            shown["last_name"] = last_name.as_str().into();
        }
        shown
    }
}

/// A file sent along; its content is a text, which is enough to tell files apart.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SentFile {
    /// The field of the message: photo, document, voice, video, audio, sticker.
    kind: String,
    content: String,
    name: Option<String>,
    media_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Writing {
    bot: Option<Value>,
    /// The person's own chat, if left out.
    chat: Option<i64>,
    /// private, group, supergroup or channel; by the sign of the chat's id, if left out.
    kind: Option<String>,
    title: Option<String>,
    from: Person,
    #[serde(default)]
    text: String,
    /// Found in the text (mentions, commands), if left out.
    entities: Option<Vec<Value>>,
    thread: Option<i64>,
    reply_to: Option<i64>,
    photo: Option<String>,
    file: Option<SentFile>,
    /// Further fields of the message, as the Bot API names them.
    extra: Option<Value>,
}

pub(super) async fn write(State(fake): Shared, Json(writing): Json<Writing>) -> Told {
    let told = queue(&mut fake.world(), writing).map(Json);
    fake.ring();
    told
}

/// All of them at once: no poll sees a part of them. The first that is wrong ends it.
pub(super) async fn writes(State(fake): Shared, Json(writings): Json<Vec<Writing>>) -> Told {
    let told: Result<Vec<Value>, Wrong> = {
        let mut world = fake.world();
        writings.into_iter().map(|writing| queue(&mut world, writing)).collect()
    };
    fake.ring();
    told.map(|told| Json(told.into()))
}

fn queue(world: &mut World, writing: Writing) -> Result<Value, Wrong> {
    let id = bot_id(world, writing.bot.as_ref())?;
    let bot = world.bots.get_mut(&id).ok_or_else(|| Wrong::request("no such bot"))?;
    let file = files(bot, &writing);
    let chat_id = writing.chat.unwrap_or(writing.from.id);
    let chat = bot.meet(chat_id, chat_shown(chat_id, &writing));
    let answered = match writing.reply_to {
        None => None,
        Some(id) => Some(chat.messages.get(&id).ok_or_else(|| Wrong::request("there is no message to reply to"))?),
    };
    let answered = answered.map(without_answer);
    let id = chat.next_message();
    let mut message = json!({
        "message_id": id, "from": writing.from.shown(), "chat": chat.shown, "date": now_ms() / 1000,
    });
    let (text, marks) = if file.is_null() { ("text", "entities") } else { ("caption", "caption_entities") };
    if !writing.text.is_empty() {
        message[text] = writing.text.as_str().into();
    }
    let entities = writing.entities.unwrap_or_else(|| found(&writing.text));
    if !entities.is_empty() {
        message[marks] = entities.into();
    }
    merge(&mut message, file);
    if let Some(thread) = writing.thread {
        chat.threads.insert(thread);
        merge(&mut message, json!({ "message_thread_id": thread, "is_topic_message": true }));
    }
    if let Some(answered) = answered {
        message["reply_to_message"] = answered;
    }
    merge(&mut message, writing.extra.unwrap_or_default());
    chat.keep(id, message.clone(), false);
    let kind = if chat.shown["type"] == "channel" { "channel_post" } else { "message" };
    let update = bot.queue(json!({ kind: message }));
    Ok(json!({ "update_id": update, "message_id": id, "at_us": now_us() }))
}

fn chat_shown(id: i64, writing: &Writing) -> Value {
    let by_sign = if id > 0 { "private" } else { "supergroup" };
    let kind = writing.kind.as_deref().unwrap_or(by_sign);
    let mut shown = json!({ "id": id, "type": kind });
    if kind == "private" {
        merge(&mut shown, writing.from.shown());
        merge(&mut shown, json!({ "id": id }));
        if let Some(fields) = shown.as_object_mut() {
            fields.remove("is_bot");
        }
    } else {
        shown["title"] = writing.title.clone().unwrap_or_else(|| format!("Group {id}")).into();
    }
    shown
}

fn files(bot: &mut Bot, writing: &Writing) -> Value {
    let photo = writing.photo.as_ref().map(|content| SentFile {
        kind: "photo".to_owned(),
        content: content.clone(),
        name: None,
        media_type: None,
    });
    let Some(file) = photo.as_ref().or(writing.file.as_ref()) else { return Value::Null };
    let bytes = Bytes::from(file.content.clone());
    let upload = Upload { name: file.name.clone(), media_type: file.media_type.clone(), bytes };
    json!({ &file.kind: stored(bot, &file.kind, &upload) })
}

/// Mentions and commands, where Telegram would find them: at the start of a word.
fn found(text: &str) -> Vec<Value> {
    let mut entities = Vec::new();
    let mut offset = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '@';
        let marked: String = word.chars().take(1).chain(word.chars().skip(1).take_while(|c| legal(*c))).collect();
        let kind = match marked.chars().next() {
            Some('/') if marked.len() > 1 => Some("bot_command"),
            Some('@') if marked.len() > 1 => Some("mention"),
            _ => None,
        };
        if let Some(kind) = kind {
            entities.push(json!({ "type": kind, "offset": offset, "length": marked.len() }));
        }
        offset += word.encode_utf16().count();
    }
    entities
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    bot: Option<Value>,
    update: Value,
}

/// Any update at all, as it is; its id is given unless it has one.
pub(super) async fn update(State(fake): Shared, Json(raw): Json<Raw>) -> Told {
    if !raw.update.is_object() {
        return Err(Wrong::request("an update is an object"));
    }
    let update = with_bot(&mut fake.world(), raw.bot.as_ref(), |bot| Ok(bot.queue(raw.update)))?;
    fake.ring();
    Ok(Json(json!({ "update_id": update })))
}

/// What concerns a message that is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    bot: Option<Value>,
    chat: i64,
    message_id: i64,
    from: Option<Person>,
    text: Option<String>,
    data: Option<String>,
    emoji: Option<String>,
}

pub(super) async fn edit(State(fake): Shared, Json(about): Json<About>) -> Told {
    let text = about.text.as_deref().ok_or_else(|| Wrong::request("an edit needs a text"))?;
    let update = with_bot(&mut fake.world(), about.bot.as_ref(), |bot| {
        let (_, message) = found_message(bot, &about)?;
        message["text"] = text.into();
        message["edit_date"] = (now_ms() / 1000).into();
        let message = message.clone();
        Ok(bot.queue(json!({ "edited_message": message })))
    })?;
    fake.ring();
    Ok(Json(json!({ "update_id": update })))
}

/// Presses a button that the bot's message has.
pub(super) async fn press(State(fake): Shared, Json(about): Json<About>) -> Told {
    let (from, data) = (person(&about)?, about.data.clone().unwrap_or_default());
    let id = with_bot(&mut fake.world(), about.bot.as_ref(), |bot| {
        let (_, message) = found_message(bot, &about)?;
        let rows = message["reply_markup"]["inline_keyboard"].as_array().into_iter().flatten();
        let mut keys = rows.filter_map(Value::as_array).flatten();
        if !keys.any(|key| key["callback_data"] == data.as_str()) {
            return Err(Wrong::request("the message has no such button"));
        }
        let message = message.clone();
        let press = format!("press-{}", bot.next_press());
        bot.presses.insert(press.clone());
        let query = json!({ "id": press, "from": from, "message": message, "chat_instance": "1", "data": data });
        Ok(bot.queue(json!({ "callback_query": query })))
    })?;
    fake.ring();
    Ok(Json(json!({ "update_id": id })))
}

pub(super) async fn react(State(fake): Shared, Json(about): Json<About>) -> Told {
    let from = person(&about)?;
    let update = with_bot(&mut fake.world(), about.bot.as_ref(), |bot| {
        let (chat, _) = found_message(bot, &about)?;
        let given: Vec<Value> = about.emoji.iter().map(|emoji| json!({ "type": "emoji", "emoji": emoji })).collect();
        let reaction = json!({ "chat": chat, "message_id": about.message_id, "user": from, "date": now_ms() / 1000,
            "old_reaction": [], "new_reaction": given });
        Ok(bot.queue(json!({ "message_reaction": reaction })))
    })?;
    fake.ring();
    Ok(Json(json!({ "update_id": update })))
}

fn person(about: &About) -> Result<Value, Wrong> {
    about.from.as_ref().map(Person::shown).ok_or_else(|| Wrong::request("say who: `from`"))
}

fn with_bot<T>(
    world: &mut World,
    named: Option<&Value>,
    act: impl FnOnce(&mut Bot) -> Result<T, Wrong>,
) -> Result<T, Wrong> {
    let id = bot_id(world, named)?;
    act(world.bots.get_mut(&id).ok_or_else(|| Wrong::request("no such bot"))?)
}

/// The chat and the message, as the Bot API shows them.
fn found_message<'a>(bot: &'a mut Bot, about: &About) -> Result<(Value, &'a mut Value), Wrong> {
    let missing = || Wrong::request("there is no such message");
    let Chat { shown, messages, .. } = bot.chats.get_mut(&about.chat).ok_or_else(missing)?;
    let message = messages.get_mut(&about.message_id).ok_or_else(missing)?;
    Ok((shown.clone(), &mut message.shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_and_commands_are_found_where_telegram_finds_them() {
        let entities = found("👋 @hook_bot, see /stop@hook_bot a@b");
        assert_eq!(entities[0], json!({ "type": "mention", "offset": 3, "length": 9 }));
        assert_eq!(entities[1], json!({ "type": "bot_command", "offset": 18, "length": 14 }));
        assert_eq!(entities.len(), 2);
    }
}
