//! Sending: an action becomes messages whose ids are chosen before, so that a second try arrives once.

use std::time::Duration;

use sha2::{Digest, Sha256};
use switchhook_core::action::{Action, AttachmentSource, Outgoing, OutgoingAttachment};
use switchhook_core::code::ErrorCode;
use switchhook_core::connector::{Delivery, DeliveryError, Receipt};
use whatsapp_rust::prelude::{MessageExt, SendError, SendOptions, wa};
use whatsapp_rust::wacore::proto_helpers::build_reaction_message;
use whatsapp_rust::wacore::time::now_millis;
use whatsapp_rust::wacore_binary::JidExt as _;
use whatsapp_rust::{Jid, RevokeType, UploadOptions};

use crate::chat::{self, address};
use crate::compose::{media_message, quote, text_message, with_buttons, written};
use crate::connector::{Live, WhatsApp};
use crate::media;
use crate::reason::{Nack, of_nack};
use crate::record::{self, Seen};

/// WhatsApp says that it has a message within a second or so.
const ACK: Duration = Duration::from_secs(15);
/// WhatsApp does not say how long a time-lock lasts; hours to a day are reported.
const TIME_LOCK: Duration = Duration::from_secs(3600);
const TOO_FAST: Duration = Duration::from_secs(60);

impl WhatsApp {
    pub(crate) async fn carry_out(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        let live = self.live.lock().clone();
        let live = live.filter(|live| live.client.is_logged_in()).ok_or_else(not_connected)?;
        let chat = jid(&delivery.chat)?;
        match &delivery.action {
            Action::Send(outgoing) => self.send(&live, delivery, outgoing, &chat).await,
            Action::Edit { message_id, text, format } => {
                let edited = text_message(&written(text, *format), None);
                let to = address(&live, &chat).await;
                settled(&live).await?;
                live.client.edit_message(to, message_id, edited).await.map_err(class)?;
                Ok(receipt(message_id))
            }
            Action::Delete { message_id } => self.delete(&live, delivery, &chat, message_id).await,
            Action::React { message_id, emoji } => {
                let key = self.key(delivery, &chat, message_id).await;
                let reaction = build_reaction_message(key, emoji.as_deref().unwrap_or(""), now_millis());
                self.dispatch(&live, &chat, reaction, message_number(delivery, 0)).await
            }
            Action::MarkRead => self.mark_read(&live, delivery, &chat).await,
            Action::Forward { message_id, to } => {
                let seen = self.seen(delivery, message_id).await.ok_or_else(|| unknown_message(message_id))?;
                let body = *seen.message.get_base_message().prepare_for_forward();
                self.dispatch(&live, &jid(to)?, body, message_number(delivery, 0)).await
            }
            Action::Other { kind, .. } => Err(unsupported(kind)),
            Action::Schedule { .. } | Action::CancelTurn | Action::NewConversation => {
                Err(unsupported("the host's own"))
            }
        }
    }

    pub(crate) async fn show_typing(&self, chat: &str) {
        let (live, chat) = (self.live.lock().clone(), jid(chat));
        let (Some(live), Ok(chat)) = (live, chat) else { return };
        let chat = address(&live, &chat).await;
        if let Err(error) = live.client.chatstate().send_composing(&chat).await {
            tracing::debug!(channel = %self.channel, %error, "typing is not shown");
        }
    }

    /// Attachments go one by one, the first with the text; the receipt names the first message.
    async fn send(
        &self,
        live: &Live,
        delivery: &Delivery,
        outgoing: &Outgoing,
        chat: &Jid,
    ) -> Result<Receipt, DeliveryError> {
        let text = with_buttons(written(&outgoing.text, outgoing.format), outgoing);
        let quote = match &outgoing.reply_to {
            Some(id) => self.seen(delivery, id).await.map(|seen| quote(id, &seen)),
            None => None,
        };
        if outgoing.attachments.is_empty() {
            return self.dispatch(live, chat, text_message(&text, quote), message_number(delivery, 0)).await;
        }
        let mut first = None;
        for (number, attachment) in outgoing.attachments.iter().enumerate() {
            let caption = (number == 0 && !text.is_empty()).then(|| text.clone());
            let mut message = self.attach(live, attachment, caption).await?;
            if let (0, Some(quote)) = (number, &quote) {
                message.set_context_info(quote.clone());
            }
            let receipt = self.dispatch(live, chat, message, message_number(delivery, number)).await?;
            first.get_or_insert(receipt);
        }
        Ok(first.unwrap_or_default())
    }

    /// Sends one message and waits for WhatsApp's word.
    async fn dispatch(
        &self,
        live: &Live,
        chat: &Jid,
        message: wa::Message,
        id: String,
    ) -> Result<Receipt, DeliveryError> {
        let ack = live.acks.expect(&id);
        let options = SendOptions::default().with_message_id(id.clone());
        let to = address(live, chat).await;
        settled(live).await?;
        live.client.send_message_with_options(to, message, options).await.map_err(class)?;
        match tokio::time::timeout(ACK, ack).await {
            Ok(Ok(None)) => Ok(receipt(&id)),
            Ok(Ok(Some(code))) => Err(self.nacked(&code)),
            Ok(Err(_)) | Err(_) => {
                live.acks.unanswered();
                Err(DeliveryError::Unknown { reason: "WhatsApp did not say that it has the message".to_owned() })
            }
        }
    }

    fn nacked(&self, code: &str) -> DeliveryError {
        let retry = |reason: &str, after| DeliveryError::Retry { reason: reason.to_owned(), after: Some(after) };
        match of_nack(code) {
            Nack::TimeLock => {
                let reason = "WhatsApp does not let this account write to people it does not know, for a while (463)";
                if let Some(status) = self.status() {
                    let state = switchhook_core::status::State::Restricted;
                    status.set(state, Some("time-lock"), Some(reason.to_owned()));
                }
                retry(reason, TIME_LOCK)
            }
            Nack::TooFast => retry("WhatsApp asks to slow down (429)", TOO_FAST),
            Nack::Refused => {
                DeliveryError::Rejected { code: code.to_owned(), reason: "WhatsApp refused the message".to_owned() }
            }
        }
    }

    async fn attach(
        &self,
        live: &Live,
        attachment: &OutgoingAttachment,
        caption: Option<String>,
    ) -> Result<wa::Message, DeliveryError> {
        let bytes = match &attachment.source {
            AttachmentSource::Bytes(bytes) => bytes.clone(),
            AttachmentSource::Handle(handle) => {
                let whole = switchhook_core::connector::Connector::attachment(self, handle, 0, u32::MAX).await;
                whole.ok_or_else(|| DeliveryError::Rejected {
                    code: "no-attachment".to_owned(),
                    reason: format!("there is no attachment `{handle}` any more"),
                })?
            }
        };
        let upload = live.client.upload(bytes, media::upload_type(attachment.kind), UploadOptions::new()).await;
        let upload = upload.map_err(|error| DeliveryError::Retry { reason: error.to_string(), after: None })?;
        Ok(media_message(attachment, &upload, caption))
    }

    async fn delete(&self, live: &Live, delivery: &Delivery, chat: &Jid, id: &str) -> Result<Receipt, DeliveryError> {
        // Of others only in a group, and only as its admin; WhatsApp decides.
        let others = self.seen(delivery, id).await.filter(|seen| !seen.head.from_me);
        let revoke = match others.and_then(|seen| seen.head.sender.parse().ok()) {
            Some(original_sender) => RevokeType::Admin { original_sender },
            None => RevokeType::Sender,
        };
        let to = address(live, chat).await;
        settled(live).await?;
        live.client.revoke_message(to, id, revoke).await.map_err(class)?;
        Ok(receipt(id))
    }

    async fn mark_read(&self, live: &Live, delivery: &Delivery, chat: &Jid) -> Result<Receipt, DeliveryError> {
        let Some(id) = delivery.answers.as_deref() else { return Ok(Receipt::default()) };
        let seen = self.seen(delivery, id).await;
        let sender = seen.as_ref().and_then(|seen| seen.head.sender.parse::<Jid>().ok()).filter(|_| chat.is_group());
        // Where the message came from is where its receipt goes.
        let chat = seen.as_ref().and_then(|seen| seen.head.chat.parse().ok()).unwrap_or_else(|| chat.clone());
        let marked = live.client.mark_as_read(&chat, sender.as_ref(), &[id]).await;
        marked.map_err(|error| DeliveryError::Retry { reason: error.to_string(), after: None })?;
        Ok(Receipt::default())
    }

    /// How a message is named to others.
    async fn key(&self, delivery: &Delivery, chat: &Jid, id: &str) -> wa::MessageKey {
        let seen = self.seen(delivery, id).await;
        let from_me = seen.as_ref().is_none_or(|seen| seen.head.from_me);
        let remote = seen.as_ref().map_or_else(|| chat.to_string(), |seen| seen.head.chat.clone());
        let participant = seen.filter(|_| chat.is_group() && !from_me).map(|seen| seen.head.sender);
        wa::MessageKey { remote_jid: Some(remote), from_me: Some(from_me), id: Some(id.to_owned()), participant }
    }

    async fn seen(&self, delivery: &Delivery, id: &str) -> Option<Seen> {
        record::seen(&self.states(), &delivery.chat, id).await
    }
}

/// What was received is on disk before anything is sent. A message that answers ours gives us a sending chain with a new
/// key, which the library writes some 25 ms later; sent on that chain and killed before, the device would come back with
/// the old key while the other side has gone on, and neither could read the next message of the other. (A message of the
/// same person that is decrypted between this and the encryption still can do that, to a process that is killed within the
/// 25 ms after it; WhatsApp's retry receipts heal it.)
async fn settled(live: &Live) -> Result<(), DeliveryError> {
    let settled = live.client.flush_pending_signal_state().await;
    settled.map_err(|error| DeliveryError::Retry { reason: error.to_string(), after: None })
}

/// The chat of a delivery.
fn jid(chat: &str) -> Result<Jid, DeliveryError> {
    chat::jid(chat).ok_or_else(|| DeliveryError::Rejected {
        code: ErrorCode::InvalidRecipient.to_string(),
        reason: format!("`{chat}` is no chat of WhatsApp's: write `+15551234567` or `…@g.us`"),
    })
}

/// The same for every attempt of a delivery. In the form of WhatsApp Web's own ids: `3EB0` and 18 digits.
fn message_number(delivery: &Delivery, part: usize) -> String {
    let hash = Sha256::digest(format!("{}#{part}", delivery.idempotency_key));
    format!("3EB0{}", hex::encode_upper(&hash[..9]))
}

/// Sorts a failure by one question: may the message have been sent? A second try has the same id, so doubt is harmless.
fn class(error: SendError) -> DeliveryError {
    let reason = error.to_string();
    match error {
        SendError::NotLoggedIn => DeliveryError::Retry { reason, after: None },
        SendError::InvalidRequest(_) => DeliveryError::Rejected { code: "invalid".to_owned(), reason },
        _ => DeliveryError::Unknown { reason },
    }
}

fn receipt(id: &str) -> Receipt {
    Receipt { provider_id: Some(id.to_owned()) }
}

fn not_connected() -> DeliveryError {
    DeliveryError::Retry { reason: "WhatsApp is not connected".to_owned(), after: None }
}

fn unknown_message(id: &str) -> DeliveryError {
    let reason = format!("message `{id}` is not known here (any more): messages are kept for 30 days");
    DeliveryError::Rejected { code: "unknown-message".to_owned(), reason }
}

fn unsupported(what: &str) -> DeliveryError {
    DeliveryError::Rejected { code: "unsupported".to_owned(), reason: format!("WhatsApp has no action `{what}`") }
}

#[cfg(test)]
mod tests {
    use switchhook_core::id::OutboxId;

    use super::*;

    fn delivery(key: &str) -> Delivery {
        Delivery {
            id: OutboxId(1),
            attempt: 1,
            chat: "15551234567@s.whatsapp.net".to_owned(),
            thread: None,
            action: Action::MarkRead,
            answers: None,
            idempotency_key: key.to_owned(),
        }
    }

    /// F6: a message is tried again under the id it had.
    #[test]
    fn the_id_of_a_message_is_the_deliverys() {
        let again = Delivery { attempt: 7, ..delivery("a") };
        assert_eq!(message_number(&delivery("a"), 0), message_number(&again, 0));
        assert_ne!(message_number(&delivery("a"), 0), message_number(&delivery("a"), 1));
        assert_ne!(message_number(&delivery("a"), 0), message_number(&delivery("b"), 0));
        let id = message_number(&delivery("a"), 0);
        assert!(id.len() == 22 && id.starts_with("3EB0"), "{id}");
        assert!(id.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()), "{id}");
    }

    #[test]
    fn doubt_is_told_from_refusal() {
        assert!(matches!(class(SendError::NotLoggedIn), DeliveryError::Retry { .. }));
        assert!(matches!(class(SendError::InvalidRequest(String::new())), DeliveryError::Rejected { .. }));
        let internal = SendError::Internal(whatsapp_rust::anyhow::anyhow!("x"));
        assert!(matches!(class(internal), DeliveryError::Unknown { .. }));
    }
}
