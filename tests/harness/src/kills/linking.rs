//! While a phone is being linked.

use std::time::Duration;

use serde_json::json;

use super::{Moments, PATIENCE, Toll};
use crate::{OWNER, World, eventually};

/// From the phone about to scan to somewhat after the device is connected. Linking takes some 400 ms where nothing else
/// runs.
const LINKING: Duration = Duration::from_millis(500);

/// Kills the host while it links the channel `wa`, which this person may write to, with the instrumented program: only that
/// one pairs with the fake. What was linked stays linked; what was not is linked anew. Panics where a link that was told
/// of is gone, or where somebody could not decrypt something.
pub async fn while_linking(world: &mut World, person: &str, kills: usize, mut moments: Moments) -> Toll {
    let mut toll = Toll::default();
    while toll.kills < kills {
        let mut linking = world.host.link(&["wa", "--confirm"]);
        let qr = linking.qr().await;
        scan_and_kill(world, &qr, moments()).await;
        world.host.kill();
        toll.kills += 1;
        let told = linking.end().await.last["status"] == "success";
        world.host.start().await;
        let stands = eventually("the channel is connected, or needs a link", || async {
            let state = world.host.channel("wa").await?["status"]["state"].clone();
            [("connected", true), ("needs-link", false)].into_iter().find(|(name, _)| state == *name)
        })
        .await
        .1;
        assert!(stands || !told, "kill {}: a link that was told of is gone", toll.kills);
        if stands {
            toll.within += 1;
        } else {
            world.link().await;
        }
        world.whatsapp().ready().await;
        world.whatsapp().write(person, &text(toll.accepted)).await;
        toll.accepted += 1;
        if !world.whatsapp().sent_within(PATIENCE, toll.accepted).await {
            break;
        }
    }
    let expected: Vec<_> = (0..toll.accepted).map(|n| format!("echo: {}", text(n))).collect();
    toll.judge(&expected, &world.whatsapp().texts_to(person).await);
    world.whatsapp().no_violations().await;
    toll
}

/// Most is decided in the first milliseconds, so most kills come early. One that comes before the phone has been heard
/// leaves it with a refusal.
async fn scan_and_kill(world: &World, qr: &str, moment: f64) {
    let scan = world.whatsapp().try_post("scan", json!({ "account": OWNER, "qr": qr }));
    let kill = async {
        tokio::time::sleep(LINKING.mul_f64(moment * moment * moment)).await;
        world.host.signal("KILL");
    };
    let (_scanned, ()) = tokio::join!(scan, kill);
}

fn text(round: usize) -> String {
    format!("round {round}")
}
