//! A host that may open no file and no connection for a while. Where that keeps it from its model, people get the
//! apology that the config asks for.

use rand::Rng;

use super::Budget;
use crate::machine::{file_limit, limit_files};
use crate::scene::Scene;
use crate::table::Outcome;

/// Fewer than it has open already: what is open stays, nothing is added.
const FEW: u64 = 8;
/// What the host says, in the words of the system (`EMFILE`).
const WORDS: [&str; 2] = ["os error 24", "Too many open files"];

pub(crate) async fn run_out(mut budget: Budget) -> Outcome {
    let mut scene = Scene::open(&mut budget.chance).await;
    let mut round = 0;
    while round == 0 || budget.left() {
        let (process, usual) = (scene.host().id(), file_limit(scene.host().id()));
        let from = scene.log_len();
        if let Err(reason) = limit_files(process, FEW) {
            return Outcome::Skipped(reason);
        }
        // Its connections stand already, so that it may need no file by itself; for an edit it needs one.
        scene.edit(round);
        scene.says(from, &WORDS).await;
        let from = scene.log_len();
        limit_files(process, usual).expect("what was lowered can be raised");
        // By itself, and before the next round: what it can't read still, it says once.
        scene.says(from, &["config applied"]).await;
        scene.answers_more(budget.chance.random_range(20..60)).await;
        round += 1;
    }
    Outcome::Ran(scene.close().await)
}
