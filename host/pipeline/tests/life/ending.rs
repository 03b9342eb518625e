//! How a message's work ends when plugins or models fail, and what a drain leaves behind.

use std::time::Duration;

use switchhook_core::hook::{HookFailure, Outcome};
use switchhook_core::id::AccountId;
use switchhook_core::time::{Clock, SystemClock, UnixMillis};
use switchhook_pipeline::wiring::OnFailure;
use switchhook_store::InboxState;

use crate::bench::{Bench, Handle, Setup, account, inbound};

fn broken() -> Handle {
    Box::new(|_| Err(HookFailure::Trap { detail: "boom".into() }))
}

#[tokio::test]
async fn failing_reply_plugin_is_skipped_apologised_for_or_held() {
    let bench = Bench::new(Setup { replies: vec![broken()], on_failure: OnFailure::Skip, ..Setup::default() });
    bench.write("a", "hello").await;
    assert_eq!(bench.sent(1).await, ["re: hello"]);
    bench.publish(Setup { replies: vec![broken()], on_failure: OnFailure::Apologise, ..Setup::default() });
    bench.write("a", "hello").await;
    assert!(bench.sent(2).await[1].starts_with("Sorry"));
    bench.publish(Setup { replies: vec![broken()], on_failure: OnFailure::Hold, ..Setup::default() });
    let id = bench.write("a", "hello").await;
    assert_eq!(bench.settled(id).await.state, InboxState::Dead);
}

#[tokio::test]
async fn failing_model_is_apologised_for() {
    let bench = Bench::new(Setup::default());
    bench.write("a", "please fail").await;
    assert!(bench.sent(1).await[0].starts_with("Sorry"));
}

#[tokio::test]
async fn redelivery_is_a_success_and_is_answered_once() {
    let bench = Bench::new(Setup::default());
    let inbox = bench.pipeline.inbox(&account());
    let message = inbound("a", "hello", 1);
    inbox.accept(vec![message.clone()]).await.expect("accepted");
    inbox.accept(vec![message]).await.expect("a redelivery is a success");
    inbox.accept(vec![inbound("a", "after", 2)]).await.expect("accepted");
    assert_eq!(bench.sent(2).await, ["re: hello", "re: after"]);
}

#[tokio::test]
async fn old_message_is_not_answered() {
    let bench = Bench::new(Setup::default());
    let mut message = inbound("a", "hello", 1);
    message.message.sent_at = UnixMillis(SystemClock.now().0 - Duration::from_secs(7200).as_millis() as u64);
    bench.pipeline.inbox(&account()).accept(vec![message]).await.expect("accepted");
    assert_eq!(bench.settled(switchhook_core::id::InboxId(1)).await.state, InboxState::Expired);
    assert!(bench.ledger.texts().is_empty());
}

#[tokio::test]
async fn content_nobody_wants_is_settled_silently() {
    let bench = Bench::new(Setup { replies: vec![Box::new(|_| Ok(Outcome::Pass))], ..Setup::default() });
    let mut message = inbound("a", "", 1);
    message.message.content =
        switchhook_core::message::Content::Reaction { message_id: "p0".into(), emoji: Some("x".into()) };
    bench.pipeline.inbox(&account()).accept(vec![message]).await.expect("accepted");
    assert_eq!(bench.settled(switchhook_core::id::InboxId(1)).await.state, InboxState::Done);
    assert!(bench.model.asked.lock().is_empty());
}

/// What a drain does not finish stays pending, and is named.
#[tokio::test]
async fn drain_names_what_it_did_not_finish() {
    let bench = Bench::new(Setup::default());
    bench.hold_model();
    let id = bench.write("a", "slow").await;
    bench.asked(1).await;
    let stragglers = bench.pipeline.drain(Duration::from_millis(50)).await;
    assert_eq!(stragglers.len(), 1, "{stragglers:?}");
    let stored = bench.store.load(id).await.expect("readable").expect("there");
    assert_eq!(stored.state, InboxState::Pending);
}

/// What a run left behind is taken up by the next.
#[tokio::test]
async fn resumed_message_is_answered() {
    let bench = Bench::new(Setup::default());
    let message = inbound("a", "left behind", 1);
    let new =
        switchhook_store::NewMessage { dedupe_key: message.dedupe_key, message: message.message, unresolved: None };
    let accepting = bench.store.accept(vec![new]).await;
    accepting.durable.await.expect("answered").expect("committed");
    bench.pipeline.resume(&[account()]).await.expect("resumed");
    assert_eq!(bench.sent(1).await, ["re: left behind"]);
}

/// F6: what a run owed to a chat goes out before what the next run answers there, however quick that answer is.
#[tokio::test(flavor = "multi_thread")]
async fn owed_answer_is_not_overtaken_after_a_start() {
    use std::sync::atomic::Ordering;
    let bench = Bench::new(Setup::default());
    bench.ledger.absent.store(true, Ordering::SeqCst);
    let chats: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
    for chat in &chats {
        let id = bench.write(chat, "first").await;
        bench.settled(id).await;
    }
    bench.hold_model();
    for chat in &chats {
        bench.write(chat, "second").await;
    }
    bench.asked(2 * chats.len()).await;
    bench.ledger.absent.store(false, Ordering::SeqCst);
    let next = bench.again(Setup::default());
    // The account is the last of many: whoever started lanes first would give them all that time.
    let mut accounts: Vec<_> = (0..200).map(|n| AccountId::new("test", &format!("other{n}"))).collect();
    accounts.push(account());
    next.resume(&accounts).await.expect("resumed");
    bench.sent(2 * chats.len()).await;
    let sent = bench.ledger.by_chat();
    for chat in &chats {
        assert_eq!(sent[&format!("chat-{chat}")], ["re: first", "re: second"], "{chat}");
    }
}

/// A timer that a plugin schedules comes back as what it is, not as the message that scheduled it.
#[tokio::test]
async fn scheduled_timer_comes_back_by_its_name() {
    use switchhook_core::action::{Action, Outgoing};
    use switchhook_core::message::Content;
    let remind: Handle = Box::new(|m| match &m.content {
        Content::Timer(name) => Ok(Outcome::Answered(vec![Action::Send(Outgoing::text(format!("due: {name}")))])),
        _ => Ok(Outcome::Answered(vec![Action::Schedule { name: "tea".into(), after_ms: 60_000 }])),
    });
    let bench = Bench::new(Setup { replies: vec![remind], ..Setup::default() });
    let id = bench.write("a", "remind me").await;
    bench.settled(id).await;
    let next = bench.pipeline.fire_timers().await.expect("readable").expect("a timer waits");
    assert!(next > bench.clock.now(), "it is not due yet");
    bench.clock.by(Duration::from_secs(61));
    bench.pipeline.fire_timers().await.expect("readable");
    assert_eq!(bench.sent(1).await, ["due: tea"]);
}

/// What a reply plugin wrote before it failed is forgotten, also where it is skipped.
#[tokio::test]
async fn writes_of_a_failed_reply_plugin_are_forgotten() {
    use switchhook_core::hook::KvSpace;
    let bench = Bench::new(Setup { replies: vec![broken()], on_failure: OnFailure::Skip, ..Setup::default() });
    bench.write("a", "hello").await;
    bench.sent(1).await;
    let chat = Some(("c".parse().expect("a name"), inbound("a", "", 0).message.conversation()));
    let scope = switchhook_store::KvScope { space: KvSpace::Chat, plugin: "reply0".parse().expect("a name"), chat };
    assert_eq!(bench.store.kv_get(&scope, "handled").await.expect("readable"), None);
}
