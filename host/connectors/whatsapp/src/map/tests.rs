use whatsapp_rust::prelude::MessageField;

use super::*;

const ME: &str = "15550009999";

fn me() -> Ids {
    Ids { number: Some(ME.to_owned()), lid: Some("900@lid".trim_end_matches("@lid").to_owned()) }
}

fn ann() -> Ids {
    Ids { number: Some("15551234567".to_owned()), lid: Some("100".to_owned()) }
}

fn info(chat: &str, sender: &str) -> MessageInfo {
    let mut info = MessageInfo::default();
    info.source.chat = chat.parse().unwrap();
    info.source.sender = sender.parse().unwrap();
    info.source.is_group = chat.ends_with("@g.us");
    info.id = "3EB0AA".to_owned();
    info.push_name = "Ann".to_owned();
    info
}

fn map(message: wa::Message, info: &MessageInfo, sender: &Ids) -> Option<Inbound> {
    let (channel, account, me) = (ChannelName::new("wa").unwrap(), AccountId::new(KIND, "wa"), me());
    Mapper { channel: &channel, account: &account, me: &me }.map(&message, info, sender, sender)
}

fn text(text: &str) -> wa::Message {
    wa::Message { conversation: Some(text.to_owned()), ..Default::default() }
}

fn key(id: &str) -> MessageField<wa::MessageKey> {
    MessageField::some(wa::MessageKey { id: Some(id.to_owned()), ..Default::default() })
}

fn protocol(r#type: ProtocolType, edited: Option<wa::Message>) -> wa::Message {
    let protocol = wa::message::ProtocolMessage {
        key: key("OLD"),
        r#type: Some(r#type),
        edited_message: edited.map_or_else(MessageField::none, MessageField::some),
        ..Default::default()
    };
    wa::Message { protocol_message: MessageField::some(protocol), ..Default::default() }
}

fn in_group(context: wa::ContextInfo) -> Inbound {
    let body = wa::message::ExtendedTextMessage {
        text: Some("hi".to_owned()),
        context_info: MessageField::some(context),
        ..Default::default()
    };
    let message = wa::Message { extended_text_message: MessageField::some(body), ..Default::default() };
    map(message, &info("120363@g.us", "100@lid"), &ann()).unwrap()
}

/// One conversation however the sender arrives.
#[test]
fn a_person_has_one_chat_by_number_and_by_lid() {
    let by_number =
        map(text("hi"), &info("15551234567@s.whatsapp.net", "15551234567:2@s.whatsapp.net"), &ann()).unwrap();
    let by_lid = map(text("hi"), &info("100@lid", "100:2@lid"), &ann()).unwrap();
    assert_eq!(by_number.message.conversation(), by_lid.message.conversation());
    assert_eq!(by_number.message.sender, by_lid.message.sender);
    assert!(by_number.message.mentions_me && by_number.unresolved.is_none());
    assert_eq!(by_number.message.text(), Some("hi"));
    assert_ne!(by_number.dedupe_key, by_lid.dedupe_key);
}

/// A5
#[test]
fn an_unresolved_sender_says_why() {
    let lid = Ids { number: None, lid: Some("100".to_owned()) };
    let inbound = map(text("hi"), &info("100@lid", "100@lid"), &lid).unwrap();
    assert!(inbound.unresolved.is_some());
    assert_eq!(inbound.message.chat.id, "100@lid");
}

#[test]
fn in_a_group_only_a_mention_or_an_answer_is_for_us() {
    let none = in_group(wa::ContextInfo::default());
    assert!(!none.message.mentions_me);
    assert_eq!((none.message.chat.id.as_str(), none.message.chat.kind), ("120363@g.us", ChatKind::Group));
    for mine in [format!("{ME}@s.whatsapp.net"), "900@lid".to_owned()] {
        let mentioned = wa::ContextInfo { mentioned_jid: vec!["5@lid".to_owned(), mine.clone()], ..Default::default() };
        assert!(in_group(mentioned).message.mentions_me, "{mine}");
        let answered = wa::ContextInfo {
            stanza_id: Some("OURS".to_owned()),
            participant: Some(mine.clone()),
            quoted_message: MessageField::some(text("what we said")),
            ..Default::default()
        };
        let inbound = in_group(answered);
        assert!(inbound.message.mentions_me, "{mine}");
        let quoted = inbound.message.quoted.unwrap();
        assert_eq!((quoted.message_id.as_str(), quoted.text.as_deref()), ("OURS", Some("what we said")));
        assert_eq!(quoted.sender.unwrap().id.as_str(), format!("wa:{ME}"));
    }
    let others = wa::ContextInfo { mentioned_jid: vec!["5@lid".to_owned()], ..Default::default() };
    assert!(!in_group(others).message.mentions_me);
}

#[test]
fn edits_deletions_and_reactions_name_their_message() {
    let info = info("100@lid", "100@lid");
    let content = |message| map(message, &info, &ann()).map(|inbound| inbound.message.content);
    let edited = Content::Edited { message_id: "OLD".to_owned(), text: "new".to_owned() };
    assert_eq!(content(protocol(ProtocolType::MESSAGE_EDIT, Some(text("new")))), Some(edited));
    let deleted = Content::Deleted { message_id: "OLD".to_owned() };
    assert_eq!(content(protocol(ProtocolType::REVOKE, None)), Some(deleted));
    for (said, emoji) in [("👍", Some("👍".to_owned())), ("", None)] {
        let reaction =
            wa::message::ReactionMessage { key: key("OLD"), text: Some(said.to_owned()), ..Default::default() };
        let message = wa::Message { reaction_message: MessageField::some(reaction), ..Default::default() };
        assert_eq!(content(message), Some(Content::Reaction { message_id: "OLD".to_owned(), emoji }));
    }
}

#[test]
fn the_protocols_own_messages_are_nobodys() {
    let info = info("100@lid", "100@lid");
    assert!(map(protocol(ProtocolType::APP_STATE_SYNC_KEY_SHARE, None), &info, &ann()).is_none());
    assert!(map(wa::Message::default(), &info, &ann()).is_none());
}

#[test]
fn media_comes_with_its_caption_and_a_handle_without_its_key() {
    let image = wa::message::ImageMessage {
        caption: Some("look".to_owned()),
        mimetype: Some("image/jpeg".to_owned()),
        media_key: Some(vec![7; 32]),
        file_length: Some(42),
        ..Default::default()
    };
    let message = wa::Message { image_message: MessageField::some(image), ..Default::default() };
    let inbound = map(message, &info("100@lid", "100@lid"), &ann()).unwrap();
    assert_eq!(inbound.message.content, Content::Text("look".to_owned()));
    let attachment = &inbound.message.attachments[0];
    assert_eq!(media::of_handle(&attachment.handle), Some(("15551234567@s.whatsapp.net", "3EB0AA")));
    assert_eq!((attachment.media_type.as_deref(), attachment.size), (Some("image/jpeg"), Some(42)));
}

#[test]
fn what_waited_for_us_says_so() {
    let mut info = info("100@lid", "100@lid");
    info.is_offline = true;
    let inbound = map(text("hi"), &info, &ann()).unwrap();
    assert_eq!(inbound.message.extra, [("offline".to_owned(), "true".to_owned())]);
}
