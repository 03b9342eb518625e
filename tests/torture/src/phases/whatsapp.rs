//! kill -9 while a phone is being linked, while people chat on WhatsApp, and while everything is sealed with another
//! master key. What the harness does twenty times for the end-to-end cases, as often as one likes and at random moments.

use harness::{
    Moments, OWNER, Toll, World, telegram_channel, whatsapp_config, while_chatting, while_linking, while_rotating,
};
use rand::Rng;

use super::Budget;
use crate::table::{Counts, Outcome};

const ALICE: &str = "15550002222";
const BOB: &str = "15550003333";
/// Those who write on Telegram while keys rotate.
const PEOPLE: [i64; 5] = [3000, 3001, 3002, 3003, 3004];

pub(crate) async fn linking(budget: Budget) -> Outcome {
    // Before the first kill: building it may take minutes.
    harness::build_instrumented();
    let mut world = World::empty();
    world.host.instrumented();
    world.whatsapp().account(OWNER).await;
    world.whatsapp().contact(ALICE, "Alice Liddell").await;
    // A kill may cost two attempts.
    let attempts = format!("link_attempts_per_hour = {}\n", 2 * budget.kills + 1);
    world.write_config(&(attempts + &whatsapp_config(&format!("\"+{ALICE}\""))));
    world.host.start().await;
    let (kills, moments) = moments(budget);
    outcome(while_linking(&mut world, ALICE, kills, moments).await)
}

pub(crate) async fn chatting(budget: Budget) -> Outcome {
    let mut world = World::linked(&whatsapp_config(&format!("\"+{ALICE}\", \"+{BOB}\""))).await;
    world.whatsapp().contact(ALICE, "Alice Liddell").await;
    world.whatsapp().contact(BOB, "Bob Dodgson").await;
    let (kills, moments) = moments(budget);
    outcome(while_chatting(&mut world, &[ALICE, BOB], kills, moments).await)
}

pub(crate) async fn rotating(budget: Budget) -> Outcome {
    let people = PEOPLE.map(|id| format!("\"tg:{id}\"")).join(", ");
    let config = whatsapp_config(&format!("\"+{ALICE}\"")) + &telegram_channel(&people);
    let mut world = World::linked(&config).await;
    world.whatsapp().contact(ALICE, "Alice Liddell").await;
    world.telegram.polled(4242).await;
    let (kills, moments) = moments(budget);
    let toll = while_rotating(&mut world, ALICE, &PEOPLE, kills, moments).await;
    // Few kills may all miss it.
    if toll.within == 0 && kills >= 20 {
        return Outcome::Failed("no kill came while it rotated".to_owned());
    }
    outcome(toll)
}

fn moments(mut budget: Budget) -> (usize, Moments) {
    (budget.kills, Box::new(move || budget.chance.random()))
}

fn outcome(toll: Toll) -> Outcome {
    let Toll { kills, within: _, accepted, lost, recorded, unrecorded, overtaking } = toll;
    Outcome::Ran(Counts { kills, accepted, lost, recorded, unrecorded, overtaking, replayed: 0 })
}
