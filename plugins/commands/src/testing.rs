//! A message to try things on.

use crate::{Chat, ChatKind, Content, Message, Party, Standing};

pub(crate) fn message(kind: ChatKind, text: &str) -> Message {
    Message {
        id: "1".into(),
        channel: "me".into(),
        connector: "telegram".into(),
        account: "telegram:4242".into(),
        chat: Chat { id: "7".into(), kind, title: None, thread: Some("3".into()) },
        sender: Party {
            id: "tg:12345".into(),
            aliases: vec!["+15551234567".into()],
            name: None,
            standing: Standing::Approved,
        },
        content: Content::Text(text.into()),
        attachments: vec![],
        mentions_me: kind == ChatKind::Direct,
        quoted: None,
        sent_at_ms: 0,
        extra: vec![],
    }
}
