//! While everything is sealed with another master key.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Moments, PATIENCE, Toll};
use crate::{World, eventually};

/// Rounds of messages before the first kill: so much to seal that a moment within is easily found.
const BEFORE: usize = 80;
/// Between two looks at what has come.
const LOOK: Duration = Duration::from_millis(50);

/// Kills the host while it rotates its key and answers: this person on WhatsApp, these on Telegram, all of whom the config
/// must let in. Ends with a rotation that comes to its end, and panics where that leaves something unreadable.
pub async fn while_rotating(
    world: &mut World,
    person: &str,
    people: &[i64],
    kills: usize,
    mut moments: Moments,
) -> Toll {
    let mut toll = Toll::default();
    for round in 0..BEFORE {
        toll.accepted += write(world, people, &format!("before {round}")).await;
    }
    let last = format!("echo: before {}", BEFORE - 1);
    eventually("it is answered", || async { world.telegram.texts_to(people[0]).await.contains(&last).then_some(()) })
        .await;
    let started = Instant::now();
    assert_eq!(world.host.cli_json(&["key", "rotate"])["state"], "settled");
    let whole = started.elapsed();
    while toll.kills < kills {
        // Two messages of one person that are decrypted side by side are what the library's 25 ms are dangerous to (see
        // `settled` in the connector); here it is the rotation that is killed, not the ratchet.
        if let Some(before) = toll.kills.checked_sub(1)
            && !answered(world, person, &text(before)).await
        {
            break;
        }
        toll.accepted += write(world, people, &text(toll.kills)).await + 1;
        world.whatsapp().write(person, &text(toll.kills)).await;
        ask_for_rotation(world);
        tokio::time::sleep(whole.mul_f64(moments())).await;
        world.host.kill();
        toll.kills += 1;
        world.host.start().await;
    }
    toll.within = world.host.log_text().matches("going on with a rotation").count();
    settle(world, person, people, toll.kills).await;
    judge(world, person, people, &mut toll).await;
    let rotated = world.host.cli_json(&["key", "rotate"]);
    assert_eq!((&rotated["state"], &rotated["unreadable"]), (&json!("settled"), &json!(0)), "{rotated}");
    assert!(world.whatsapp().entries("paired").await.is_empty());
    world.whatsapp().no_violations().await;
    toll
}

async fn write(world: &World, people: &[i64], text: &str) -> usize {
    let write = |p: &i64| json!({ "bot": 4242, "from": { "id": p, "first_name": "P" }, "text": text });
    world.telegram.write_all(people.iter().map(write).collect()).await;
    people.len()
}

/// Whether this person has the answer to that within our patience.
async fn answered(world: &World, person: &str, text: &str) -> bool {
    let (deadline, wanted) = (Instant::now() + PATIENCE, format!("echo: {text}"));
    while Instant::now() < deadline {
        if world.whatsapp().texts_to(person).await.contains(&wanted) {
            return true;
        }
        tokio::time::sleep(LOOK).await;
    }
    false
}

fn text(round: usize) -> String {
    format!("r{round}")
}

/// Asks as a client does that never hears the answer.
fn ask_for_rotation(world: &World) {
    let token = std::fs::read_to_string(world.path("keys").join("api.token")).expect("a token");
    let url = format!("http://127.0.0.1:{}/api/v1/key/rotate", world.host.port);
    tokio::spawn(reqwest::Client::new().post(url).bearer_auth(token.trim()).send());
}

/// Until everybody has what is to come, or has waited long enough, and no rotation is under way.
async fn settle(world: &World, person: &str, people: &[i64], rounds: usize) {
    let deadline = Instant::now() + PATIENCE;
    let wanted: Vec<_> = (0..rounds).map(|round| format!("echo: {}", text(round))).collect();
    let has = |came: &[String]| wanted.iter().all(|text| came.contains(text));
    while Instant::now() < deadline {
        let mut all = has(&world.whatsapp().texts_to(person).await);
        for p in people {
            all = all && has(&world.telegram.texts_to(*p).await);
        }
        if all {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    eventually("the rotation is over", || async {
        let (status, key) = world.host.call("GET", "key", Value::Null).await;
        assert!(key["state"] != "failed", "{key}");
        (status == 200 && key["state"] == "settled").then_some(())
    })
    .await;
}

async fn judge(world: &World, person: &str, people: &[i64], toll: &mut Toll) {
    let on_whatsapp: Vec<_> = (0..toll.kills).map(|round| format!("echo: {}", text(round))).collect();
    let before = (0..BEFORE).map(|round| format!("echo: before {round}"));
    let on_telegram: Vec<_> = before.chain(on_whatsapp.iter().cloned()).collect();
    for p in people {
        toll.judge(&on_telegram, &world.telegram.texts_to(*p).await);
    }
    // Telegram takes no id of ours: what it got twice has to be on record.
    if toll.unrecorded > 0 {
        toll.recorded = world.host.unknowns(toll.accepted).await.min(toll.unrecorded);
        toll.unrecorded -= toll.recorded;
    }
    toll.judge(&on_whatsapp, &world.whatsapp().texts_to(person).await);
}
