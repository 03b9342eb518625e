//! Whether a message in a group is meant for us.

use std::ops::Range;

use crate::types::{Entity, Message, User};

/// Whether a message names us, addresses a command to us, or answers us.
pub(super) fn of(message: &Message, me: &User) -> bool {
    let answers_me = answered(message).and_then(|m| m.from.as_ref()).is_some_and(|from| from.id == me.id);
    answers_me || names(message, &message.entities, me) || names(message, &message.caption_entities, me)
}

/// The message answered. In a topic, whatever answers nothing claims to answer the message that opened the topic.
pub(super) fn answered(message: &Message) -> Option<&Message> {
    message.reply_to_message.as_deref().filter(|quoted| quoted.forum_topic_created.is_none())
}

/// The text, with `/stop@our_bot` at its start read as `/stop`: in a group that is how people must write it.
pub(super) fn without_own_address(message: &Message, me: &User) -> String {
    let Some(text) = message.written() else { return String::new() };
    let entities = if message.text.is_some() { &message.entities } else { &message.caption_entities };
    let command = entities.iter().find(|e| e.kind == "bot_command" && e.offset == 0);
    let Some(range) = command.and_then(|entity| bytes_of(text, entity)) else { return text.to_owned() };
    match text[range.clone()].split_once('@') {
        Some((command, to)) if is_me(to, me) => format!("{command}{}", &text[range.end..]),
        _ => text.to_owned(),
    }
}

fn names(message: &Message, entities: &[Entity], me: &User) -> bool {
    let Some(text) = message.written() else { return false };
    entities.iter().any(|entity| {
        let marked = bytes_of(text, entity).map_or("", |range| &text[range]);
        match entity.kind.as_str() {
            "mention" => marked.strip_prefix('@').is_some_and(|name| is_me(name, me)),
            "bot_command" => marked.split_once('@').is_some_and(|(_, name)| is_me(name, me)),
            "text_mention" => entity.user.as_ref().is_some_and(|user| user.id == me.id),
            _ => false,
        }
    })
}

fn is_me(name: &str, me: &User) -> bool {
    me.username.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name))
}

/// Entities count UTF-16 units; one that points outside of the text marks nothing.
fn bytes_of(text: &str, entity: &Entity) -> Option<Range<usize>> {
    let at = |units: usize| {
        let mut seen = 0;
        for (byte, c) in text.char_indices() {
            if seen == units {
                return Some(byte);
            }
            seen += c.len_utf16();
        }
        (seen == units).then_some(text.len())
    };
    Some(at(entity.offset)?..at(entity.offset.checked_add(entity.length)?)?)
}
