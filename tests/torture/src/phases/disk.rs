//! A disk that fills up and is freed again, with and without a death in between.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use harness::World;
use rand::Rng;

use super::Budget;
use crate::machine::Small;
use crate::scene::Scene;
use crate::table::Outcome;

/// Room for the journal of a phase and little else, in MiB: to begin with, and for each second. A message takes 5.3 KiB, and
/// some 60 are written in a second.
const ROOM: u64 = 24;
const ROOM_A_SECOND: u64 = 1;
/// What the host says when it meets a full disk.
const WORDS: [&str; 2] = ["full", "No space left"];

pub(crate) async fn fills(mut budget: Budget) -> Outcome {
    let world = World::empty();
    let seconds = budget.until.saturating_duration_since(Instant::now()).as_secs();
    let size = format!("{}m", ROOM + ROOM_A_SECOND * seconds);
    let _small = match Small::mount(&world.path("small"), &size) {
        Ok(small) => small,
        Err(reason) => return Outcome::Skipped(reason),
    };
    let filler = world.path("small").join("filler");
    let mut scene = Scene::open_in(world, "data_dir = \"small/data\"\n", &mut budget.chance).await;
    let mut round = 0;
    while round < 2 || budget.left() {
        let from = scene.log_len();
        fill(&filler);
        scene.says(from, &WORDS).await;
        let dies = round % 2 == 1;
        if dies {
            scene.kill();
            // It may refuse to start on a full disk; then it is started again when there is room.
            let refused = scene.host().try_start().await.is_some();
            std::fs::remove_file(&filler).expect("the disk is freed");
            if refused {
                scene.host().start().await;
            }
        } else {
            std::fs::remove_file(&filler).expect("the disk is freed");
        }
        // It goes on by itself.
        scene.answers_more(budget.chance.random_range(20..60)).await;
        round += 1;
    }
    Outcome::Ran(scene.close().await)
}

/// Writes until there is no room.
fn fill(at: &Path) {
    let mut file = std::fs::File::create(at).expect("the disk has room for a name");
    for size in [1 << 20, 1 << 12] {
        let chunk = vec![0; size];
        while file.write_all(&chunk).is_ok() {}
    }
}
