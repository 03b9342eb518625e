//! While people chat with a linked account.

use super::{Moments, PATIENCE, Toll};
use crate::World;

/// How many messages each person writes between two kills.
const EACH: usize = 3;

/// Kills the host in the midst of answering these people, each of whom the config must let in. Panics where somebody could
/// not decrypt something, or where the host does not start.
pub async fn while_chatting(world: &mut World, people: &[&str], kills: usize, mut moments: Moments) -> Toll {
    let mut toll = Toll::default();
    while toll.kills < kills {
        for person in people {
            for n in 0..EACH {
                world.whatsapp().write(person, &text(toll.kills, n)).await;
            }
        }
        let answered = toll.accepted;
        toll.accepted += people.len() * EACH;
        // From before the first answer to after the last.
        let moment = answered + (moments() * (people.len() * EACH + 1) as f64) as usize;
        assert!(world.whatsapp().sent_within(PATIENCE, moment).await, "there is no moment to kill");
        world.host.kill();
        toll.kills += 1;
        world.host.start().await;
        if !world.whatsapp().sent_within(PATIENCE, toll.accepted).await {
            // Something is lost: with the next kill nobody could tell any more with which.
            break;
        }
    }
    let expected: Vec<_> =
        (0..toll.kills).flat_map(|round| (0..EACH).map(move |n| format!("echo: {}", text(round, n)))).collect();
    for person in people {
        toll.judge(&expected, &world.whatsapp().texts_to(person).await);
    }
    world.whatsapp().no_violations().await;
    toll
}

fn text(round: usize, n: usize) -> String {
    format!("r{round}n{n}")
}
