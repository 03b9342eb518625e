//! `/metrics`: what was counted, and how things stand at this moment.

use std::fmt::{Display, Write};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use switchhook_core::status::State as ChannelState;
use switchhook_runtime::{AttemptOutcome, ChannelStatus, HostStatus, Level};
use switchhook_store::Counters;

use crate::routes::Api;

pub(crate) async fn render(State(api): State<Api>) -> impl IntoResponse {
    let mut text = api.metrics.render();
    text += &stand(&api.host.status().await, api.host.store().counters());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

/// Written out at each reading and not kept as gauges: a channel that is gone must not linger.
fn stand(status: &HostStatus, store: Counters) -> String {
    let mut text = String::new();
    let refused = status.last_attempt.as_ref().is_some_and(|a| a.outcome == AttemptOutcome::Rejected);
    one(&mut text, "switchhook_generation", "gauge", status.generation);
    one(&mut text, "switchhook_last_edit_refused", "gauge", u8::from(refused));
    let connected = status.channels.iter().filter(|c| c.status.state == ChannelState::Connected).count();
    one(&mut text, "switchhook_connections", "gauge", connected);
    if let Some(limit) = status.max_connections {
        one(&mut text, "switchhook_connections_limit", "gauge", limit);
    }
    each(&mut text, "switchhook_channel_connected", status, |c| u64::from(c.status.state == ChannelState::Connected));
    each(&mut text, "switchhook_channel_waiting", status, |c| c.waiting as u64);
    each(&mut text, "switchhook_channel_outgoing", status, |c| c.outgoing as u64);
    each(&mut text, "switchhook_channel_health", status, |c| level(c.health.level));
    each(&mut text, "switchhook_channel_sent_today", status, |c| c.health.sent_today);
    each(&mut text, "switchhook_channel_received_today", status, |c| c.health.received_today);
    some(&mut text, "switchhook_channel_daily_limit", status, |c| c.health.daily_limit.map(u64::from));
    one(&mut text, "switchhook_store_commits_total", "counter", store.commits);
    one(&mut text, "switchhook_store_failed_commits_total", "counter", store.failed_commits);
    one(&mut text, "switchhook_store_writes_total", "counter", store.ops);
    one(&mut text, "switchhook_store_queue_high_water", "gauge", store.queue_high_water);
    one(&mut text, "switchhook_store_postponed", "gauge", store.postponed);
    one(&mut text, "switchhook_store_unsealable_total", "counter", store.unsealable);
    text
}

fn one(text: &mut String, name: &str, kind: &str, value: impl Display) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
}

/// A line for each channel.
fn each(text: &mut String, name: &str, status: &HostStatus, value: impl Fn(&ChannelStatus) -> u64) {
    some(text, name, status, |channel| Some(value(channel)));
}

/// A line for each channel that has a value. Names need no escaping: they are letters, digits, `-` and `_`.
fn some(text: &mut String, name: &str, status: &HostStatus, value: impl Fn(&ChannelStatus) -> Option<u64>) {
    let _ = writeln!(text, "# TYPE {name} gauge");
    for (channel, value) in status.channels.iter().filter_map(|channel| Some((channel, value(channel)?))) {
        let _ = writeln!(text, "{name}{{channel=\"{}\",kind=\"{}\"}} {value}", channel.name, channel.kind);
    }
}

/// For alerts: 0 is healthy, 1 a warning, 2 critical.
fn level(level: Level) -> u64 {
    match level {
        Level::Healthy => 0,
        Level::Warning => 1,
        Level::Critical => 2,
    }
}

#[cfg(test)]
mod tests {
    use switchhook_core::status::Status;
    use switchhook_core::time::UnixMillis;
    use switchhook_runtime::Health;

    use super::*;

    #[test]
    fn the_text_says_how_each_channel_stands() {
        let health = |level, daily_limit| Health {
            level,
            usage: None,
            sent_today: 7,
            received_today: 9,
            daily_limit,
            resets_at: UnixMillis(0),
            reasons: Vec::new(),
        };
        let channel = |name: &str, state, health| ChannelStatus {
            name: name.to_owned(),
            kind: "web".to_owned(),
            account: format!("web:{name}"),
            enabled: true,
            status: Status::new(state, UnixMillis(0)),
            waiting: 2,
            outgoing: 0,
            health,
        };
        let status = HostStatus {
            version: String::new(),
            generation: 3,
            started_at: UnixMillis(0),
            config_path: String::new(),
            config_digest: String::new(),
            last_attempt: None,
            channels: vec![
                channel("up", ChannelState::Connected, health(Level::Healthy, None)),
                channel("down", ChannelState::Failed, health(Level::Critical, Some(10))),
            ],
            plugins: Vec::new(),
            max_connections: Some(20),
            engine: serde_json::Value::Null,
            models: serde_json::Value::Null,
            notes: Vec::new(),
        };
        let text = stand(&status, Counters::default());
        for line in [
            "switchhook_generation 3",
            "switchhook_connections 1",
            "switchhook_connections_limit 20",
            "switchhook_store_unsealable_total 0",
            "switchhook_channel_connected{channel=\"up\",kind=\"web\"} 1",
            "switchhook_channel_connected{channel=\"down\",kind=\"web\"} 0",
            "switchhook_channel_waiting{channel=\"up\",kind=\"web\"} 2",
            "switchhook_channel_health{channel=\"up\",kind=\"web\"} 0",
            "switchhook_channel_health{channel=\"down\",kind=\"web\"} 2",
            "switchhook_channel_sent_today{channel=\"up\",kind=\"web\"} 7",
            "switchhook_channel_received_today{channel=\"up\",kind=\"web\"} 9",
            "switchhook_channel_daily_limit{channel=\"down\",kind=\"web\"} 10",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("daily_limit{channel=\"up\""), "no limit, no line:\n{text}");
    }
}
