//! What a collector reads, and the alerts that rest on it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use crate::harness::{World, whatsapp_config};
use crate::linking::with_config;

const ALICE: &str = "15550002222";

/// The lines of one metric, without its name.
fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let of = |line: &'a str| line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']));
    text.lines().filter_map(of).collect()
}

/// The value of the one line that has all of these labels.
fn value(text: &str, name: &str, labels: &[&str]) -> f64 {
    let found: Vec<_> =
        lines(text, name).into_iter().filter(|line| labels.iter().all(|label| line.contains(label))).collect();
    let [line] = found[..] else { panic!("{name} {labels:?}: {found:?} in\n{text}") };
    line.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

async fn exchange(world: &World) {
    world.whatsapp().write(ALICE, "hello").await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 1).await, "echo: hello");
}

/// B16, B9: connections and their limit, reconnects by reason, attempts to link with their end and time, what was sent and
/// received, what was limited; and every alert rests on a metric that there is.
#[tokio::test]
async fn metrics_tell_of_links_and_connections_and_alerts_rest_on_them() {
    let config =
        format!("max_connections = 2\nlink_attempts_per_hour = 2\n{}", whatsapp_config(&format!("\"+{ALICE}\"")));
    let world = with_config(&config).await;
    let before = world.host.metrics().await;
    assert_eq!(
        (value(&before, "switchhook_connections", &[]), value(&before, "switchhook_connections_limit", &[])),
        (0.0, 2.0)
    );
    let mut given_up = world.host.link(&["wa"]);
    given_up.qr().await;
    given_up.interrupt();
    given_up.end().await;
    world.link().await;
    let (status, said) = world.host.call("POST", "channels/wa/link", json!({ "method": "qr", "confirm": true })).await;
    assert_eq!((status, &said["error"]["code"]), (429, &json!("RATE_LIMITED")), "{said}");
    exchange(&world).await;
    world.whatsapp().post("drop", json!({ "account": crate::harness::OWNER })).await;
    world.whatsapp().entry("login", |entry| entry["connection"].as_u64() > Some(3)).await;
    world.whatsapp().ready().await;
    crate::linking::in_state(&world, "connected").await;

    let text = world.host.metrics().await;
    let attempts = "switchhook_link_attempts_total";
    assert_eq!(value(&text, attempts, &["method=\"qr\"", "status=\"cancelled\"", "code=\"LINKING_CANCELLED\""]), 1.0);
    assert_eq!(value(&text, attempts, &["method=\"qr\"", "status=\"success\"", "code=\"none\""]), 1.0);
    assert_eq!(value(&text, "switchhook_link_seconds_count", &["status=\"success\""]), 1.0);
    assert_eq!(value(&text, "switchhook_connections", &[]), 1.0);
    assert!(value(&text, "switchhook_reconnects_total", &["channel=\"wa\"", "code=\"dropped\""]) >= 1.0);
    assert_eq!(value(&text, "switchhook_channel_received_today", &["channel=\"wa\""]), 1.0);
    assert_eq!(value(&text, "switchhook_channel_sent_today", &["channel=\"wa\""]), 1.0);
    assert_eq!(value(&text, "switchhook_deliveries_total", &["channel=\"wa\"", "end=\"sent\""]), 1.0);
    assert_eq!(value(&text, "switchhook_messages_total", &["channel=\"wa\"", "state=\"done\""]), 1.0);
    assert_eq!(value(&text, "switchhook_rate_limited_total", &["what=\"link\""]), 1.0);
    assert_eq!(value(&text, "switchhook_store_unsealable_total", &[]), 0.0);

    let alerts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/deploy/alerts.yml"));
    let alerts = std::fs::read_to_string(alerts).expect("the alerts");
    let words = alerts.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named: BTreeSet<&str> = words.filter(|word| word.starts_with("switchhook_")).collect();
    assert!(named.len() >= 6, "{named:?}");
    for name in named {
        assert!(!lines(&text, name).is_empty(), "an alert rests on {name}, which there is not in\n{text}");
    }
}

/// B9: a host that has room for one connection takes no second one, and says so; what ran goes on.
#[tokio::test]
async fn more_connections_than_allowed_are_refused() {
    let world = World::linked(&format!("max_connections = 1\n{}", whatsapp_config(&format!("\"+{ALICE}\"")))).await;
    world.whatsapp().contact(ALICE, "Alice").await;
    let attempts = world.host.attempts().await;
    world.edit(
        "[channels.wa]",
        "[channels.page]\nkind = \"web\"\nroute = \"personal\"\nallow_from = []\n\n[channels.wa]",
    );
    let refused = world.host.attempted(attempts, "rejected").await;
    assert!(refused.to_string().contains("`max_connections` is 1"), "{refused}");
    exchange(&world).await;
}
