//! `switchhook messages`

use switchhook_core::time::{Clock, SystemClock};
use switchhook_runtime::{LogEntry, MessageLog};

use crate::args::MessagesArgs;
use crate::client::Client;
use crate::command::{say, word};
use crate::failure::Failure;
use crate::table::{Table, ago, cell};

pub(crate) async fn messages(client: &Client, asked: MessagesArgs) -> Result<String, Failure> {
    let before = asked.before.map(|place| format!("&before={place}")).unwrap_or_default();
    let path = format!("channels/{}/messages?limit={}{before}", asked.channel, asked.limit);
    let log: MessageLog = client.get(&path).await?;
    say(asked.output, &log, tell)
}

fn tell(log: &MessageLog) -> String {
    let now = SystemClock.now();
    let mut table = Table::new(["ID", "WHEN", "TYPE", "STATUS", "FROM", "TO", "WHY"]);
    for entry in &log.messages {
        table.row([
            entry.id.clone(),
            entry.at.map_or_else(|| "-".to_owned(), |at| ago(at, now)),
            what(entry),
            word(&entry.status),
            cell(Some(&entry.from), 24),
            cell(Some(&entry.to), 24),
            cell(entry.reason.as_deref(), 400),
        ]);
    }
    let text = table.or("Nothing came and nothing went.");
    match &log.next {
        Some(next) => format!("{text}\nThere is more: --before {next}\n"),
        None => text,
    }
}

fn what(entry: &LogEntry) -> String {
    match entry.size {
        Some(bytes) => format!("{} {} KiB", word(&entry.kind), bytes.div_ceil(1024)),
        None => word(&entry.kind),
    }
}
