//! A disk that takes nothing for a while, since another program has the journal, and one that gives back something else.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use switchhook_core::action::{Action, Outgoing};
use switchhook_core::connector::DeliveryError;
use switchhook_core::hook::Outcome;
use switchhook_store::{DeliveryState, InboxState};

use crate::bench::{Bench, Setup, account, until};

fn open(bench: &Bench) -> Connection {
    Connection::open(bench.folder.path().join("journal.db")).expect("it opens")
}

/// Keeps the journal from being written until it is dropped.
fn occupy(bench: &Bench) -> Connection {
    let other = open(bench);
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes at this moment");
    other
}

/// A5, A6: how an attempt ended is written when the disk takes it again, and until then nothing is carried on from what
/// is there. The first try waits five seconds for a journal that is taken.
#[tokio::test]
async fn end_of_an_attempt_waits_for_the_disk() {
    let setup = || Setup {
        replies: vec![Box::new(|m| {
            Ok(Outcome::Answered(vec![Action::Send(Outgoing::text(m.text().unwrap_or_default()))]))
        })],
        ..Setup::default()
    };
    let bench = Bench::new(setup());
    bench.hold_wire();
    let id = bench.write("a", "one").await;
    until("it is on the wire", async || (bench.ledger.reached.load(Ordering::SeqCst) == 1).then_some(())).await;
    let other = occupy(&bench);
    let after = Some(Duration::from_millis(1));
    bench.ledger.answers.lock().push(Err(DeliveryError::Retry { reason: "busy".into(), after }));
    // The channel goes meanwhile, so that the row is nowhere but in the journal, and returns.
    bench.ledger.absent.store(true, Ordering::SeqCst);
    bench.let_wire();
    until("its end waits", async || (bench.store.counters().postponed > 0).then_some(())).await;
    assert_eq!(bench.delivery(id, DeliveryState::Armed).await.attempts, 1, "and can be read all the same");
    bench.ledger.absent.store(false, Ordering::SeqCst);
    bench.pipeline.resume(&[account()]).await.expect("what is to be sent is taken up when the disk lets it");
    assert!(bench.ledger.texts().is_empty());
    drop(other);
    bench.write("a", "two").await;
    let sent = bench.delivery(id, DeliveryState::Sent).await;
    assert_eq!((sent.attempts, sent.unknowns), (2, 0));
    assert_eq!(bench.sent(2).await, ["one", "two"], "what was owed is not overtaken");
    assert_eq!(bench.store.counters().postponed, 0);
}

/// A policy whose counter can't be read has decided nothing: nobody is let in by it.
#[tokio::test]
async fn policy_that_can_not_read_its_counter_fails() {
    let bench = Bench::new(Setup::default());
    let id = bench.write("a", "one").await;
    bench.settled(id).await;
    assert_eq!(open(&bench).execute("UPDATE kv SET value = x'00'", []).expect("altered"), 1);
    let id = bench.write("a", "two").await;
    let parked = bench.settled(id).await;
    assert_eq!(parked.state, InboxState::Dead);
    let reason = parked.reason.expect("a reason");
    assert!(reason.contains("a stored value can't be read"), "{reason}");
    assert_eq!(bench.model.asked.lock().len(), 1, "no model was asked");
}
