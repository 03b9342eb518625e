//! The whole vocabulary crosses the border and comes back.

use std::sync::Arc;

use switchhook_core::action::{Action, AttachmentSource, Button, Outgoing, OutgoingAttachment, TextFormat};
use switchhook_core::hook::{Next, Outcome};
use switchhook_core::message::{Attachment, AttachmentKind, Content, Quoted};
use switchhook_core::model::{Completion, FinishReason, Role, ToolCall, Usage};

use crate::kit::{LIMITS, Services, message, prompt, reply};

/// F1
#[tokio::test]
async fn a_reply_returns_every_action() {
    let outcome = reply(&LIMITS).handle(Arc::new(Services::default()).call(), &message("all")).await.unwrap();
    let attachment = OutgoingAttachment {
        source: AttachmentSource::Bytes(vec![1, 2, 3]),
        kind: AttachmentKind::Voice,
        media_type: Some("audio/ogg".into()),
        file_name: None,
    };
    let send = Outgoing {
        to: Some("42".into()),
        text: "*hi*".into(),
        format: TextFormat::Markdown,
        reply_to: Some("7".into()),
        attachments: vec![attachment],
        buttons: vec![vec![Button { label: "Yes".into(), value: "y".into() }]],
        extra: vec![("silent".into(), "true".into())],
    };
    let expect = vec![
        Action::Send(send),
        Action::Edit { message_id: "1".into(), text: "new".into(), format: TextFormat::Plain },
        Action::Delete { message_id: "2".into() },
        Action::React { message_id: "3".into(), emoji: None },
        Action::MarkRead,
        Action::Forward { message_id: "4".into(), to: "5".into() },
        Action::Schedule { name: "tea".into(), after_ms: 6 },
        Action::CancelTurn,
        Action::NewConversation,
        Action::Other { kind: "pin".into(), json: "{}".into() },
    ];
    assert_eq!(outcome, Outcome::Answered(expect));
}

#[tokio::test]
async fn a_message_arrives_whole() {
    let mut sent = message("echo");
    sent.chat.thread = Some("topic-9".into());
    sent.attachments.push(Attachment {
        handle: "h-1".into(),
        kind: AttachmentKind::Sticker,
        media_type: None,
        file_name: Some("cat.webp".into()),
        size: Some(99),
    });
    sent.quoted = Some(Quoted { message_id: "q-1".into(), sender: Some(sent.sender.clone()), text: None });
    sent.extra.push(("key".into(), "value".into()));
    let outcome = reply(&LIMITS).handle(Arc::new(Services::default()).call(), &sent).await.unwrap();
    let Outcome::Continue(actions) = outcome else { panic!("{outcome:?}") };
    let Action::Send(Outgoing { text, .. }) = &actions[0] else { panic!("{actions:?}") };
    for part in [
        "m-1",
        "front",
        "web:front",
        "c-1",
        "Tea",
        "topic-9",
        "web:alice",
        "tg:@alice",
        "Alice",
        "Approved",
        "h-1",
        "cat.webp",
        "99",
        "q-1",
        "1700000000123",
        "key",
        "value",
        "Group",
        "Sticker",
    ] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    sent.content = Content::Button("pass".into());
    let outcome = reply(&LIMITS).handle(Arc::new(Services::default()).call(), &sent).await.unwrap();
    assert!(matches!(outcome, Outcome::Answered(_)), "a button is no text: {outcome:?}");
}

/// F1
#[tokio::test]
async fn a_prompt_asks_and_reads() {
    let hook = prompt(&LIMITS);
    let call = || Arc::new(Services::default()).call();
    let first = hook.compose(call(), &[message("one"), message("two")]).await.unwrap();
    let texts: Vec<_> = first.messages.iter().map(|m| (m.role, m.text.as_str())).collect();
    assert_eq!(texts, [(Role::System, "Be brief."), (Role::User, "one"), (Role::User, "two")]);
    assert_eq!(first.tools[0].name, "add");
    assert_eq!((first.parameters.max_tokens, first.parameters.temperature), (Some(10), Some(0.5)));
    assert_eq!(first.parameters.extra, [("top_k".to_owned(), "1".to_owned())]);

    let mut completion = Completion {
        text: "the answer".into(),
        tool_calls: vec![ToolCall { id: "t-1".into(), name: "add".into(), arguments: "{}".into() }],
        finish: FinishReason::ToolCalls,
        model: "main".into(),
        usage: Usage::default(),
    };
    let Next::Again(second) = hook.read(call(), &first.state, &completion).await.unwrap() else {
        panic!("it asks again")
    };
    assert_eq!(second.messages[0].tool_call_id.as_deref(), Some("t-1"));
    completion.tool_calls.clear();
    let done = hook.read(call(), &second.state, &completion).await.unwrap();
    assert_eq!(done, Next::Done(vec![Action::Send(Outgoing::text("the answer"))]));
}
