//! What happens while the model is busy.

use std::sync::atomic::Ordering;

use switchhook_core::action::{Action, Outgoing};
use switchhook_core::hook::Outcome;
use switchhook_pipeline::wiring::WhileBusy;

use crate::bench::{Bench, Handle, Setup, until};

fn commands() -> Handle {
    Box::new(|m| match m.text() {
        Some("/stop") => Ok(Outcome::Answered(vec![Action::CancelTurn, Action::Send(Outgoing::text("stopped"))])),
        Some("/id") => Ok(Outcome::Answered(vec![Action::Send(Outgoing::text("id"))])),
        _ => Ok(Outcome::Pass),
    })
}

fn setup(while_busy: WhileBusy) -> Setup {
    Setup { replies: vec![commands()], while_busy, ..Setup::default() }
}

#[tokio::test]
async fn queued_messages_are_answered_one_by_one_in_order() {
    let bench = Bench::new(setup(WhileBusy::Queue));
    bench.hold_model();
    for text in ["one", "two", "three"] {
        bench.write("a", text).await;
    }
    bench.asked(1).await;
    bench.let_model(3);
    assert_eq!(bench.sent(3).await, ["re: one", "re: two", "re: three"]);
}

#[tokio::test]
async fn merged_messages_are_answered_together() {
    let bench = Bench::new(setup(WhileBusy::Merge));
    bench.hold_model();
    bench.write("a", "one").await;
    bench.asked(1).await;
    let two = bench.write("a", "two").await;
    let three = bench.write("a", "three").await;
    // A command shows that both are in the lane's back by now: it is behind them in its front.
    bench.write("a", "/id").await;
    bench.sent(1).await;
    bench.let_model(2);
    assert_eq!(bench.sent(3).await, ["id", "re: one", "re: two+three"]);
    for id in [two, three] {
        assert_eq!(bench.settled(id).await.state, switchhook_store::InboxState::Done);
    }
}

#[tokio::test]
async fn newer_message_interrupts_and_takes_the_older_along() {
    let bench = Bench::new(setup(WhileBusy::Interrupt));
    bench.hold_model();
    bench.write("a", "one").await;
    bench.asked(1).await;
    bench.write("a", "two").await;
    assert_eq!(bench.asked(2).await, ["one", "one+two"]);
    bench.let_model(1);
    assert_eq!(bench.sent(1).await, ["re: one+two"]);
}

#[tokio::test]
async fn command_overtakes_and_other_chats_do_not_wait() {
    let bench = Bench::new(setup(WhileBusy::Queue));
    bench.hold_model();
    bench.write("a", "slow").await;
    bench.asked(1).await;
    bench.write("b", "/id").await;
    bench.write("a", "/id").await;
    assert_eq!(bench.sent(2).await, ["id", "id"]);
}

#[tokio::test]
async fn stop_cancels_the_call_and_the_next_message_goes_on() {
    let bench = Bench::new(setup(WhileBusy::Queue));
    bench.hold_model();
    let slow = bench.write("a", "slow").await;
    bench.asked(1).await;
    bench.write("a", "/stop").await;
    assert_eq!(bench.settled(slow).await.state, switchhook_store::InboxState::Done);
    bench.write("a", "next").await;
    bench.asked(2).await;
    bench.let_model(1);
    assert_eq!(bench.sent(2).await, ["stopped", "re: next"]);
}

/// What reply plugins want done for each message of a merged turn is done.
#[tokio::test]
async fn merged_turn_keeps_what_reply_plugins_added() {
    let mark: Handle = Box::new(|m| {
        let text = format!("seen {}", m.text().unwrap_or_default());
        Ok(Outcome::Continue(vec![Action::Send(Outgoing::text(text))]))
    });
    let bench = Bench::new(Setup { replies: vec![mark], while_busy: WhileBusy::Merge, ..Setup::default() });
    bench.hold_model();
    bench.write("a", "1").await;
    bench.asked(1).await;
    bench.write("a", "2").await;
    bench.write("a", "3").await;
    bench.let_model(3);
    let sent = bench.sent(5).await;
    for text in ["seen 1", "seen 2", "seen 3"] {
        assert!(sent.iter().any(|s| s == text), "{text} is missing: {sent:?}");
    }
}

/// A notice is a call of the provider: an answer that comes at once goes without. Time moves while everybody waits.
#[tokio::test(start_paused = true)]
async fn only_an_answer_that_takes_its_time_is_announced() {
    let bench = Bench::new(setup(WhileBusy::Queue));
    let notices = || bench.ledger.notices.load(Ordering::SeqCst);
    bench.write("a", "quick").await;
    bench.sent(1).await;
    assert_eq!(notices(), 0);
    bench.hold_model();
    bench.write("a", "slow").await;
    until("the answer is announced, and again", async || (notices() >= 2).then_some(())).await;
    bench.let_model(1);
    assert_eq!(bench.sent(2).await, ["re: quick", "re: slow"]);
}
