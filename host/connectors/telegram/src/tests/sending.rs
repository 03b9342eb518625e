//! Sending: what goes out, and what a failure leaves behind.

use super::*;

#[tokio::test]
async fn a_message_goes_out_with_all_it_carries() {
    let script = Arc::new(Script::default());
    sent(&script, "sendMessage", 9);
    let outgoing = Outgoing {
        format: TextFormat::Markdown,
        reply_to: Some("5".to_owned()),
        buttons: vec![vec![Button { label: "Yes".to_owned(), value: "yes".to_owned() }]],
        ..Outgoing::text("**a** < b")
    };
    let receipt = connector(&script.serve().await).deliver(&delivery(Action::Send(outgoing))).await;
    assert_eq!(receipt, Ok(Receipt { provider_id: Some("9".to_owned()) }));
    let expect = json!({
        "chat_id": 7, "message_thread_id": 3, "text": "<b>a</b> &lt; b", "parse_mode": "HTML",
        "reply_parameters": { "message_id": 5, "allow_sending_without_reply": true },
        "reply_markup": { "inline_keyboard": [[{ "text": "Yes", "callback_data": "yes" }]] },
    });
    assert_eq!(script.asked("sendMessage"), [expect]);
}

#[tokio::test]
async fn markup_that_telegram_does_not_take_goes_out_plain() {
    let script = Arc::new(Script::default());
    for refusal in ["can't parse entities: whatever", "message is too long"] {
        script.refuse("sendMessage", 400, &format!("Bad Request: {refusal}"));
        sent(&script, "sendMessage", 9);
    }
    let outgoing = Outgoing { format: TextFormat::Markdown, ..Outgoing::text("**a**") };
    let connector = connector(&script.serve().await);
    for again in [1, 3] {
        connector.deliver(&delivery(Action::Send(outgoing.clone()))).await.unwrap();
        let again = &script.asked("sendMessage")[again];
        assert_eq!((&again["text"], again.get("parse_mode")), (&json!("**a**"), None));
    }
}

#[tokio::test]
async fn failures_of_a_send_tell_whether_it_may_have_happened() {
    async fn check(status: u16, answer: Value, expect: fn(&DeliveryError) -> bool) {
        let script = Arc::new(Script::default());
        script.then("sendMessage", status, answer);
        let send = delivery(Action::Send(Outgoing::text("x")));
        let error = connector(&script.serve().await).deliver(&send).await.unwrap_err();
        assert!(expect(&error), "{status}: {error:?}");
    }
    let refused =
        |code: u16| json!({ "ok": false, "error_code": code, "description": "no", "parameters": { "retry_after": 2 } });
    check(429, refused(429), |e| matches!(e, DeliveryError::Retry { after: Some(t), .. } if t.as_secs() == 2)).await;
    check(500, refused(500), |e| matches!(e, DeliveryError::Retry { .. })).await;
    check(502, json!("<html>Bad Gateway</html>"), |e| matches!(e, DeliveryError::Unknown { .. })).await;
    check(200, json!("{\"ok\":true,\"result\":"), |e| matches!(e, DeliveryError::Unknown { .. })).await;
    check(403, refused(403), |e| matches!(e, DeliveryError::Rejected { code, .. } if code == "403")).await;
}

#[tokio::test]
async fn a_send_nobody_took_is_tried_again_and_a_cut_one_is_unknown() {
    let send = delivery(Action::Send(Outgoing::text("x")));
    let refused = connector(&nobody_there().await).deliver(&send).await.unwrap_err();
    assert!(matches!(refused, DeliveryError::Retry { .. }), "{refused:?}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connector = connector(&format!("http://{}", listener.local_addr().unwrap()));
    let cut = async {
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        drop(stream);
    };
    let (delivered, ()) = tokio::join!(connector.deliver(&send), cut);
    let error = delivered.unwrap_err();
    assert!(matches!(error, DeliveryError::Unknown { .. }), "{error:?}");
    assert!(!error.to_string().contains("SECRET"), "{error}");
}

#[tokio::test]
async fn a_file_sent_before_the_next_failed_is_not_sent_twice() {
    let script = Arc::new(Script::default());
    sent(&script, "sendPhoto", 9);
    let limited = json!({ "ok": false, "error_code": 429, "description": "later", "parameters": { "retry_after": 1 } });
    script.then("sendDocument", 429, limited);
    sent(&script, "sendDocument", 10);
    let file = |source, kind| OutgoingAttachment { source, kind, media_type: None, file_name: None };
    let outgoing = Outgoing {
        attachments: vec![
            file(AttachmentSource::Handle("abc".to_owned()), AttachmentKind::Image),
            file(AttachmentSource::Bytes(b"bytes".to_vec()), AttachmentKind::Document),
        ],
        ..Outgoing::text("both")
    };
    let (connector, send) = (connector(&script.serve().await), delivery(Action::Send(outgoing)));
    assert!(matches!(connector.deliver(&send).await, Err(DeliveryError::Retry { .. })));
    assert_eq!(connector.deliver(&send).await, Ok(Receipt { provider_id: Some("9".to_owned()) }));
    let photos = script.asked("sendPhoto");
    assert_eq!(photos, [json!({ "chat_id": 7, "message_thread_id": 3, "photo": "abc", "caption": "both" })]);
    assert!(script.asked("sendDocument")[1].as_str().unwrap().contains("bytes"), "the bytes are in the form");
}

#[tokio::test]
async fn what_is_done_already_counts_as_done() {
    let script = Arc::new(Script::default());
    script.refuse("editMessageText", 400, "Bad Request: message is not modified: specified new message content");
    script.refuse("deleteMessage", 400, "Bad Request: message to delete not found");
    let connector = connector(&script.serve().await);
    let message_id = "5".to_owned();
    let edit = Action::Edit { message_id: message_id.clone(), text: "x".to_owned(), format: TextFormat::Plain };
    for action in [edit, Action::Delete { message_id: message_id.clone() }, Action::MarkRead] {
        assert!(connector.deliver(&delivery(action.clone())).await.is_ok(), "{action:?}");
    }
}

#[tokio::test]
async fn reactions_and_forwards_name_the_message() {
    let script = Arc::new(Script::default());
    script.ok("setMessageReaction", json!(true));
    sent(&script, "forwardMessage", 12);
    let connector = connector(&script.serve().await);
    let message_id = "5".to_owned();
    let react = Action::React { message_id: message_id.clone(), emoji: Some("👍".to_owned()) };
    connector.deliver(&delivery(react)).await.unwrap();
    let expect = json!({ "chat_id": 7, "message_id": 5, "reaction": [{ "type": "emoji", "emoji": "👍" }] });
    assert_eq!(script.asked("setMessageReaction"), [expect]);
    let receipt = connector.deliver(&delivery(Action::Forward { message_id, to: "-100".to_owned() })).await.unwrap();
    assert_eq!(receipt.provider_id.as_deref(), Some("12"));
    let expect = json!({ "chat_id": -100, "from_chat_id": 7, "message_id": 5 });
    assert_eq!(script.asked("forwardMessage"), [expect]);
}

#[tokio::test]
async fn what_telegram_could_never_take_is_refused_unsent() {
    let connector = connector(&nobody_there().await);
    let button = Button { label: "go".to_owned(), value: "x".repeat(65) };
    let too_long = Action::Send(Outgoing { buttons: vec![vec![button]], ..Outgoing::text("x") });
    let no_id = Action::Delete { message_id: "abc".to_owned() };
    let foreign = Action::Other { kind: "dance".to_owned(), json: "{}".to_owned() };
    for (action, expect) in [(too_long, "button-value"), (no_id, "bad-message-id"), (foreign, "unsupported")] {
        match connector.deliver(&delivery(action)).await {
            Err(DeliveryError::Rejected { code, .. }) => assert_eq!(code, expect),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_is_followed() {
    let script = Arc::new(Script::default());
    let moved = json!({ "ok": false, "error_code": 400, "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": { "migrate_to_chat_id": -1007 } });
    script.then("sendMessage", 400, moved);
    sent(&script, "sendMessage", 1);
    connector(&script.serve().await).deliver(&delivery(Action::Send(Outgoing::text("x")))).await.unwrap();
    assert_eq!(script.asked("sendMessage")[1]["chat_id"], -1007);
}

#[tokio::test]
async fn typing_is_shown_in_the_topic() {
    let script = Arc::new(Script::default());
    script.ok("sendChatAction", json!(true));
    let chat = Chat { id: "-100".to_owned(), kind: ChatKind::Group, title: None, thread: Some("3".to_owned()) };
    connector(&script.serve().await).typing(&chat).await;
    let expect = json!({ "chat_id": -100, "message_thread_id": 3, "action": "typing" });
    assert_eq!(script.asked("sendChatAction"), [expect]);
}
