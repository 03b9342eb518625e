//! Where a lane's calls of models and providers are made.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::bench::{Bench, Setup};

/// Ends without waiting for anything: a test that is async may not block.
struct Elsewhere(Option<Runtime>);

impl Elsewhere {
    fn new() -> Self {
        Self(Some(Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()))
    }
    fn handle(&self) -> Handle {
        self.0.as_ref().unwrap().handle().clone()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

/// So many lanes are few.
const FEW: usize = 8;
const MANY: usize = 20;

#[tokio::test]
async fn while_few_lanes_are_at_work_calls_have_a_place_of_their_own() {
    let elsewhere = Elsewhere::new();
    let bench = Bench::new(Setup { calls: Some(elsewhere.handle()), delivers_by_calls: true, ..Setup::default() });
    bench.write("a", "one").await;
    bench.sent(1).await;
    assert_eq!(*bench.model.asked_on.lock(), [elsewhere.handle().id()]);
    assert_eq!(*bench.ledger.delivered_on.lock(), [elsewhere.handle().id()]);

    bench.hold_model();
    for n in 0..MANY {
        bench.write(&format!("p{n}"), "many").await;
    }
    bench.asked(1 + MANY).await;
    let here = Handle::current().id();
    let here = bench.model.asked_on.lock()[1..].iter().filter(|on| **on == here).count();
    assert!(here >= MANY - FEW, "{here} of {MANY}");
    bench.let_model(MANY);
    bench.sent(1 + MANY).await;
}

#[tokio::test]
async fn what_goes_over_a_connection_goes_where_that_is() {
    let elsewhere = Elsewhere::new();
    let bench = Bench::new(Setup { calls: Some(elsewhere.handle()), ..Setup::default() });
    bench.write("a", "one").await;
    bench.sent(1).await;
    assert_eq!(*bench.model.asked_on.lock(), [elsewhere.handle().id()]);
    assert_eq!(*bench.ledger.delivered_on.lock(), [Handle::current().id()]);
}
