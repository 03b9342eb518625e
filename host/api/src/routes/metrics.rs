//! `/metrics`: what was counted, and how things stand at this moment.

use std::fmt::{Display, Write};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use switchhook_core::status::State as ChannelState;
use switchhook_runtime::{AttemptOutcome, ChannelStatus, HostStatus};
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
    each(&mut text, "switchhook_channel_connected", status, |c| u64::from(c.status.state == ChannelState::Connected));
    each(&mut text, "switchhook_channel_waiting", status, |c| c.waiting as u64);
    each(&mut text, "switchhook_channel_outgoing", status, |c| c.outgoing as u64);
    one(&mut text, "switchhook_store_commits_total", "counter", store.commits);
    one(&mut text, "switchhook_store_failed_commits_total", "counter", store.failed_commits);
    one(&mut text, "switchhook_store_writes_total", "counter", store.ops);
    one(&mut text, "switchhook_store_queue_high_water", "gauge", store.queue_high_water);
    text
}

fn one(text: &mut String, name: &str, kind: &str, value: impl Display) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
}

/// A line for each channel. Names need no escaping: they are letters, digits, `-` and `_`.
fn each(text: &mut String, name: &str, status: &HostStatus, value: impl Fn(&ChannelStatus) -> u64) {
    let _ = writeln!(text, "# TYPE {name} gauge");
    for channel in &status.channels {
        let _ = writeln!(text, "{name}{{channel=\"{}\",kind=\"{}\"}} {}", channel.name, channel.kind, value(channel));
    }
}

#[cfg(test)]
mod tests {
    use switchhook_core::status::Status;
    use switchhook_core::time::UnixMillis;

    use super::*;

    #[test]
    fn the_text_says_how_each_channel_stands() {
        let channel = |name: &str, state| ChannelStatus {
            name: name.to_owned(),
            kind: "web".to_owned(),
            account: format!("web:{name}"),
            enabled: true,
            status: Status::new(state, UnixMillis(0)),
            waiting: 2,
            outgoing: 0,
        };
        let status = HostStatus {
            version: String::new(),
            generation: 3,
            started_at: UnixMillis(0),
            config_path: String::new(),
            config_digest: String::new(),
            last_attempt: None,
            channels: vec![channel("up", ChannelState::Connected), channel("down", ChannelState::Failed)],
            plugins: Vec::new(),
            engine: serde_json::Value::Null,
            models: serde_json::Value::Null,
            notes: Vec::new(),
        };
        let text = stand(&status, Counters::default());
        for line in [
            "switchhook_generation 3",
            "switchhook_channel_connected{channel=\"up\",kind=\"web\"} 1",
            "switchhook_channel_connected{channel=\"down\",kind=\"web\"} 0",
            "switchhook_channel_waiting{channel=\"up\",kind=\"web\"} 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
