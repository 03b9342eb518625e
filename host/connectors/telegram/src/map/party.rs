//! Who wrote: every id a person is known by.

use switchhook_core::message::{Party, Standing};
use switchhook_core::person::PersonId;

use crate::kind::ID_PREFIX;
use crate::types::{Chat, Message, User};

/// The sender: the chat that speaks where one does (anonymous administrators, channels), else the person.
pub(super) fn of_sender(message: &Message) -> Option<Party> {
    let chat = message.sender_chat.as_ref().map(of_chat);
    let channel = || (message.chat.kind == "channel").then(|| of_chat(&message.chat));
    chat.or_else(|| message.from.as_ref().map(of_user)).or_else(channel)
}

pub(super) fn of_user(user: &User) -> Party {
    party(user.id, user.username.as_deref(), full_name(Some(&user.first_name), user.last_name.as_deref()))
}

pub(super) fn of_chat(chat: &Chat) -> Party {
    let name = chat.title.clone().or_else(|| full_name(chat.first_name.as_deref(), chat.last_name.as_deref()));
    party(chat.id, chat.username.as_deref(), name)
}

pub(super) fn full_name(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let name = [first.unwrap_or_default(), last.unwrap_or_default()].join(" ");
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

fn party(id: i64, username: Option<&str>, name: Option<String>) -> Party {
    Party {
        id: PersonId::new(ID_PREFIX, &id.to_string()),
        aliases: username.map(|name| PersonId::new(ID_PREFIX, &format!("@{name}"))).into_iter().collect(),
        name,
        standing: Standing::Unknown,
    }
}
