//! Deaths at every edge at which a power cut would matter, each edge twice at a random passage.

use std::time::{Duration, Instant};

use rand::Rng;

use super::Budget;
use crate::scene::Scene;
use crate::table::Outcome;

const EDGES: [&str; 5] =
    ["store.before_commit", "store.after_commit", "intake.before_ack", "dispatch.before_send", "dispatch.after_send"];
const SWEEPS: u32 = 2;
/// The edge is passed with every message, so that many of them take a second or two.
const PASSAGES: std::ops::RangeInclusive<u32> = 1..=40;
/// A host that did not come to the edge in so long never will.
const PATIENCE: Duration = Duration::from_secs(150);

pub(crate) async fn sweeps(mut budget: Budget) -> Outcome {
    // Before the load: building it may take minutes.
    harness::build_instrumented();
    let mut scene = Scene::open(&mut budget.chance).await;
    let mut sweep = 0;
    while sweep < SWEEPS || budget.left() {
        for edge in EDGES {
            let edge = format!("{edge}:{}", budget.chance.random_range(PASSAGES));
            scene.host().kill();
            scene.host().start_to_die(&edge);
            if !died(&mut scene).await {
                return Outcome::Failed(format!("the host never came to {edge}"));
            }
            scene.kill();
            scene.host().start().await;
            scene.answers_more(1).await;
        }
        sweep += 1;
    }
    Outcome::Ran(scene.close().await)
}

async fn died(scene: &mut Scene) -> bool {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = scene.host().has_ended() {
            return !status.success();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}
