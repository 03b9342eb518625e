//! `switchhook status`

use switchhook_core::time::{Clock, SystemClock, UnixMillis};
use switchhook_runtime::{AttemptOutcome, ChannelStatus, Health, HostStatus};

use crate::args::Output;
use crate::client::Client;
use crate::command::{say, word};
use crate::failure::Failure;
use crate::table::{Table, ago, cell, span};

pub(crate) async fn status(client: &Client, output: Output) -> Result<String, Failure> {
    let status: HostStatus = client.get("status").await?;
    say(output, &status, |status| tell(status, SystemClock.now()))
}

fn tell(status: &HostStatus, now: UnixMillis) -> String {
    let mut text = format!(
        "Switchhook {}, up {}; generation {} of {}\n",
        status.version,
        span(now.since(status.started_at)),
        status.generation,
        status.config_path,
    );
    text += &last_attempt(status, now);
    for note in &status.notes {
        text += &format!("Note: {note}\n");
    }
    text += "\n";
    text += &channels(&status.channels, now);
    text + &unwell(&status.channels)
}

fn last_attempt(status: &HostStatus, now: UnixMillis) -> String {
    let Some(attempt) = &status.last_attempt else { return String::new() };
    let when = ago(attempt.at, now);
    match attempt.outcome {
        AttemptOutcome::Applied => format!("Last edit applied {when}, in {} ms\n", attempt.took_ms),
        AttemptOutcome::Unchanged => format!("Last edit changed nothing, {when}\n"),
        AttemptOutcome::Rejected => {
            let why = attempt.rendered.as_deref().unwrap_or("(no reason was given)").trim_end();
            format!("Last edit REFUSED {when}; generation {} goes on\n\n{why}\n", attempt.generation)
        }
    }
}

fn channels(channels: &[ChannelStatus], now: UnixMillis) -> String {
    let mut table =
        Table::new(["CHANNEL", "KIND", "STATE", "FOR", "LAST IN", "LAST OUT", "WAITING", "TO SEND", "TODAY", "DETAIL"]);
    for channel in channels {
        let length = |at: UnixMillis| span(now.since(at));
        let seen = |at: Option<UnixMillis>| at.map_or_else(|| "-".to_owned(), length);
        table.row([
            channel.name.to_string(),
            channel.kind.clone(),
            word(&channel.status.state),
            length(channel.status.since),
            seen(channel.status.last_inbound),
            seen(channel.status.last_outbound),
            channel.waiting.to_string(),
            channel.outgoing.to_string(),
            today(&channel.health),
            cell(channel.status.detail.as_deref(), 400),
        ]);
    }
    table.or("There is no channel.")
}

/// What was sent today, and of how much.
fn today(health: &Health) -> String {
    match health.daily_limit {
        Some(limit) => format!("{}/{limit}", health.sent_today),
        None => health.sent_today.to_string(),
    }
}

/// Why channels are not healthy.
fn unwell(channels: &[ChannelStatus]) -> String {
    let mut table = Table::new(["CHANNEL", "HEALTH", "WHY"]);
    for channel in channels {
        for reason in &channel.health.reasons {
            table.row([channel.name.clone(), word(&channel.health.level), cell(Some(&reason.message), 400)]);
        }
    }
    let healthy = channels.iter().all(|channel| channel.health.reasons.is_empty());
    if healthy { String::new() } else { format!("\n{}", table.or("")) }
}

#[cfg(test)]
mod tests {
    use switchhook_core::status::{State, Status};
    use switchhook_runtime::{Level, Reason};

    use super::*;

    fn channel(name: &str, daily_limit: Option<u32>, reasons: &[&str]) -> ChannelStatus {
        let reason = |message: &&str| Reason { code: "usage".to_owned(), message: (*message).to_owned() };
        let level = if reasons.is_empty() { Level::Healthy } else { Level::Critical };
        let health = Health {
            level,
            usage: None,
            sent_today: 12,
            received_today: 0,
            daily_limit,
            resets_at: UnixMillis(0),
            reasons: reasons.iter().map(reason).collect(),
        };
        ChannelStatus {
            name: name.to_owned(),
            kind: "web".to_owned(),
            account: String::new(),
            enabled: true,
            status: Status::new(State::Connected, UnixMillis(0)),
            waiting: 0,
            outgoing: 0,
            health,
        }
    }

    /// C3: what was sent of the limit stands in the table, and below it who is not healthy, and why.
    #[test]
    fn health_is_shown_with_its_reasons() {
        let all = [channel("a", None, &[]), channel("b", Some(1000), &["too much", "too slow"])];
        let text = channels(&all, UnixMillis(0)) + &unwell(&all);
        assert!(text.contains("TODAY") && text.contains("12/1000"), "{text}");
        let below = text.split_once("HEALTH").expect("a second table").1;
        assert!(below.contains("b        critical  too much") && below.contains("too slow"), "{text}");
        assert!(!below.contains("\na "), "who is healthy has no row: {text}");
        assert_eq!(unwell(&all[..1]), "");
    }
}
