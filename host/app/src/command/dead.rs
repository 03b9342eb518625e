//! `switchhook dead`

use switchhook_api::dto::{DeadLetters, DeliveryEntry};

use crate::args::DeadCommand;
use crate::client::Client;
use crate::command::{held, say, word};
use crate::failure::Failure;
use crate::table::{Table, cell};

pub(crate) async fn dead(client: &Client, command: DeadCommand) -> Result<String, Failure> {
    match command {
        DeadCommand::List(output) => {
            let dead: DeadLetters = client.get("dead").await?;
            say(output, &dead, letters)
        }
        DeadCommand::Replay { id } => {
            client.act(&format!("dead/{id}/replay")).await?;
            Ok(format!("{id} is back to work.\n"))
        }
    }
}

fn letters(dead: &DeadLetters) -> String {
    let messages = held::messages(&dead.messages).or("No message was given up on.");
    let deliveries = deliveries(&dead.deliveries).or("No delivery was given up on.");
    format!("Messages\n{messages}\nDeliveries\n{deliveries}")
}

fn deliveries(entries: &[DeliveryEntry]) -> Table {
    let mut table = Table::new(["ID", "ANSWERS", "CHANNEL", "CHAT", "STATE", "TRIES", "REASON"]);
    for entry in entries {
        table.row([
            entry.id.to_string(),
            entry.message.to_string(),
            cell(Some(entry.channel.as_str()), 24),
            cell(Some(&entry.chat), 24),
            word(&entry.state),
            entry.attempts.to_string(),
            cell(entry.reason.as_deref(), 400),
        ]);
    }
    table
}
