//! A message as words the model can read.

use crate::{Attachment, AttachmentKind, ChatKind, Content, Message};

/// The longest name put in front of a message, in characters.
const NAME: usize = 64;

pub(crate) fn has_several_speakers(messages: &[Message]) -> bool {
    messages.iter().any(|message| message.chat.kind != ChatKind::Direct)
}

/// What was said, with what was sent along in brackets, and in front the speaker's name if `named`.
pub(crate) fn spoken(message: &Message, named: bool) -> String {
    let text = match &message.content {
        Content::Text(text) => text,
        Content::Edited(edited) => &edited.text,
        // Not asked for in `describe`.
        _ => "",
    };
    let parts = std::iter::once(text.to_owned()).chain(message.attachments.iter().map(noted));
    let text = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
    let name = message.sender.name.as_deref().unwrap_or(&message.sender.id);
    if named { prefixed(Some(name), &text) } else { text }
}

/// The name in front of the text: one line of it, so that nobody can choose a name that speaks for another.
pub(crate) fn prefixed(name: Option<&str>, text: &str) -> String {
    let name: String =
        name.unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).take(NAME).collect();
    match name.trim() {
        "" => format!("Somebody: {text}"),
        name => format!("{name}: {text}"),
    }
}

/// The model does not see the bytes; it is told that they are there.
fn noted(attachment: &Attachment) -> String {
    let kind = match attachment.kind {
        AttachmentKind::Image => "image",
        AttachmentKind::Video => "video",
        AttachmentKind::Audio => "audio",
        AttachmentKind::Voice => "voice message",
        AttachmentKind::Document => "document",
        AttachmentKind::Sticker => "sticker",
        AttachmentKind::Location => "location",
        AttachmentKind::Contact => "contact",
        AttachmentKind::Other => "attachment",
    };
    match &attachment.file_name {
        Some(name) => format!("[{kind}: {name}]"),
        None => format!("[{kind}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::message;

    #[test]
    fn what_is_sent_along_is_mentioned() {
        let mut message = message(ChatKind::Direct, "");
        let attachment = |kind, file_name: Option<&str>| Attachment {
            handle: "h".into(),
            kind,
            media_type: None,
            file_name: file_name.map(str::to_owned),
            size: None,
        };
        message.attachments =
            vec![attachment(AttachmentKind::Image, Some("cat.jpg")), attachment(AttachmentKind::Voice, None)];
        assert_eq!(spoken(&message, false), "[image: cat.jpg]\n[voice message]");
    }

    #[test]
    fn a_name_stays_on_one_line_and_short() {
        assert_eq!(prefixed(Some("Eve\nAnn"), "hi"), "Eve Ann: hi");
        assert_eq!(prefixed(Some(&"x".repeat(100)), "hi"), format!("{}: hi", "x".repeat(64)));
        assert_eq!(prefixed(None, "hi"), "Somebody: hi");
    }

    #[test]
    fn who_has_no_name_is_called_by_their_id() {
        let mut message = message(ChatKind::Group, "hi");
        message.sender.name = None;
        assert_eq!(spoken(&message, true), "tg:12345: hi");
    }
}
