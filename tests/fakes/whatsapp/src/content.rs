//! What messages say, as the ledger tells it, and how people's messages are made.

use serde_json::{Value, json};
use whatsapp_rust::waproto::whatsapp as wa;

/// `type` of the stanza that carries a message.
pub(crate) fn stanza_type(plain: &wa::Message) -> &'static str {
    match describe(plain)["kind"].as_str() {
        Some("image" | "video" | "audio" | "document" | "sticker" | "location" | "contact") => "media",
        Some("reaction") => "reaction",
        _ => "text",
    }
}

/// `{kind, text, …}`: what a person would see.
pub(crate) fn describe(plain: &wa::Message) -> Value {
    if let Some(copy) = plain.device_sent_message.as_option().and_then(|sent| sent.message.as_option()) {
        return describe(copy);
    }
    if let Some(inner) = plain.ephemeral_message.as_option().and_then(|inner| inner.message.as_option()) {
        return describe(inner);
    }
    if let Some(inner) = plain.document_with_caption_message.as_option().and_then(|inner| inner.message.as_option()) {
        return describe(inner);
    }
    if let Some(text) = &plain.conversation {
        return json!({ "kind": "text", "text": text });
    }
    if let Some(extended) = plain.extended_text_message.as_option() {
        let context = extended.context_info.as_option();
        let quoted = context.and_then(|context| context.stanza_id.clone());
        let mentions = context.map(|context| context.mentioned_jid.clone()).unwrap_or_default();
        return json!({ "kind": "text", "text": extended.text, "quoted": quoted, "mentions": mentions });
    }
    media(plain)
        .or_else(|| place_or_card(plain))
        .or_else(|| about_another(plain))
        .unwrap_or_else(|| json!({ "kind": "other" }))
}

fn media(plain: &wa::Message) -> Option<Value> {
    macro_rules! media {
        ($kind:literal, $field:ident, $text:expr) => {
            if let Some(file) = plain.$field.as_option() {
                let text: Option<String> = $text(file);
                return Some(json!({
                    "kind": $kind, "text": text, "media_type": file.mimetype, "bytes": file.file_length,
                    "path": file.direct_path, "sha256": file.file_sha256.as_ref().map(hex::encode),
                    "media_key": file.media_key.as_ref().map(hex::encode),
                }));
            }
        };
    }
    media!("image", image_message, |file: &wa::message::ImageMessage| file.caption.clone());
    media!("video", video_message, |file: &wa::message::VideoMessage| file.caption.clone());
    media!("audio", audio_message, |_: &wa::message::AudioMessage| None);
    media!("document", document_message, |file: &wa::message::DocumentMessage| file
        .caption
        .clone()
        .or_else(|| file.file_name.clone()));
    media!("sticker", sticker_message, |_: &wa::message::StickerMessage| None);
    None
}

fn place_or_card(plain: &wa::Message) -> Option<Value> {
    if let Some(at) = plain.location_message.as_option() {
        return Some(json!({ "kind": "location", "at": [at.degrees_latitude, at.degrees_longitude] }));
    }
    let card = plain.contact_message.as_option()?;
    Some(json!({ "kind": "contact", "text": card.display_name }))
}

/// Reactions, edits and deletions name the message they are about.
fn about_another(plain: &wa::Message) -> Option<Value> {
    use wa::message::protocol_message::Type;
    if let Some(reaction) = plain.reaction_message.as_option() {
        let of = reaction.key.as_option().and_then(|key| key.id.clone());
        return Some(json!({ "kind": "reaction", "text": reaction.text, "of": of }));
    }
    let change = plain.protocol_message.as_option().or_else(|| {
        let edited = plain.edited_message.as_option()?.message.as_option()?;
        edited.protocol_message.as_option()
    })?;
    let of = change.key.as_option().and_then(|key| key.id.clone());
    Some(match (change.r#type, change.edited_message.as_option()) {
        (Some(Type::REVOKE), _) => json!({ "kind": "delete", "of": of }),
        (_, Some(edited)) => json!({ "kind": "edit", "of": of, "text": describe(edited)["text"] }),
        (kind, _) => json!({ "kind": "protocol", "of": of, "type": format!("{kind:?}") }),
    })
}
