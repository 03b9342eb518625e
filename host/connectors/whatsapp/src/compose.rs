//! What is sent, as WhatsApp has it: texts, quotes and media.

use switchhook_core::action::{Outgoing, OutgoingAttachment, TextFormat};
use switchhook_core::message::AttachmentKind;
use whatsapp_rust::prelude::{MessageField, wa};
use whatsapp_rust::wacore::proto_helpers::build_quote_context;

use crate::record::Seen;

/// WhatsApp's bold is one star where Markdown's is two; the rest is near enough.
pub(crate) fn written(text: &str, format: TextFormat) -> String {
    match format {
        TextFormat::Plain => text.to_owned(),
        TextFormat::Markdown => text.replace("**", "*"),
    }
}

/// Linked devices have no buttons: their labels are listed, to be written back.
pub(crate) fn with_buttons(mut text: String, outgoing: &Outgoing) -> String {
    for button in outgoing.buttons.iter().flatten() {
        text.push_str(if text.is_empty() { "• " } else { "\n• " });
        text.push_str(&button.label);
    }
    text
}

pub(crate) fn text_message(text: &str, quote: Option<wa::ContextInfo>) -> wa::Message {
    let Some(quote) = quote else {
        return wa::Message { conversation: Some(text.to_owned()), ..Default::default() };
    };
    let body = wa::message::ExtendedTextMessage {
        text: Some(text.to_owned()),
        context_info: MessageField::some(quote),
        ..Default::default()
    };
    wa::Message { extended_text_message: MessageField::some(body), ..Default::default() }
}

pub(crate) fn quote(id: &str, seen: &Seen) -> wa::ContextInfo {
    build_quote_context(id, &seen.head.sender, &seen.message)
}

/// The four forms differ in their type alone; the fields are the same.
macro_rules! media_body {
    ($type:ident, $attachment:expr, $upload:expr, { $($extra:tt)* }) => {
        MessageField::some(wa::message::$type {
            url: Some($upload.url.clone()),
            direct_path: Some($upload.direct_path.clone()),
            media_key: Some($upload.media_key.to_vec()),
            file_enc_sha256: Some($upload.file_enc_sha256.to_vec()),
            file_sha256: Some($upload.file_sha256.to_vec()),
            file_length: Some($upload.file_length),
            media_key_timestamp: Some($upload.media_key_timestamp),
            mimetype: Some($attachment.media_type.clone().unwrap_or_else(|| media_type($attachment.kind).to_owned())),
            $($extra)*
            ..Default::default()
        })
    };
}

pub(crate) fn media_message(
    attachment: &OutgoingAttachment,
    upload: &whatsapp_rust::upload::UploadResponse,
    caption: Option<String>,
) -> wa::Message {
    let (a, u) = (attachment, upload);
    match attachment.kind {
        AttachmentKind::Image => {
            wa::Message { image_message: media_body!(ImageMessage, a, u, { caption, }), ..Default::default() }
        }
        AttachmentKind::Video => {
            wa::Message { video_message: media_body!(VideoMessage, a, u, { caption, }), ..Default::default() }
        }
        AttachmentKind::Audio | AttachmentKind::Voice => {
            let ptt = Some(attachment.kind == AttachmentKind::Voice);
            wa::Message { audio_message: media_body!(AudioMessage, a, u, { ptt, }), ..Default::default() }
        }
        AttachmentKind::Sticker => {
            wa::Message { sticker_message: media_body!(StickerMessage, a, u, {}), ..Default::default() }
        }
        _ => {
            let file_name = attachment.file_name.clone();
            let document_message = media_body!(DocumentMessage, a, u, { caption, file_name, });
            wa::Message { document_message, ..Default::default() }
        }
    }
}

fn media_type(kind: AttachmentKind) -> &'static str {
    match kind {
        AttachmentKind::Image => "image/jpeg",
        AttachmentKind::Video => "video/mp4",
        AttachmentKind::Audio | AttachmentKind::Voice => "audio/ogg; codecs=opus",
        AttachmentKind::Sticker => "image/webp",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use switchhook_core::action::Button;

    use super::*;

    #[test]
    fn buttons_become_lines() {
        let button = |label: &str| Button { label: label.to_owned(), value: "v".to_owned() };
        let buttons = vec![vec![button("Yes")], vec![button("No")]];
        let outgoing = Outgoing { text: "Sure?".to_owned(), buttons, ..Outgoing::default() };
        assert_eq!(with_buttons(outgoing.text.clone(), &outgoing), "Sure?\n• Yes\n• No");
        assert_eq!(with_buttons(String::new(), &outgoing), "• Yes\n• No");
    }
}
