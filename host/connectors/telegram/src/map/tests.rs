use serde_json::json;
use switchhook_core::message::AttachmentKind;

use super::*;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn mapper() -> Mapper {
    let me = serde_json::from_value(json!({ "id": 4242, "first_name": "Hook", "username": "hook_bot" })).unwrap();
    Mapper::new(&ChannelName::new("me").unwrap(), &AccountId::new("telegram", "4242"), me)
}

/// Lays `more` over a message from Alice in her private chat.
fn private(more: Value) -> Value {
    message(json!({ "id": 7, "type": "private", "first_name": "Alice" }), more)
}

fn group(more: Value) -> Value {
    message(json!({ "id": -100, "type": "supergroup", "title": "Friends" }), more)
}

fn message(chat: Value, more: Value) -> Value {
    let mut message = json!({
        "message_id": 5, "chat": chat, "date": 1_600_000_000,
        "from": { "id": 7, "is_bot": false, "first_name": "Alice", "last_name": "B", "username": "Alice" },
    });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "update_id": 11, "message": message })
}

fn map(update: Value) -> Message {
    let mut received = mapper().map(&[update], NOW);
    assert_eq!(received.messages.len(), 1, "one message");
    received.messages.remove(0).message
}

#[test]
fn a_private_text_names_its_sender_in_every_form() {
    let received = mapper().map(&[private(json!({ "text": "hello" }))], NOW);
    assert_eq!(received.messages[0].dedupe_key, "u11");
    assert_eq!(received.next_offset(), Some(12));
    let m = &received.messages[0].message;
    assert_eq!((m.id.as_str(), m.text(), m.mentions_me), ("5", Some("hello"), true));
    assert_eq!(m.sender.ids().map(ToString::to_string).collect::<Vec<_>>(), ["tg:7", "tg:@alice"]);
    assert_eq!(m.sender.name.as_deref(), Some("Alice B"));
    assert_eq!((m.chat.id.as_str(), m.chat.kind), ("7", ChatKind::Direct));
    assert_eq!(m.sent_at, UnixMillis(1_600_000_000_000));
}

#[test]
fn in_a_group_only_what_is_meant_for_us_mentions_us() {
    let check = |more: Value, expect: bool| assert_eq!(map(group(more.clone())).mentions_me, expect, "{more}");
    let mark = |kind: &str, offset: usize, length: usize| json!([{ "type": kind, "offset": offset, "length": length }]);
    check(json!({ "text": "hello" }), false);
    check(json!({ "text": "@hook_bot but no entity" }), false);
    check(json!({ "text": "👋 @Hook_Bot", "entities": mark("mention", 3, 9) }), true);
    check(json!({ "text": "hi @hook_bot2", "entities": mark("mention", 3, 10) }), false);
    check(json!({ "text": "/stop@hook_bot", "entities": mark("bot_command", 0, 14) }), true);
    check(json!({ "text": "/stop", "entities": mark("bot_command", 0, 5) }), false);
    check(json!({ "caption": "@hook_bot", "photo": [], "caption_entities": mark("mention", 0, 9) }), true);
    check(json!({ "text": "x", "entities": mark("mention", 90, 900) }), false);
    let named =
        json!([{ "type": "text_mention", "offset": 0, "length": 2, "user": { "id": 4242, "first_name": "H" } }]);
    check(json!({ "text": "hi", "entities": named }), true);
}

#[test]
fn an_answer_to_us_mentions_us_and_quotes() {
    let ours = json!({ "message_id": 4, "date": 1, "chat": { "id": -100, "type": "supergroup" }, "text": "Yes?",
        "from": { "id": 4242, "first_name": "Hook" } });
    let m = map(group(json!({ "text": "no", "reply_to_message": ours })));
    let quoted = m.quoted.unwrap();
    assert!(m.mentions_me);
    assert_eq!((quoted.message_id.as_str(), quoted.text.as_deref()), ("4", Some("Yes?")));
    assert_eq!(quoted.sender.unwrap().id.as_str(), "tg:4242");
}

#[test]
fn a_topic_is_the_thread_and_its_opening_is_no_quotation() {
    let opening = json!({ "message_id": 3, "date": 1, "chat": { "id": -100, "type": "supergroup" },
        "from": { "id": 4242, "first_name": "Hook" }, "forum_topic_created": { "name": "Topic" } });
    let topic = json!({ "text": "x", "message_thread_id": 3, "is_topic_message": true, "reply_to_message": opening });
    let m = map(group(topic));
    assert_eq!((m.chat.thread.as_deref(), m.quoted, m.mentions_me), (Some("3"), None, false));
    let m = map(group(json!({ "text": "x", "message_thread_id": 3 })));
    assert_eq!(m.chat.thread, None, "a chain of answers is no topic");
}

#[test]
fn a_command_addressed_to_us_reads_as_the_command() {
    let check = |text: &str, length: usize, expect: &str| {
        let entities = json!([{ "type": "bot_command", "offset": 0, "length": length }]);
        assert_eq!(map(group(json!({ "text": text, "entities": entities }))).text(), Some(expect));
    };
    check("/stop@Hook_bot now", 14, "/stop now");
    check("/stop@other_bot now", 15, "/stop@other_bot now");
}

#[test]
fn a_chat_that_speaks_is_the_sender_and_not_its_stand_in() {
    let anonymous = json!({ "id": -100, "type": "supergroup", "title": "Friends", "username": "Friends" });
    let m = map(group(json!({ "text": "x", "sender_chat": anonymous })));
    assert_eq!(m.sender.ids().map(ToString::to_string).collect::<Vec<_>>(), ["tg:-100", "tg:@friends"]);
    let post = json!({ "update_id": 1, "channel_post": { "message_id": 1, "date": 1, "text": "news",
        "chat": { "id": -200, "type": "channel", "title": "News" } } });
    let m = map(post);
    assert_eq!((m.chat.kind, m.sender.id.as_str(), m.mentions_me), (ChatKind::Channel, "tg:-200", false));
}

#[test]
fn edits_reactions_presses_and_members_have_their_own_content() {
    let mut edit = private(json!({ "text": "new", "edit_date": 1_600_000_009 }));
    let body = edit["message"].take();
    let m = map(json!({ "update_id": 1, "edited_message": body }));
    assert_eq!(m.content, Content::Edited { message_id: "5".to_owned(), text: "new".to_owned() });
    assert_eq!(m.sent_at, UnixMillis(1_600_000_009_000));

    let user = json!({ "id": 7, "first_name": "Alice" });
    let joined = map(group(json!({ "new_chat_members": [user] })));
    assert!(matches!(&joined.content, Content::Joined(people) if people[0].id.as_str() == "tg:7"));
    let left = map(group(json!({ "left_chat_member": user })));
    assert!(matches!(&left.content, Content::Left(people) if people[0].id.as_str() == "tg:7"));

    let press = json!({ "update_id": 1, "callback_query": { "id": "q1", "from": user, "data": "yes",
        "message": { "message_id": 9, "date": 0, "chat": { "id": -100, "type": "supergroup" } } } });
    let received = mapper().map(&[press], NOW);
    let m = &received.messages[0].message;
    assert_eq!(received.pressed, ["q1"]);
    assert_eq!((&m.content, m.id.as_str(), m.mentions_me), (&Content::Button("yes".to_owned()), "9", true));
    assert_eq!(m.sent_at, NOW, "an old message's button may be pressed now");
}

#[test]
fn a_reaction_tells_what_was_added_or_that_one_was_taken_back() {
    let check = |old: Value, new: Value, expect: Option<&str>| {
        let m = map(json!({ "update_id": 1, "message_reaction": {
            "chat": { "id": -100, "type": "supergroup" }, "message_id": 5, "date": 1,
            "user": { "id": 7, "first_name": "A" }, "old_reaction": old, "new_reaction": new } }));
        let emoji = expect.map(str::to_owned);
        assert_eq!(m.content, Content::Reaction { message_id: "5".to_owned(), emoji });
    };
    let thumb = json!({ "type": "emoji", "emoji": "👍" });
    let fire = json!({ "type": "emoji", "emoji": "🔥" });
    check(json!([]), json!([thumb]), Some("👍"));
    check(json!([thumb]), json!([thumb, fire]), Some("🔥"));
    check(json!([thumb]), json!([]), None);
    check(json!([]), json!([{ "type": "custom_emoji", "custom_emoji_id": "53" }]), Some("custom:53"));
}

#[test]
fn attachments_carry_their_handle_and_the_caption_is_the_text() {
    let sizes = json!([
        { "file_id": "small", "width": 90, "height": 60 },
        { "file_id": "large", "width": 900, "height": 600, "file_size": 1234 },
    ]);
    let m = map(private(json!({ "photo": sizes, "caption": "look", "forward_origin": {}, "media_group_id": "a1" })));
    assert_eq!(m.text(), Some("look"));
    assert_eq!(m.attachments.len(), 1);
    assert_eq!((m.attachments[0].handle.as_str(), m.attachments[0].kind), ("large", AttachmentKind::Image));
    assert_eq!(m.attachments[0].size, Some(1234));
    assert_eq!(m.extra, [("forwarded".to_owned(), "true".to_owned()), ("album".to_owned(), "a1".to_owned())]);

    let moving = json!({ "file_id": "gif", "mime_type": "video/mp4" });
    let m = map(private(json!({ "animation": moving, "document": moving })));
    assert_eq!(m.attachments.len(), 1, "the document is the same file");
    assert_eq!((m.text(), m.attachments[0].kind), (Some(""), AttachmentKind::Video));

    let m = map(private(json!({ "location": { "latitude": 52.5, "longitude": -13.25 } })));
    assert_eq!(m.attachments[0].handle, "geo:52.5,-13.25");
}

#[test]
fn what_can_not_be_read_is_skipped_and_confirmed() {
    let updates = [
        json!({ "update_id": 20, "poll": { "id": "1" } }),
        json!({ "update_id": 22, "message": { "no": "chat" } }),
        json!({ "no": "id" }),
        json!({ "update_id": 21, "message": private(json!({ "text": "x" }))["message"] }),
        json!({ "update_id": 23, "message": private(json!({ "from": { "id": 4242, "first_name": "me" } }))["message"] }),
    ];
    let received = mapper().map(&updates, NOW);
    assert_eq!(received.messages.iter().map(|m| m.dedupe_key.as_str()).collect::<Vec<_>>(), ["u21"]);
    assert_eq!(received.next_offset(), Some(24));
}

#[test]
fn a_service_message_keeps_its_name_and_its_json() {
    let m = map(group(json!({ "pinned_message": { "message_id": 1 } })));
    let Content::Other { kind, json } = m.content else { panic!("{:?}", m.content) };
    assert_eq!(kind, "pinned_message");
    assert!(json.contains("\"pinned_message\""));
}
