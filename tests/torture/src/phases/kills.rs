//! kill -9 at random moments, again and again, also while the host is still starting.

use std::time::Duration;

use rand::Rng;

use super::Budget;
use crate::scene::Scene;
use crate::table::Outcome;

/// The longest that the host lives.
const LIFE: Duration = Duration::from_millis(1_500);
/// The longest that one lives which is killed before it is ready.
const STARTING: Duration = Duration::from_millis(400);
/// The longest between two edits.
const EDIT: Duration = Duration::from_millis(250);
/// Edits of one life, at most.
const EDITS: u32 = 6;

pub(crate) async fn under_load(mut budget: Budget) -> Outcome {
    let mut scene = Scene::open(&mut budget.chance).await;
    while budget.left() {
        budget.moment(LIFE).await;
        die(&mut scene, &mut budget).await;
    }
    Outcome::Ran(scene.close().await)
}

/// The same, while the config is edited: texts, people and with them the permission of what is on its way.
pub(crate) async fn under_edits(mut budget: Budget) -> Outcome {
    let mut scene = Scene::open(&mut budget.chance).await;
    let mut number = 0;
    while budget.left() {
        for _ in 0..budget.chance.random_range(1..=EDITS) {
            budget.moment(EDIT).await;
            edit(&scene, number);
            number += 1;
        }
        die(&mut scene, &mut budget).await;
    }
    Outcome::Ran(scene.close().await)
}

async fn die(scene: &mut Scene, budget: &mut Budget) {
    scene.kill();
    if budget.chance.random_ratio(1, 4) {
        scene.host().start_unready();
        budget.moment(STARTING).await;
        scene.kill();
    }
    scene.host().start().await;
}

/// Another text for the model, another stranger on the list: everybody who writes stays allowed.
fn edit(scene: &Scene, number: u32) {
    let config = std::fs::read_to_string(&scene.world.host.config).expect("the config is there");
    let line = |key: &str| config.lines().find(|line| line.starts_with(key)).expect("the line is there");
    match number % 2 {
        0 => {
            let settings = line("settings = { system");
            scene.world.edit(settings, &format!("settings = {{ system = \"Edit {number}.\", history = 4 }}"));
        }
        _ => {
            let list = line("allow_from").split(", \"tg:99").next().expect("the first part").trim_end_matches(']');
            scene.world.edit(line("allow_from"), &format!("{list}, \"tg:99{number}\"]"));
        }
    }
}
