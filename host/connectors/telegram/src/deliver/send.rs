//! A message on its way out: a text, files, or both.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use switchhook_core::action::{AttachmentSource, Button, Outgoing, OutgoingAttachment};
use switchhook_core::connector::{Delivery, DeliveryError, Receipt};
use switchhook_core::message::AttachmentKind;

use super::failure::{class, markup_refused};
use super::{Params, Text, in_thread, message_id, sent, to_chat};
use crate::api::CallError;
use crate::connector::TelegramConnector;

/// The longest text below a picture, in UTF-16 units (Bot API, `sendPhoto`).
const MAX_CAPTION: usize = 1024;
/// The most a button may carry, in bytes (Bot API, `InlineKeyboardButton`).
const MAX_BUTTON: usize = 64;
/// The largest picture `sendPhoto` takes, in bytes; a larger one goes as a document.
const MAX_PHOTO: usize = 10 * 1024 * 1024;
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(180);

/// One call of a delivery.
enum Step<'a> {
    Text(Text<'a>),
    File { file: &'a OutgoingAttachment, caption: Option<Text<'a>> },
}

impl TelegramConnector {
    pub(super) async fn send(&self, delivery: &Delivery, outgoing: &Outgoing) -> Result<Receipt, DeliveryError> {
        let mut frame = to_chat(&delivery.chat);
        in_thread(&mut frame, delivery.thread.as_deref());
        let mut first = frame.clone();
        if let Some(id) = &outgoing.reply_to {
            // An answer to a message that was deleted meanwhile is still an answer.
            let reply = json!({ "message_id": message_id(id)?, "allow_sending_without_reply": true });
            first.insert("reply_parameters".to_owned(), reply);
        }
        if let Some(keyboard) = keyboard(&outgoing.buttons)? {
            first.insert("reply_markup".to_owned(), keyboard);
        }
        let mut done = self.progress.lock().take(delivery.id);
        for (at, step) in steps(outgoing).iter().enumerate().skip(done.calls) {
            let params = if at == 0 { first.clone() } else { frame.clone() };
            match self.step(params, step).await {
                Ok(result) => {
                    let receipt = sent(result)?;
                    done.receipt = if at == 0 { receipt } else { done.receipt };
                    done.calls += 1;
                }
                Err(error) => {
                    self.progress.lock().keep(delivery.id, done);
                    return Err(error);
                }
            }
        }
        Ok(done.receipt)
    }

    async fn step(&self, params: Params, step: &Step<'_>) -> Result<Value, DeliveryError> {
        let (file, caption) = match step {
            Step::Text(text) => return self.call_with_text("sendMessage", params, *text).await.map_err(class),
            Step::File { file, caption } => (*file, *caption),
        };
        match self.send_file(caption.map_or_else(|| params.clone(), |c| c.formatted(params.clone())), file).await? {
            Err(error) if markup_refused(&error) => {
                let plain = caption.map_or_else(|| params.clone(), |c| c.plain(params.clone()));
                self.send_file(plain, file).await?.map_err(class)
            }
            other => other.map_err(class),
        }
    }

    /// The outer error is ours, the inner one Telegram's.
    async fn send_file(
        &self,
        mut params: Params,
        file: &OutgoingAttachment,
    ) -> Result<Result<Value, CallError>, DeliveryError> {
        match (&file.source, file.kind) {
            (AttachmentSource::Handle(handle), AttachmentKind::Location) => {
                let (latitude, longitude) = place(handle)?;
                params.insert("latitude".to_owned(), latitude.into());
                params.insert("longitude".to_owned(), longitude.into());
                Ok(self.call("sendLocation", params).await)
            }
            (AttachmentSource::Handle(handle), AttachmentKind::Contact) => {
                let number = handle.strip_prefix("tel:").ok_or_else(|| no_such_handle(handle))?;
                params.insert("phone_number".to_owned(), number.into());
                params.insert("first_name".to_owned(), file.file_name.as_deref().unwrap_or(number).into());
                Ok(self.call("sendContact", params).await)
            }
            (AttachmentSource::Handle(handle), kind) => {
                let (method, field) = method_of(kind);
                params.insert(field.to_owned(), handle.as_str().into());
                Ok(self.call(method, params).await)
            }
            (AttachmentSource::Bytes(bytes), kind) => {
                let kind = if bytes.len() > MAX_PHOTO { AttachmentKind::Document } else { kind };
                let (method, field) = method_of(kind);
                let form = form_of(params).part(field, part_of(file, bytes, field));
                Ok(self.bot.upload(method, form, UPLOAD_TIMEOUT).await)
            }
        }
    }
}

/// A text short enough goes below the first file, if that takes one; else it comes before the files.
fn steps(outgoing: &Outgoing) -> Vec<Step<'_>> {
    let text = Text::new("text", &outgoing.text, outgoing.format);
    let caption = Text::new("caption", &outgoing.text, outgoing.format);
    let Some(first) = outgoing.attachments.first() else { return vec![Step::Text(text)] };
    let fits = takes_caption(first.kind) && outgoing.text.encode_utf16().count() <= MAX_CAPTION;
    let below = (fits && !outgoing.text.is_empty()).then_some(caption);
    let before = (!fits && !outgoing.text.is_empty()).then_some(Step::Text(text));
    let files = outgoing.attachments.iter().enumerate();
    let files = files.map(|(at, file)| Step::File { file, caption: below.filter(|_| at == 0) });
    before.into_iter().chain(files).collect()
}

fn takes_caption(kind: AttachmentKind) -> bool {
    !matches!(kind, AttachmentKind::Sticker | AttachmentKind::Location | AttachmentKind::Contact)
}

fn method_of(kind: AttachmentKind) -> (&'static str, &'static str) {
    match kind {
        AttachmentKind::Image => ("sendPhoto", "photo"),
        AttachmentKind::Video => ("sendVideo", "video"),
        AttachmentKind::Audio => ("sendAudio", "audio"),
        AttachmentKind::Voice => ("sendVoice", "voice"),
        AttachmentKind::Sticker => ("sendSticker", "sticker"),
        _ => ("sendDocument", "document"),
    }
}

fn keyboard(rows: &[Vec<Button>]) -> Result<Option<Value>, DeliveryError> {
    let wrong = rows.iter().flatten().find(|b| b.value.is_empty() || b.value.len() > MAX_BUTTON);
    if let Some(button) = wrong {
        return Err(DeliveryError::Rejected {
            code: "button-value".to_owned(),
            reason: format!(
                "the button `{}` carries {} bytes: Telegram takes 1 to {MAX_BUTTON}",
                button.label,
                button.value.len()
            ),
        });
    }
    let key = |button: &Button| json!({ "text": button.label, "callback_data": button.value });
    let rows: Vec<Vec<Value>> = rows.iter().map(|row| row.iter().map(key).collect()).collect();
    Ok((!rows.is_empty()).then(|| json!({ "inline_keyboard": rows })))
}

/// A form's fields are texts: what is none is written as JSON.
fn form_of(params: Params) -> Form {
    params.into_iter().fold(Form::new(), |form, (name, value)| match value {
        Value::String(text) => form.text(name, text),
        other => form.text(name, other.to_string()),
    })
}

fn part_of(file: &OutgoingAttachment, bytes: &[u8], field: &'static str) -> Part {
    let name = file.file_name.clone().unwrap_or_else(|| field.to_owned());
    let part = || Part::bytes(bytes.to_vec()).file_name(name.clone());
    // A media type that is none is left out: Telegram looks at the bytes anyway.
    let typed = file.media_type.as_deref().and_then(|media_type| part().mime_str(media_type).ok());
    typed.unwrap_or_else(part)
}

/// Reads a `geo:` handle, as `map::attachments` makes them.
fn place(handle: &str) -> Result<(f64, f64), DeliveryError> {
    let numbers = handle.strip_prefix("geo:").and_then(|at| at.split_once(','));
    let numbers = numbers.and_then(|(lat, lon)| Some((lat.parse().ok()?, lon.parse().ok()?)));
    numbers.ok_or_else(|| no_such_handle(handle))
}

fn no_such_handle(handle: &str) -> DeliveryError {
    DeliveryError::Rejected { code: "bad-handle".to_owned(), reason: format!("`{handle}` names no attachment") }
}
