//! A decrypted message becomes one of ours. Pure: who is who has been found out before.

use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::message::{Chat, ChatKind, Content, Inbound, Message, Quoted};
use switchhook_core::time::UnixMillis;
use whatsapp_rust::Jid;
use whatsapp_rust::prelude::{MessageExt, MessageInfo, wa};
use whatsapp_rust::waproto::whatsapp::message::protocol_message::Type as ProtocolType;

use crate::identity::Ids;
use crate::kind::KIND;
use crate::media;

/// What does not change from message to message.
pub(crate) struct Mapper<'a> {
    pub(crate) channel: &'a ChannelName,
    pub(crate) account: &'a AccountId,
    pub(crate) me: &'a Ids,
}

impl Mapper<'_> {
    /// None for what is the protocol's own business. `peer` is with whom the chat is, where it is a direct one.
    pub(crate) fn map(&self, message: &wa::Message, info: &MessageInfo, sender: &Ids, peer: &Ids) -> Option<Inbound> {
        let content = content(message)?;
        let chat = chat(info, peer)?;
        let context = context(message);
        let quoted = context.and_then(|context| self.quoted(context));
        let direct = chat.kind == ChatKind::Direct;
        let mut extra = Vec::new();
        if info.is_offline {
            extra.push(("offline".to_owned(), "true".to_owned()));
        }
        if context.is_some_and(|context| context.is_forwarded == Some(true)) {
            extra.push(("forwarded".to_owned(), "true".to_owned()));
        }
        let attachment = media::of(message).map(|media| media.attachment(media::handle(&chat.id, &info.id)));
        let message = Message {
            id: info.id.clone(),
            channel: self.channel.clone(),
            connector: KIND.to_owned(),
            account: self.account.clone(),
            sender: sender.party(Some(&info.push_name)),
            content,
            attachments: attachment.into_iter().collect(),
            mentions_me: direct || context.is_some_and(|context| self.is_meant(context)),
            quoted,
            sent_at: UnixMillis(info.timestamp.timestamp_millis().max(0) as u64),
            extra,
            chat,
        };
        Some(Inbound { dedupe_key: dedupe_key(info), message, unresolved: sender.unresolved() })
    }

    /// Mentioned, or answered.
    fn is_meant(&self, context: &wa::ContextInfo) -> bool {
        let mentioned = context.mentioned_jid.iter().filter_map(|jid| jid.parse::<Jid>().ok());
        let answered = context.participant.iter().filter_map(|jid| jid.parse::<Jid>().ok());
        mentioned.chain(answered).any(|jid| self.me.is(&jid))
    }

    fn quoted(&self, context: &wa::ContextInfo) -> Option<Quoted> {
        let message_id = context.stanza_id.clone()?;
        let sender = context.participant.as_deref().and_then(|jid| jid.parse::<Jid>().ok());
        let sender = sender.map(|jid| if self.me.is(&jid) { self.me.party(None) } else { Ids::of([&jid]).party(None) });
        let text = context.quoted_message.as_option().and_then(written);
        Some(Quoted { message_id, sender, text })
    }
}

/// A stanza's id is unique within chat and sender only.
fn dedupe_key(info: &MessageInfo) -> String {
    format!("{} {} {}", info.source.chat.to_non_ad_string(), info.source.sender.to_non_ad_string(), info.id)
}

pub(crate) fn chat(info: &MessageInfo, peer: &Ids) -> Option<Chat> {
    let jid = &info.source.chat;
    let (id, kind) =
        if info.source.is_group { (jid.to_non_ad_string(), ChatKind::Group) } else { (peer.chat()?, ChatKind::Direct) };
    Some(Chat { id, kind, title: None, thread: None })
}

fn written(message: &wa::Message) -> Option<String> {
    let text = message.text_content().map(str::to_owned);
    text.or_else(|| media::of(message).and_then(|media| media.caption.map(str::to_owned)))
}

fn content(message: &wa::Message) -> Option<Content> {
    let base = message.get_base_message();
    if let Some(protocol) = base.protocol_message.as_option() {
        let message_id = protocol.key.as_option()?.id.clone()?;
        return match protocol.r#type {
            Some(ProtocolType::REVOKE) => Some(Content::Deleted { message_id }),
            Some(ProtocolType::MESSAGE_EDIT) => {
                let text = written(protocol.edited_message.as_option()?)?;
                Some(Content::Edited { message_id, text })
            }
            _ => None,
        };
    }
    if let Some(reaction) = base.reaction_message.as_option() {
        let message_id = reaction.key.as_option()?.id.clone()?;
        let emoji = reaction.text.clone().filter(|text| !text.is_empty());
        return Some(Content::Reaction { message_id, emoji });
    }
    if let Some(text) = written(base) {
        return Some(Content::Text(text));
    }
    if media::of(base).is_some() {
        return Some(Content::Text(String::new()));
    }
    other(base).map(|kind| Content::Other { kind: kind.to_owned(), json: "{}".to_owned() })
}

/// What has no text and no bytes, and is something a person sent all the same.
fn other(message: &wa::Message) -> Option<&'static str> {
    let kinds = [
        (message.location_message.is_set() || message.live_location_message.is_set(), "location"),
        (message.contact_message.is_set() || message.contacts_array_message.is_set(), "contact"),
        (message.poll_creation_message.is_set(), "poll"),
        (message.poll_update_message.is_set(), "poll-vote"),
        (message.event_message.is_set(), "event"),
        (message.group_invite_message.is_set(), "group-invite"),
        (message.list_response_message.is_set() || message.buttons_response_message.is_set(), "choice"),
    ];
    kinds.into_iter().find_map(|(is, kind)| is.then_some(kind))
}

fn context(message: &wa::Message) -> Option<&wa::ContextInfo> {
    let base = message.get_base_message();
    let places = [
        base.extended_text_message.as_option().map(|m| &m.context_info),
        base.image_message.as_option().map(|m| &m.context_info),
        base.video_message.as_option().map(|m| &m.context_info),
        base.audio_message.as_option().map(|m| &m.context_info),
        base.document_message.as_option().map(|m| &m.context_info),
        base.sticker_message.as_option().map(|m| &m.context_info),
    ];
    places.into_iter().flatten().find_map(|context| context.as_option())
}

#[cfg(test)]
mod tests;
