//! Attachments: what a message carries besides its text, found again when somebody asks for the bytes.

use switchhook_core::message::{Attachment, AttachmentKind};
use whatsapp_rust::prelude::{MessageExt, wa};
use whatsapp_rust::wacore::download::{Downloadable, MediaType};

/// The media of a message, with what to say of it.
pub(crate) struct Media<'a> {
    pub(crate) kind: AttachmentKind,
    pub(crate) media_type: Option<&'a str>,
    pub(crate) file_name: Option<&'a str>,
    pub(crate) caption: Option<&'a str>,
    pub(crate) source: &'a dyn Downloadable,
}

/// The media of a message; a message has one at most.
pub(crate) fn of(message: &wa::Message) -> Option<Media<'_>> {
    let message = message.get_base_message();
    if let Some(m) = message.image_message.as_option() {
        return Some(media(AttachmentKind::Image, &m.mimetype, &None, &m.caption, m));
    }
    if let Some(m) = message.video_message.as_option().or(message.ptv_message.as_option()) {
        return Some(media(AttachmentKind::Video, &m.mimetype, &None, &m.caption, m));
    }
    if let Some(m) = message.audio_message.as_option() {
        let kind = if m.ptt == Some(true) { AttachmentKind::Voice } else { AttachmentKind::Audio };
        return Some(media(kind, &m.mimetype, &None, &None, m));
    }
    if let Some(m) = message.document_message.as_option() {
        return Some(media(AttachmentKind::Document, &m.mimetype, &m.file_name, &m.caption, m));
    }
    let sticker = message.sticker_message.as_option()?;
    Some(media(AttachmentKind::Sticker, &sticker.mimetype, &None, &None, sticker))
}

fn media<'a>(
    kind: AttachmentKind,
    media_type: &'a Option<String>,
    file_name: &'a Option<String>,
    caption: &'a Option<String>,
    source: &'a dyn Downloadable,
) -> Media<'a> {
    let (media_type, file_name, caption) = (media_type.as_deref(), file_name.as_deref(), caption.as_deref());
    Media { kind, media_type, file_name, caption, source }
}

impl Media<'_> {
    pub(crate) fn attachment(&self, handle: String) -> Attachment {
        Attachment {
            handle,
            kind: self.kind,
            media_type: self.media_type.map(str::to_owned),
            file_name: self.file_name.map(str::to_owned),
            size: self.source.file_length(),
        }
    }
}

/// A handle names the message; what opens the bytes never leaves the store.
pub(crate) fn handle(chat: &str, id: &str) -> String {
    format!("{chat}/{id}")
}

pub(crate) fn of_handle(handle: &str) -> Option<(&str, &str)> {
    handle.split_once('/')
}

/// How media of a kind goes to WhatsApp's servers. What it has no form for goes as a document.
pub(crate) fn upload_type(kind: AttachmentKind) -> MediaType {
    match kind {
        AttachmentKind::Image => MediaType::Image,
        AttachmentKind::Video => MediaType::Video,
        AttachmentKind::Audio | AttachmentKind::Voice => MediaType::Audio,
        AttachmentKind::Sticker => MediaType::Sticker,
        _ => MediaType::Document,
    }
}
