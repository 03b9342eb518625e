//! What a channel received and sent, as a person reads it.

use serde::{Deserialize, Serialize};
use switchhook_core::action::{Action, AttachmentSource, Outgoing};
use switchhook_core::id::InboxId;
use switchhook_core::message::{AttachmentKind, Content, Message};
use switchhook_core::time::UnixMillis;
use switchhook_store::{DeliveryState, LogPlace, Logged, SentMessage, StoredMessage, Way};

use crate::host::Host;
use crate::link::LinkRefusal;

/// A part of the log, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageLog {
    pub messages: Vec<LogEntry>,
    /// What to ask for next as `before`; none at the end.
    pub next: Option<String>,
}

/// A message that came or went (B7). Its text is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// As `explain` and `dead` call it: `m17` came, or was written by the owner elsewhere; `d4` went from here.
    pub id: String,
    pub direction: Direction,
    #[serde(rename = "type")]
    pub kind: LogKind,
    /// A person, or the account.
    pub from: String,
    /// A chat, or the account.
    pub to: String,
    /// The provider's id; with the account it names the message.
    pub provider_id: Option<String>,
    pub media_type: Option<String>,
    /// Bytes of what was sent along.
    pub size: Option<u64>,
    pub status: LogStatus,
    /// Why it failed, or waits.
    pub reason: Option<String>,
    /// When it was sent to us, or asked of us.
    pub at: Option<UnixMillis>,
    pub sent_at: Option<UnixMillis>,
    pub delivered_at: Option<UnixMillis>,
    pub read_at: Option<UnixMillis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Inbound,
    Outbound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    Text,
    Image,
    Video,
    Audio,
    Document,
    Location,
    Contact,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStatus {
    /// Waits, is leaving, or nobody knows whether it left.
    Pending,
    Sent,
    Delivered,
    Read,
    Failed,
}

impl Host {
    /// What a channel received and sent before a place, newest first, at most `limit` entries of the journal. Reactions,
    /// edits and read marks are no messages; what was denied is erased.
    pub async fn messages(
        &self,
        channel: &str,
        before: Option<LogPlace>,
        limit: u32,
    ) -> Result<MessageLog, LinkRefusal> {
        let (_, account) = self.account_of(channel)?;
        let (log, next) = self.store().log(&account, before, limit).await?;
        let messages = log.into_iter().filter_map(entry).collect();
        Ok(MessageLog { messages, next: next.map(|place| place.to_string()) })
    }
}

fn entry(logged: Logged) -> Option<LogEntry> {
    match logged {
        Logged::Received(stored) => received(stored),
        Logged::Own(stored, way) => own(stored, way),
        Logged::Sent(sent) => self::sent(sent),
    }
}

/// None where it is no message, or erased.
fn received(stored: StoredMessage) -> Option<LogEntry> {
    let message = stored.message?;
    let (from, to) = (message.sender.id.to_string(), message.account.to_string());
    Some(LogEntry {
        status: LogStatus::Delivered,
        reason: stored.reason,
        delivered_at: Some(stored.accepted_at),
        ..written(stored.id, Direction::Inbound, message, from, to)?
    })
}

/// What the owner wrote elsewhere left before we heard of it.
fn own(stored: StoredMessage, way: Way) -> Option<LogEntry> {
    let message = stored.message?;
    let (from, to) = (message.account.to_string(), message.chat.id.clone());
    let entry = written(stored.id, Direction::Outbound, message, from, to)?;
    Some(LogEntry { status: came(way), delivered_at: way.delivered_at, read_at: way.read_at, ..entry })
}

/// A message that was written elsewhere; none for what is no message, such as a reaction.
fn written(id: InboxId, direction: Direction, message: Message, from: String, to: String) -> Option<LogEntry> {
    let media = message.attachments.first();
    let kind = match (&message.content, media) {
        (_, Some(media)) => kind(media.kind),
        (Content::Text(_) | Content::Button(_), None) => LogKind::Text,
        (Content::Other { kind, .. }, None) if kind == "location" => LogKind::Location,
        (Content::Other { kind, .. }, None) if kind == "contact" => LogKind::Contact,
        _ => return None,
    };
    Some(LogEntry {
        id: id.to_string(),
        direction,
        kind,
        from,
        to,
        media_type: media.and_then(|media| media.media_type.clone()),
        size: media.and(message.attachments.iter().map(|attachment| attachment.size).sum()),
        status: LogStatus::Sent,
        reason: None,
        at: Some(message.sent_at),
        sent_at: Some(message.sent_at),
        delivered_at: None,
        read_at: None,
        provider_id: Some(message.id),
    })
}

fn came(way: Way) -> LogStatus {
    match way {
        Way { read_at: Some(_), .. } => LogStatus::Read,
        Way { delivered_at: Some(_), .. } => LogStatus::Delivered,
        Way { .. } => LogStatus::Sent,
    }
}

/// None where it is no message.
pub(crate) fn sent(sent: SentMessage) -> Option<LogEntry> {
    let SentMessage { delivery, asked_at, ended_at, way } = sent;
    let outgoing = match delivery.action {
        Some(Action::Send(outgoing)) => outgoing,
        Some(Action::Forward { .. }) => Outgoing::default(),
        _ => return None,
    };
    let media = outgoing.attachments.first();
    let status = match delivery.state {
        DeliveryState::Sent => came(way),
        DeliveryState::Dead | DeliveryState::Revoked | DeliveryState::Dropped => LogStatus::Failed,
        DeliveryState::Ready | DeliveryState::Armed | DeliveryState::Unknown | DeliveryState::Parked => {
            LogStatus::Pending
        }
    };
    let bytes = outgoing.attachments.iter().map(|attachment| match &attachment.source {
        AttachmentSource::Bytes(bytes) => Some(bytes.len() as u64),
        AttachmentSource::Handle(_) => None,
    });
    Some(LogEntry {
        id: delivery.id.to_string(),
        direction: Direction::Outbound,
        kind: media.map_or(LogKind::Text, |media| kind(media.kind)),
        media_type: media.and_then(|media| media.media_type.clone()),
        size: media.and(bytes.sum()),
        from: delivery.account.to_string(),
        to: delivery.chat,
        provider_id: delivery.provider_id,
        status,
        reason: delivery.reason,
        at: asked_at,
        sent_at: ended_at.filter(|_| delivery.state == DeliveryState::Sent),
        delivered_at: way.delivered_at,
        read_at: way.read_at,
    })
}

fn kind(attachment: AttachmentKind) -> LogKind {
    match attachment {
        AttachmentKind::Image | AttachmentKind::Sticker => LogKind::Image,
        AttachmentKind::Video => LogKind::Video,
        AttachmentKind::Audio | AttachmentKind::Voice => LogKind::Audio,
        AttachmentKind::Location => LogKind::Location,
        AttachmentKind::Contact => LogKind::Contact,
        AttachmentKind::Document | AttachmentKind::Other => LogKind::Document,
    }
}

#[cfg(test)]
mod tests {
    use switchhook_core::action::OutgoingAttachment;
    use switchhook_core::id::{AccountId, ChannelName, OutboxId};
    use switchhook_core::message::{Attachment, Chat, ChatKind, Party, Standing};
    use switchhook_core::person::PersonId;
    use switchhook_store::{InboxState, StoredDelivery};

    use super::*;

    fn account() -> AccountId {
        AccountId::new("whatsapp", "wa")
    }

    fn stored(content: Content, attachments: Vec<Attachment>) -> StoredMessage {
        let id = PersonId::new("wa", "15550002222");
        let message = Message {
            id: "3A".to_owned(),
            channel: ChannelName::new("wa").unwrap(),
            connector: "whatsapp".to_owned(),
            account: account(),
            chat: Chat { id: "peer".to_owned(), kind: ChatKind::Direct, title: None, thread: None },
            sender: Party { id, aliases: Vec::new(), name: None, standing: Standing::Unknown },
            content,
            attachments,
            mentions_me: true,
            quoted: None,
            sent_at: UnixMillis(1),
            extra: Vec::new(),
        };
        StoredMessage {
            id: InboxId(1),
            state: InboxState::Done,
            reason: None,
            message: Some(message),
            unresolved: None,
            accepted_at: UnixMillis(2),
            attempts: 1,
            approved: false,
        }
    }

    fn attachment(kind: AttachmentKind, size: Option<u64>) -> Attachment {
        let media_type = Some("image/png".to_owned());
        Attachment { handle: "h".to_owned(), kind, media_type, file_name: None, size }
    }

    fn delivery(state: DeliveryState, action: Action) -> SentMessage {
        let delivery = StoredDelivery {
            id: OutboxId(4),
            message: InboxId(1),
            channel: ChannelName::new("wa").unwrap(),
            account: account(),
            chat: "peer".to_owned(),
            chat_kind: ChatKind::Direct,
            thread: None,
            action: Some(action),
            answers: None,
            state,
            reason: None,
            attempts: 1,
            unknowns: 0,
            not_before: UnixMillis(0),
            fingerprint: String::new(),
            provider_id: Some("3EB0".to_owned()),
        };
        SentMessage { delivery, asked_at: Some(UnixMillis(3)), ended_at: Some(UnixMillis(4)), way: Way::default() }
    }

    /// B7: each of the seven types, of what came and of what the owner wrote elsewhere.
    #[test]
    fn what_was_written_has_its_type() {
        use AttachmentKind::*;
        let text = || Content::Text("hi".to_owned());
        let other = |kind: &str| Content::Other { kind: kind.to_owned(), json: "{}".to_owned() };
        let of = |content, kinds: &[AttachmentKind]| {
            let attachments = kinds.iter().map(|kind| attachment(*kind, Some(7))).collect();
            let stored = stored(content, attachments);
            let (came, own) = (received(stored.clone()), own(stored, Way::default()));
            assert_eq!(came.as_ref().map(|e| e.kind), own.map(|e| e.kind));
            came.map(|entry| (entry.kind, entry.size))
        };
        assert_eq!(of(text(), &[]), Some((LogKind::Text, None)));
        for (kind, expect) in [
            (Image, LogKind::Image),
            (Sticker, LogKind::Image),
            (Video, LogKind::Video),
            (Voice, LogKind::Audio),
            (Audio, LogKind::Audio),
            (Document, LogKind::Document),
            (Location, LogKind::Location),
            (Contact, LogKind::Contact),
        ] {
            assert_eq!(of(text(), &[kind]), Some((expect, Some(7))), "{kind:?}");
        }
        assert_eq!(of(text(), &[Image, Image]), Some((LogKind::Image, Some(14))));
        assert_eq!(of(other("location"), &[]), Some((LogKind::Location, None)));
        assert_eq!(of(other("contact"), &[]), Some((LogKind::Contact, None)));
        assert_eq!(of(other("poll-vote"), &[]), None);
        assert_eq!(of(Content::Deleted { message_id: "3A".to_owned() }, &[]), None);
        let erased = StoredMessage { message: None, ..stored(text(), Vec::new()) };
        assert!(received(erased).is_none(), "what is erased has nothing to show");
    }

    /// B7: who wrote to whom, and how far it came.
    #[test]
    fn directions_and_statuses_are_told_apart() {
        let text = stored(Content::Text("hi".to_owned()), Vec::new());
        let came = received(text.clone()).unwrap();
        assert_eq!((came.direction, came.status), (Direction::Inbound, LogStatus::Delivered));
        assert_eq!((came.from.as_str(), came.to.as_str()), ("wa:15550002222", "whatsapp:wa"));
        assert_eq!((came.sent_at, came.delivered_at), (Some(UnixMillis(1)), Some(UnixMillis(2))));
        let delivered = Way { delivered_at: Some(UnixMillis(5)), read_at: None };
        let read = Way { read_at: Some(UnixMillis(6)), ..delivered };
        for (way, expect) in
            [(Way::default(), LogStatus::Sent), (delivered, LogStatus::Delivered), (read, LogStatus::Read)]
        {
            let typed = own(text.clone(), way).unwrap();
            assert_eq!((typed.direction, typed.status, typed.read_at), (Direction::Outbound, expect, way.read_at));
            assert_eq!((typed.from.as_str(), typed.to.as_str()), ("whatsapp:wa", "peer"));
            let ours = SentMessage { way, ..delivery(DeliveryState::Sent, Action::Send(Outgoing::text("hi"))) };
            assert_eq!(sent(ours).unwrap().status, expect);
        }
    }

    /// B7: what has not left has no time of leaving; what can't any more has failed.
    #[test]
    fn what_has_not_left_says_so() {
        use DeliveryState::*;
        for (state, expect) in [
            (Ready, LogStatus::Pending),
            (Armed, LogStatus::Pending),
            (Unknown, LogStatus::Pending),
            (Parked, LogStatus::Pending),
            (Dead, LogStatus::Failed),
            (Revoked, LogStatus::Failed),
            (Dropped, LogStatus::Failed),
        ] {
            let entry = sent(delivery(state, Action::Send(Outgoing::text("hi")))).unwrap();
            assert_eq!((entry.status, entry.sent_at, entry.at), (expect, None, Some(UnixMillis(3))), "{state:?}");
        }
        let bytes = |len| OutgoingAttachment {
            source: AttachmentSource::Bytes(vec![0; len]),
            kind: AttachmentKind::Document,
            media_type: Some("text/plain".to_owned()),
            file_name: None,
        };
        let files = Outgoing { attachments: vec![bytes(3), bytes(4)], ..Outgoing::default() };
        let files = sent(delivery(Sent, Action::Send(files))).unwrap();
        assert_eq!(
            (files.kind, files.size, files.media_type.as_deref()),
            (LogKind::Document, Some(7), Some("text/plain"))
        );
        assert!(sent(delivery(Sent, Action::MarkRead)).is_none(), "a read mark is no message");
    }
}
