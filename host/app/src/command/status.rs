//! `switchhook status`

use switchhook_core::time::{Clock, SystemClock, UnixMillis};
use switchhook_runtime::{AttemptOutcome, ChannelStatus, HostStatus};

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
    text + &channels(&status.channels, now)
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
        Table::new(["CHANNEL", "KIND", "STATE", "FOR", "LAST IN", "LAST OUT", "WAITING", "TO SEND", "DETAIL"]);
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
            cell(channel.status.detail.as_deref(), 400),
        ]);
    }
    table.or("There is no channel.")
}
