//! The connector against the fake server, with a device that pins the fake's key. Pairing itself needs a client that
//! takes the fake's certificate, which no build in this workspace does.

mod bench;

use std::time::Duration;

use switchhook_core::action::{Action, Outgoing, TextFormat};
use switchhook_core::connector::{ConnectorError, DeliveryError};
use switchhook_core::link::{LinkAttempt, LinkError, LinkMethod, Linkable};
use switchhook_core::message::{Content, ContentKind};
use switchhook_core::status::State;

use bench::{Bench, ME, PEER};

fn text(text: &str) -> Action {
    Action::Send(Outgoing::text(text))
}

/// A1, A2: a text comes in with every name of its sender, from LID and from number, and an answer goes out.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_comes_in_and_an_answer_goes_out() {
    let bench = Bench::start().await;
    let run = bench.run().await;
    let id = bench.write("hello", "lid").await;
    let first = bench.inbox.next().await;
    assert_eq!(first.message.text(), Some("hello"));
    assert_eq!(first.unresolved, None);
    let ids: Vec<_> = first.message.sender.ids().map(|id| id.to_string()).collect();
    assert_eq!(ids[..2], [format!("wa:{PEER}"), format!("+{PEER}")]);
    bench.write("again", "pn").await;
    let second = bench.inbox.next().await;
    assert_eq!(second.message.conversation(), first.message.conversation());

    let receipt = bench.deliver("one", text("hello back"), Some(&id)).await.unwrap();
    let sent = bench.ledger("sent", "hello back").await;
    assert_eq!(sent["id"].as_str(), receipt.provider_id.as_deref());
    assert_eq!(sent["recipients"][0], PEER);
    run.stop().await.unwrap();
}

/// F6: what is tried again has the id it had.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_try_has_the_same_id() {
    let bench = Bench::start().await;
    let run = bench.run().await;
    bench.write("hello", "lid").await;
    bench.inbox.next().await;
    let first = bench.deliver("one", text("once"), None).await.unwrap();
    assert_eq!(bench.deliver("one", text("once"), None).await.unwrap(), first);
    let again = bench.ledger("sent_again", "once").await;
    assert_eq!(again["id"].as_str(), first.provider_id.as_deref());
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_reactions_edits_deletions_and_read_marks_name_their_message() {
    let bench = Bench::start().await;
    let run = bench.run().await;
    let theirs = bench.write("hello", "lid").await;
    bench.inbox.next().await;
    let reply = Outgoing { reply_to: Some(theirs.clone()), ..Outgoing::text("yes") };
    let ours = bench.deliver("reply", Action::Send(reply), None).await.unwrap().provider_id.unwrap();
    assert_eq!(bench.ledger("sent", "yes").await["content"]["quoted"], theirs.as_str());

    let reaction = Action::React { message_id: theirs.clone(), emoji: Some("👍".to_owned()) };
    bench.deliver("react", reaction, None).await.unwrap();
    assert_eq!(bench.ledger("sent", "👍").await["content"]["of"], theirs.as_str());

    let edit = Action::Edit { message_id: ours.clone(), text: "no".to_owned(), format: TextFormat::Plain };
    bench.deliver("edit", edit, None).await.unwrap();
    assert_eq!(bench.ledger("sent", "no").await["content"]["of"], ours.as_str());

    bench.deliver("delete", Action::Delete { message_id: ours.clone() }, None).await.unwrap();
    bench.wait_for(|entry| entry["kind"] == "delete" && entry["content"]["of"] == ours.as_str()).await;

    bench.deliver("read", Action::MarkRead, Some(&theirs)).await.unwrap();
    bench.wait_for(|e| e["event"] == "receipt" && e["kind"] == "read" && e["id"] == theirs.as_str()).await;
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_messages_comes_in() {
    let bench = Bench::start().await;
    let run = bench.run().await;
    let id = bench.write("hello", "lid").await;
    bench.inbox.next().await;
    bench.say(serde_json::json!({ "edit": id, "text": "hullo" })).await;
    let edited = Content::Edited { message_id: id.clone(), text: "hullo".to_owned() };
    assert_eq!(bench.inbox.next().await.message.content, edited);
    bench.say(serde_json::json!({ "reaction": { "of": id, "emoji": "👍" } })).await;
    assert_eq!(bench.inbox.next().await.message.content.kind(), ContentKind::Reaction);
    bench.say(serde_json::json!({ "delete": id })).await;
    assert_eq!(bench.inbox.next().await.message.content, Content::Deleted { message_id: id });
    run.stop().await.unwrap();
}

/// F6: what the inbox could not take is not acknowledged, and comes again on the next connection.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_kept_comes_again() {
    let bench = Bench::start().await;
    let run = bench.run().await;
    bench.inbox.refuse_one();
    bench.write("precious", "lid").await;
    let error = run.end().await.unwrap_err();
    assert!(matches!(error, ConnectorError::Retry { code: "journal", .. }), "{error:?}");
    let run = bench.run().await;
    assert_eq!(bench.inbox.next().await.message.text(), Some("precious"));
    run.stop().await.unwrap();
}

/// B12, C4: a connection that is cut ends the run; what came meanwhile arrives with the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_tried_again_and_nothing_is_lost() {
    let bench = Bench::start().await;
    let run = bench.run().await;
    bench.tell("drop", serde_json::json!({ "account": ME })).await;
    let error = run.end().await.unwrap_err();
    assert!(matches!(error, ConnectorError::Retry { code: "dropped", .. }), "{error:?}");
    let unsent = bench.deliver("early", text("early"), None).await.unwrap_err();
    assert!(matches!(unsent, DeliveryError::Retry { .. }), "{unsent:?}");
    bench.write("meanwhile", "lid").await;
    let run = bench.run().await;
    let late = bench.inbox.next().await;
    assert_eq!(late.message.text(), Some("meanwhile"));
    assert!(late.message.extra.contains(&("offline".to_owned(), "true".to_owned())));
    run.stop().await.unwrap();
}

/// B11: the phone ends the link.
#[tokio::test(flavor = "multi_thread")]
async fn an_unlinked_device_needs_a_person() {
    let bench = Bench::start().await;
    let run = bench.run().await;
    bench.tell("unlink", serde_json::json!({ "account": ME })).await;
    let status = run.status.clone();
    let error = run.end().await.unwrap_err();
    assert!(matches!(error, ConnectorError::NeedsPerson { code: "logged-out", .. }), "{error:?}");
    assert_eq!(status.get().state, State::NeedsLink);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_session_does_not_fight() {
    let bench = Bench::start().await;
    let run = bench.run().await;
    bench.tell("stream-error", serde_json::json!({ "account": ME, "code": 409, "conflict": "replaced" })).await;
    let error = run.end().await.unwrap_err();
    assert!(matches!(error, ConnectorError::NeedsPerson { code: "replaced", .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_without_a_link_says_what_to_do() {
    let bench = Bench::unlinked().await;
    let run = bench.begin();
    let error = run.end().await.unwrap_err();
    assert!(matches!(error, ConnectorError::NeedsPerson { code: "needs-link", .. }), "{error:?}");
    assert!(error.to_string().contains("switchhook link wa"), "{error}");
    assert_eq!(bench.connector.linked().await.unwrap(), None);
}

/// A build without the bypass takes nobody's certificate for WhatsApp's: an attempt to pair with the fake ends, and
/// leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_certificate_is_refused_when_pairing() {
    let bench = Bench::unlinked().await;
    let (events, mut shown) = tokio::sync::mpsc::channel(8);
    let attempt = LinkAttempt { method: LinkMethod::Qr, events, cancel: Default::default() };
    let error =
        tokio::time::timeout(Duration::from_secs(60), bench.connector.link(attempt)).await.unwrap().unwrap_err();
    assert!(matches!(error, LinkError::Unreachable { .. }), "{error:?}");
    assert!(shown.recv().await.is_none());
    assert_eq!(bench.connector.linked().await.unwrap(), None);
}

/// B5: unlinked from here, the server hears of it and nothing of the device stays.
#[tokio::test(flavor = "multi_thread")]
async fn unlinking_tells_the_phone_and_forgets_the_keys() {
    let bench = Bench::start().await;
    let run = bench.run().await;
    let linked = bench.connector.linked().await.unwrap().unwrap();
    assert_eq!(linked.owner[0].to_string(), format!("wa:{ME}"));
    let busy =
        LinkAttempt { method: LinkMethod::Qr, events: tokio::sync::mpsc::channel(1).0, cancel: Default::default() };
    assert_eq!(bench.connector.link(busy).await, Err(LinkError::Busy));
    bench.connector.unlink().await.unwrap();
    run.end().await.unwrap_err();
    bench.wait_for(|entry| entry["event"] == "logged_out").await;
    assert_eq!(bench.connector.linked().await.unwrap(), None);
    assert!(bench.connector.states().list("session").await.unwrap().is_empty());
    assert!(bench.connector.states().list("prekey").await.unwrap().is_empty());
}
