//! Many linked accounts on one host.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use crate::harness::{World, assistant_config, eventually, eventually_within};

const ACCOUNTS: usize = 100;
const ALICE: &str = "15550002222";

fn number(n: usize) -> String {
    format!("1555{:07}", 1_000_000 + n)
}

/// The assistant on Telegram, and on so many accounts of WhatsApp.
fn config() -> String {
    let mut config = assistant_config("\"tg:1001\"");
    for n in 0..ACCOUNTS {
        write!(
            config,
            r#"
[channels.wa{n}]
kind = "whatsapp"
ws_url = "{{WHATSAPP}}"
version = "2.3000.1026131876"
route = "personal"
send_limits = "off"
allow_from = ["+{ALICE}"]
"#
        )
        .expect("a text takes whatever is written");
    }
    config
}

/// How many connections the host says that it has, Telegram's among them.
async fn connections(world: &World) -> usize {
    let metrics = world.host.metrics().await;
    let mut values = metrics.lines().filter_map(|line| line.strip_prefix("switchhook_connections "));
    values.next().and_then(|value| value.parse().ok()).expect("it is counted")
}

async fn all_connected(world: &World) {
    eventually_within(Duration::from_secs(60), "every account is connected", || async {
        (world.whatsapp().ready_accounts().await == ACCOUNTS && connections(world).await == ACCOUNTS + 1).then_some(())
    })
    .await;
}

async fn each_answers(world: &World) {
    for n in 0..ACCOUNTS {
        let letter = json!({ "account": number(n), "from": ALICE, "text": format!("to {n}") });
        world.whatsapp().post("write", letter).await;
    }
    let expected: HashSet<_> = (0..ACCOUNTS).map(|n| (number(n), format!("echo: to {n}"))).collect();
    let sent = eventually("every account answers", || async {
        let sent = world.whatsapp().entries("sent").await;
        (sent.len() >= ACCOUNTS).then_some(sent)
    })
    .await;
    let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().expect("a text").to_owned();
    let found: Vec<_> = sent.iter().map(|entry| (text(entry, "account"), text(entry, "text"))).collect();
    assert_eq!(found.len(), ACCOUNTS, "each once");
    assert_eq!(found.into_iter().collect::<HashSet<_>>(), expected);
}

/// B17, C5, A4: a hundred linked accounts on one host connect in turn, and again after kill -9; while none of them can,
/// Telegram is answered, and within 60 s of WhatsApp's return all are there. Each answers for itself.
#[tokio::test]
async fn hundred_accounts_are_active_on_one_host() {
    let mut world = World::empty();
    world.write_config(&config());
    let whatsapp = world.whatsapp();
    whatsapp.contact(ALICE, "Alice Liddell").await;
    for n in 0..ACCOUNTS {
        whatsapp.account(&number(n)).await;
    }
    whatsapp.seed_all(world.folder(), (0..ACCOUNTS).map(|n| (format!("wa{n}"), number(n))));
    world.host.start().await;
    all_connected(&world).await;
    assert!(world.host.log_text().contains("restored one after the other"), "{}", world.host.log_text());
    world.host.kill();
    world.whatsapp().post("outage", json!({ "on": true })).await;
    world.host.start().await;
    for n in 1..=5 {
        world.telegram.write(4242, 1001, &format!("n{n}")).await;
        assert_eq!(world.telegram.nth_to(1001, n).await, format!("echo: n{n}"));
    }
    assert_eq!(connections(&world).await, 1, "Telegram alone");
    world.whatsapp().post("outage", json!({ "on": false })).await;
    all_connected(&world).await;
    each_answers(&world).await;
    world.whatsapp().no_violations().await;
}
