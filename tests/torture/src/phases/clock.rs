//! A clock that jumps, ahead and back, under a running host and over its deaths.

use std::path::PathBuf;

use harness::World;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::Budget;
use crate::scene::Scene;
use crate::table::Outcome;

/// Debian's package `faketime` and the folders of the architectures.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
const FOLDERS: [&str; 4] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
/// Hours and minutes: within the age up to which a message that waited is still answered.
const JUMPS: [&str; 6] = ["+2h", "-2h", "+61s", "-90s", "+5h", "-5h"];

pub(crate) async fn jumps(mut budget: Budget) -> Outcome {
    let Some(library) = FOLDERS.iter().map(|folder| PathBuf::from(folder).join(LIBRARY)).find(|path| path.exists())
    else {
        return Outcome::Skipped("faketime is not installed".to_owned());
    };
    let mut world = World::empty();
    let offset = world.path("clock");
    std::fs::write(&offset, "+0").expect("the offset is written");
    world.host.env("LD_PRELOAD", library.to_str().expect("a plain path"));
    world.host.env("FAKETIME_TIMESTAMP_FILE", offset.to_str().expect("a plain path"));
    world.host.env("FAKETIME_NO_CACHE", "1");
    // The kernel's monotonic clock never jumps.
    world.host.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut scene = Scene::open_in(world, "", &mut budget.chance).await;
    let mut round = 0;
    while round < 4 || budget.left() {
        let jump = JUMPS.choose(&mut budget.chance).expect("there are some");
        std::fs::write(&offset, jump).expect("the offset is written");
        if budget.chance.random_ratio(1, 2) {
            scene.kill();
            scene.host().start().await;
        }
        scene.answers_more(budget.chance.random_range(10..40)).await;
        round += 1;
    }
    Outcome::Ran(scene.close().await)
}
