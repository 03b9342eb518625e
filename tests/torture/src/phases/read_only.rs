//! A data folder that can't be written to for a while: under a running host, and at its start.

use std::path::{Path, PathBuf};

use harness::World;
use rand::Rng;

use super::Budget;
use crate::machine::{Immutable, Small};
use crate::scene::Scene;
use crate::table::Outcome;

/// What the host says when it can't write.
const WORDS: [&str; 3] = ["can't be written", "can't be used", "a commit failed"];

pub(crate) async fn turns(mut budget: Budget) -> Outcome {
    let live = while_it_runs(&mut budget).await;
    let Outcome::Ran(mut counts) = live else { return live };
    match at_its_start(&mut budget).await {
        Outcome::Ran(more) => {
            counts += &more;
            Outcome::Ran(counts)
        }
        other => other,
    }
}

/// A mount with open files can't be turned; the attribute that forbids every change does the same to who writes.
async fn while_it_runs(budget: &mut Budget) -> Outcome {
    let mut scene = Scene::open(&mut budget.chance).await;
    let data = scene.world.path("data");
    let mut first = true;
    while first || budget.left() {
        let from = scene.log_len();
        let locked = match Immutable::set(written_by_commits(&data)) {
            Ok(locked) => locked,
            Err(reason) => return Outcome::Skipped(reason),
        };
        scene.says(from, &WORDS).await;
        drop(locked);
        scene.answers_more(budget.chance.random_range(20..60)).await;
        first = false;
    }
    Outcome::Ran(scene.close().await)
}

/// The folder and what lies in it, but for the index of the log, which is memory shared with readers.
fn written_by_commits(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data).expect("the data folder").flatten().map(|entry| entry.path());
    let files = entries.filter(|path| path.is_file() && !path.to_string_lossy().ends_with("-shm"));
    files.chain([data.to_owned()]).collect()
}

/// Remounted while nobody runs: the start is refused with the folder's name, and works when it is back.
async fn at_its_start(budget: &mut Budget) -> Outcome {
    let world = World::empty();
    let small = match Small::mount(&world.path("small"), "64m") {
        Ok(small) => small,
        Err(reason) => return Outcome::Skipped(reason),
    };
    let mut scene = Scene::open_in(world, "data_dir = \"small/data\"\n", &mut budget.chance).await;
    scene.kill();
    if let Err(reason) = small.remount("ro") {
        return Outcome::Skipped(reason);
    }
    let from = scene.log_len();
    if scene.host().try_start().await.is_some() && !scene.world.host.log_text()[from..].contains("small/data") {
        return Outcome::Failed("the host did not say which folder it can't write".to_owned());
    }
    scene.host().kill();
    small.remount("rw").expect("what was turned can be turned back");
    scene.host().start().await;
    scene.answers_more(20).await;
    Outcome::Ran(scene.close().await)
}
