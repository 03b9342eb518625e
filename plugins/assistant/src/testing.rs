//! Messages and turns to try things on.

use crate::{Chat, ChatKind, Content, Message, Party, Speaker, Standing, Turn};

pub(crate) fn message(kind: ChatKind, text: &str) -> Message {
    Message {
        id: "1".into(),
        channel: "me".into(),
        connector: "telegram".into(),
        account: "telegram:4242".into(),
        chat: Chat { id: "7".into(), kind, title: None, thread: None },
        sender: Party {
            id: "tg:12345".into(),
            aliases: vec![],
            name: Some("Ann".into()),
            standing: Standing::Approved,
        },
        content: Content::Text(text.into()),
        attachments: vec![],
        mentions_me: true,
        quoted: None,
        sent_at_ms: 0,
        extra: vec![],
    }
}

pub(crate) fn turn(speaker: Speaker, text: &str) -> Turn {
    Turn { speaker, name: (speaker == Speaker::Person).then(|| "Bea".into()), text: text.into(), at_ms: 0 }
}
