//! `switchhook held`

use switchhook_api::dto::MessageEntry;
use switchhook_core::time::{Clock, SystemClock};

use crate::args::HeldCommand;
use crate::client::Client;
use crate::command::say;
use crate::failure::Failure;
use crate::table::{Table, ago, cell};

pub(crate) async fn held(client: &Client, command: HeldCommand) -> Result<String, Failure> {
    match command {
        HeldCommand::List(output) => {
            let held: Vec<MessageEntry> = client.get("held").await?;
            say(output, &held, |held| messages(held).or("Nothing is held."))
        }
        HeldCommand::Approve { message } => {
            client.act(&format!("held/{message}/approve")).await?;
            Ok(format!("{message} is approved and runs again.\n"))
        }
        HeldCommand::Drop { message } => {
            client.act(&format!("held/{message}/drop")).await?;
            Ok(format!("{message} is dropped.\n"))
        }
    }
}

/// Messages that wait for the operator, for a person.
pub(crate) fn messages(entries: &[MessageEntry]) -> Table {
    let now = SystemClock.now();
    let mut table = Table::new(["ID", "CAME", "CHANNEL", "FROM", "TEXT", "REASON"]);
    for entry in entries {
        let content = entry.content.as_ref();
        table.row([
            entry.id.to_string(),
            ago(entry.accepted_at, now),
            cell(content.map(|c| c.channel.as_str()), 24),
            cell(content.map(|c| c.sender.as_str()), 24),
            cell(content.and_then(|c| c.text.as_deref()), 40),
            cell(entry.reason.as_deref(), 400),
        ]);
    }
    table
}
