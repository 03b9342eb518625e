//! What was sent along.

use switchhook_core::message::{Attachment, AttachmentKind};

use super::party::full_name;
use crate::types::{File, Message};

/// Every attachment of a message. Places and contacts have no bytes at Telegram: their handle is all there is of them,
/// as a `geo:` or `tel:` URI.
pub(super) fn of(message: &Message) -> Vec<Attachment> {
    use AttachmentKind as Kind;
    let photo = message.photo.iter().max_by_key(|size| size.width.saturating_mul(size.height));
    // A moving picture comes as a document, too, for clients that know no better.
    let document = message.document.as_ref().filter(|_| message.animation.is_none());
    let files = [
        (photo, Kind::Image, Some("image/jpeg")),
        (message.animation.as_ref(), Kind::Video, Some("video/mp4")),
        (message.video.as_ref(), Kind::Video, None),
        (message.video_note.as_ref(), Kind::Video, Some("video/mp4")),
        (message.audio.as_ref(), Kind::Audio, None),
        (message.voice.as_ref(), Kind::Voice, Some("audio/ogg")),
        (document, Kind::Document, None),
        (message.sticker.as_ref(), Kind::Sticker, None),
    ];
    let files = files.into_iter().filter_map(|(file, kind, media_type)| file.map(|f| attachment(f, kind, media_type)));
    files.chain(place(message)).chain(contact(message)).collect()
}

fn attachment(file: &File, kind: AttachmentKind, media_type: Option<&str>) -> Attachment {
    Attachment {
        handle: file.file_id.clone(),
        kind,
        media_type: file.mime_type.clone().or_else(|| media_type.map(str::to_owned)),
        file_name: file.file_name.clone(),
        size: file.file_size,
    }
}

fn place(message: &Message) -> Option<Attachment> {
    let at = message.location.as_ref()?;
    Some(without_bytes(format!("geo:{},{}", at.latitude, at.longitude), AttachmentKind::Location, None))
}

fn contact(message: &Message) -> Option<Attachment> {
    let contact = message.contact.as_ref()?;
    let name = full_name(Some(&contact.first_name), contact.last_name.as_deref());
    Some(without_bytes(format!("tel:{}", contact.phone_number), AttachmentKind::Contact, name))
}

fn without_bytes(handle: String, kind: AttachmentKind, file_name: Option<String>) -> Attachment {
    Attachment { handle, kind, media_type: None, file_name, size: None }
}
