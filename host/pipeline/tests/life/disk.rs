//! A disk that takes nothing for a while: another program has the journal, as a backup may.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use switchhook_core::action::{Action, Outgoing};
use switchhook_core::connector::DeliveryError;
use switchhook_core::hook::Outcome;
use switchhook_core::id::InboxId;
use switchhook_store::{DeliveryState, StoredDelivery};

use crate::bench::{Bench, Setup, account, until};

/// Keeps the journal from being written until it is dropped.
fn occupy(bench: &Bench) -> Connection {
    let other = Connection::open(bench.folder.path().join("journal.db")).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes at this moment");
    other
}

async fn only_delivery(bench: &Bench, id: InboxId, state: DeliveryState) -> StoredDelivery {
    until(&format!("the delivery is {state:?}"), async || {
        let rows = bench.store.deliveries_of(id).await.expect("it can be read");
        rows.into_iter().find(|row| row.state == state)
    })
    .await
}

/// A5, A6: how an attempt ended is written when the disk takes it again, and until then nothing is carried on from what
/// is there. Each try waits a second for a journal that is taken.
#[tokio::test]
async fn end_of_an_attempt_waits_for_the_disk() {
    let setup = || Setup {
        replies: vec![Box::new(|_| Ok(Outcome::Answered(vec![Action::Send(Outgoing::text("hi"))])))],
        ..Setup::default()
    };
    let bench = Bench::new(setup());
    bench.hold_wire();
    let id = bench.write("a", "x").await;
    until("it is on the wire", async || (bench.ledger.reached.load(Ordering::SeqCst) == 1).then_some(())).await;
    let other = occupy(&bench);
    let after = Some(Duration::from_millis(1));
    bench.ledger.answers.lock().push(Err(DeliveryError::Retry { reason: "busy".into(), after }));
    // The channel goes meanwhile, so that the row is nowhere but in the journal, and returns.
    bench.ledger.absent.store(true, Ordering::SeqCst);
    bench.let_wire();
    until("its end waits", async || (bench.store.counters().postponed > 0).then_some(())).await;
    assert_eq!(only_delivery(&bench, id, DeliveryState::Armed).await.attempts, 1, "and can be read all the same");
    bench.ledger.absent.store(false, Ordering::SeqCst);
    bench.pipeline.resume(&[account()]).await.expect("what is to be sent is taken up when the disk lets it");
    assert!(bench.ledger.texts().is_empty());
    drop(other);
    let sent = only_delivery(&bench, id, DeliveryState::Sent).await;
    assert_eq!((sent.attempts, sent.unknowns), (2, 0));
    assert_eq!(bench.ledger.texts(), ["hi"]);
    assert_eq!(bench.store.counters().postponed, 0);
}
