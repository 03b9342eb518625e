//! Who is let in, and by which route.

use switchhook_core::hook::{HookFailure, KvSpace, Verdict};
use switchhook_core::message::Standing;
use switchhook_core::person::PersonId;
use switchhook_store::{Approval, InboxState, KvScope};

use crate::bench::{Bench, Decide, Setup, account, pass, until};

fn deny() -> Decide {
    Box::new(|_| Ok(Verdict::Deny { reason: "no".into(), notice: None }))
}

fn hold() -> Decide {
    Box::new(|_| Ok(Verdict::Hold { reason: "wait".into() }))
}

fn route(name: &'static str) -> Decide {
    Box::new(move |_| Ok(Verdict::Route { name: name.into() }))
}

#[tokio::test]
async fn pass_has_no_say_and_the_first_denial_ends_it() {
    let bench = Bench::new(Setup { policies: vec![pass(), deny(), pass()], ..Setup::default() });
    let id = bench.write("a", "hello").await;
    let stored = bench.settled(id).await;
    assert_eq!(stored.state, InboxState::Denied);
    assert_eq!(stored.reason.as_deref(), Some("policy1: no"));
    assert!(stored.message.is_none(), "a denied text is erased");
    assert!(bench.model.asked.lock().is_empty());
}

#[tokio::test]
async fn failing_policy_lets_nothing_through() {
    let trap: Decide = Box::new(|_| Err(HookFailure::Trap { detail: "boom".into() }));
    let bench = Bench::new(Setup { policies: vec![trap], ..Setup::default() });
    let id = bench.write("a", "hello").await;
    let stored = bench.settled(id).await;
    assert_eq!(stored.state, InboxState::Dead);
    assert!(stored.message.is_some(), "it can be replayed");
    bench.publish(Setup::default());
    bench.pipeline.replay(id, Approval::Replay).await.expect("it is replayed");
    assert_eq!(bench.sent(1).await, ["re: hello"]);
}

#[tokio::test]
async fn all_policies_of_the_target_route_run_as_well() {
    let routes = vec![("strict", deny())];
    let bench = Bench::new(Setup { policies: vec![route("strict")], routes, ..Setup::default() });
    let id = bench.write("a", "hello").await;
    assert_eq!(bench.settled(id).await.state, InboxState::Denied);
}

#[tokio::test]
async fn policies_after_a_route_still_run() {
    let routes = vec![("lax", pass())];
    let bench = Bench::new(Setup { policies: vec![route("lax"), deny()], routes, ..Setup::default() });
    let id = bench.write("a", "hello").await;
    assert_eq!(bench.settled(id).await.state, InboxState::Denied);
}

#[tokio::test]
async fn circle_of_routes_and_foreign_route_fail_closed() {
    let bench =
        Bench::new(Setup { policies: vec![route("b")], routes: vec![("b", route("main"))], ..Setup::default() });
    let id = bench.write("a", "hello").await;
    let stored = bench.settled(id).await;
    assert_eq!(stored.state, InboxState::Dead);
    assert!(stored.reason.expect("a reason").contains("circle"));
    bench.publish(Setup { policies: vec![route("nowhere")], ..Setup::default() });
    let id = bench.write("a", "hello").await;
    assert!(bench.settled(id).await.reason.expect("a reason").contains("nowhere"));
}

#[tokio::test]
async fn approved_message_passes_a_further_hold() {
    let bench = Bench::new(Setup { policies: vec![hold()], ..Setup::default() });
    let id = bench.write("a", "hello").await;
    assert_eq!(bench.settled(id).await.state, InboxState::Held);
    bench.pipeline.replay(id, Approval::Approved).await.expect("it is approved");
    assert_eq!(bench.sent(1).await, ["re: hello"]);
}

#[tokio::test]
async fn unresolved_sender_fails_closed() {
    let bench = Bench::new(Setup::default());
    let mut inbound = crate::bench::inbound("a", "hello", 1);
    inbound.unresolved = Some("no number is known for this sender".into());
    bench.pipeline.inbox(&account()).accept(vec![inbound]).await.expect("accepted");
    let stored = bench.settled(switchhook_core::id::InboxId(1)).await;
    assert_eq!(stored.state, InboxState::Denied);
    assert!(bench.ledger.texts().is_empty());
}

/// Rate limiters need it: what a policy wrote counts, also where the message was denied.
#[tokio::test]
async fn writes_of_policies_count_even_when_denied() {
    let bench = Bench::new(Setup { policies: vec![deny()], ..Setup::default() });
    for _ in 0..3 {
        let id = bench.write("a", "hello").await;
        bench.settled(id).await;
    }
    let channel = "c".parse().expect("a name");
    let conversation = crate::bench::inbound("a", "", 0).message.conversation();
    let plugin = "policy0".parse().expect("a name");
    let scope = KvScope { space: KvSpace::Chat, plugin, chat: Some((channel, conversation)) };
    let count = bench.store.kv_get(&scope, "asked").await.expect("it can be read");
    assert_eq!(count.as_deref(), Some(&b"3"[..]));
}

/// Revocation: the config changed while the model was thinking.
#[tokio::test]
async fn permission_withdrawn_while_the_model_thinks_sends_nothing() {
    let bench = Bench::new(Setup::default());
    bench.hold_model();
    let id = bench.write("a", "hello").await;
    bench.asked(1).await;
    bench.publish(Setup { policies: vec![deny()], fingerprint: "two", ..Setup::default() });
    bench.let_model(1);
    assert_eq!(bench.settled(id).await.state, InboxState::Revoked);
    assert!(bench.ledger.texts().is_empty());
}

/// A changed config that still lets the sender in takes nothing away.
#[tokio::test]
async fn permission_confirmed_under_a_new_config_is_kept() {
    let bench = Bench::new(Setup::default());
    bench.hold_model();
    bench.write("a", "hello").await;
    bench.asked(1).await;
    bench.publish(Setup { fingerprint: "two", ..Setup::default() });
    bench.let_model(1);
    assert_eq!(bench.sent(1).await, ["re: hello"]);
}

/// Revocation by the operator's word, when the answer already waits to go out.
#[tokio::test]
async fn blocked_sender_gets_no_delivery_that_still_waits() {
    let blocked: fn() -> Decide = || {
        Box::new(|m| match m.sender.standing {
            Standing::Blocked => Ok(Verdict::Deny { reason: "blocked".into(), notice: None }),
            _ => Ok(Verdict::Pass),
        })
    };
    let bench = Bench::new(Setup { policies: vec![blocked()], ..Setup::default() });
    bench.hold_wire();
    let first = bench.write("a", "one").await;
    let second = bench.write("a", "two").await;
    bench.settled(first).await;
    bench.settled(second).await;
    bench.store.set_standing(&PersonId::new("t", "a"), Standing::Blocked).await.expect("it is set");
    bench.pipeline.standing_changed();
    bench.let_wire();
    let row = until("the second delivery has ended", async || {
        let row = bench.store.deliveries_of(second).await.expect("rows").into_iter().next()?;
        (row.state == switchhook_store::DeliveryState::Revoked).then_some(row)
    })
    .await;
    assert!(row.reason.expect("a reason").contains("blocked"));
    assert_eq!(bench.ledger.texts(), ["re: one"], "only what was on the wire already");
}

/// Held on Friday, approved on Monday: its age counts from the approval.
#[tokio::test]
async fn message_approved_after_days_is_answered() {
    let bench = Bench::new(Setup { policies: vec![hold()], ..Setup::default() });
    let id = bench.write("a", "hello").await;
    bench.settled(id).await;
    bench.clock.by(std::time::Duration::from_secs(3 * 86_400));
    bench.pipeline.replay(id, Approval::Approved).await.expect("it is approved");
    assert_eq!(bench.sent(1).await, ["re: hello"]);
}

/// A policy that fails has written nothing.
#[tokio::test]
async fn writes_of_a_failed_policy_are_forgotten() {
    let trap: Decide = Box::new(|_| Err(HookFailure::Trap { detail: "boom".into() }));
    let bench = Bench::new(Setup { policies: vec![trap], ..Setup::default() });
    let id = bench.write("a", "hello").await;
    bench.settled(id).await;
    let chat = Some(("c".parse().expect("a name"), crate::bench::inbound("a", "", 0).message.conversation()));
    let scope = KvScope { space: KvSpace::Chat, plugin: "policy0".parse().expect("a name"), chat };
    assert_eq!(bench.store.kv_get(&scope, "asked").await.expect("it can be read"), None);
}

/// In a turn of several people, one who is taken off the list takes nothing from the others.
#[tokio::test]
async fn one_revoked_sender_of_a_merged_turn_leaves_the_others() {
    let not_b: fn() -> Decide = || {
        Box::new(|m| match m.text() {
            Some(text) if text.contains("bad") => Ok(Verdict::Deny { reason: "no".into(), notice: None }),
            _ => Ok(Verdict::Pass),
        })
    };
    let while_busy = switchhook_pipeline::wiring::WhileBusy::Merge;
    let bench = Bench::new(Setup { while_busy, ..Setup::default() });
    bench.hold_model();
    bench.write("a", "first").await;
    bench.asked(1).await;
    let bad = bench.write("a", "bad").await;
    let good = bench.write("a", "good").await;
    bench.let_model(1);
    bench.asked(2).await;
    bench.publish(Setup { policies: vec![not_b()], fingerprint: "two", while_busy, ..Setup::default() });
    bench.let_model(2);
    assert_eq!(bench.sent(2).await, ["re: first", "re: good"]);
    assert_eq!(bench.settled(bad).await.state, InboxState::Revoked);
    assert_eq!(bench.settled(good).await.state, InboxState::Done);
}
