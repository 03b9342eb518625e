//! `switchhook contacts`

use switchhook_api::dto::ContactEntry;
use switchhook_core::person::PersonId;
use switchhook_core::time::{Clock, SystemClock};

use crate::args::ContactsCommand;
use crate::client::Client;
use crate::command::{say, word};
use crate::failure::Failure;
use crate::table::{Table, ago, cell};

pub(crate) async fn contacts(client: &Client, command: ContactsCommand) -> Result<String, Failure> {
    match command {
        ContactsCommand::List(output) => {
            let contacts: Vec<ContactEntry> = client.get("contacts").await?;
            say(output, &contacts, |contacts| people(contacts))
        }
        ContactsCommand::Approve { person } => act(client, &person, "approve", "is approved").await,
        ContactsCommand::Block { person } => act(client, &person, "block", "is blocked").await,
        ContactsCommand::Forget { person } => {
            act(client, &person, "forget", "is neither approved nor blocked now").await
        }
    }
}

async fn act(client: &Client, person: &PersonId, verb: &str, outcome: &str) -> Result<String, Failure> {
    client.act(&format!("contacts/{}/{verb}", escaped(person.as_str()))).await?;
    Ok(format!("{person} {outcome}.\n"))
}

/// A person's id as one segment of a path.
fn escaped(id: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'@');
    id.bytes().map(|b| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

fn people(contacts: &[ContactEntry]) -> String {
    let now = SystemClock.now();
    let mut table = Table::new(["PERSON", "NAME", "STANDING", "CHANNEL", "LAST SEEN", "ALIASES"]);
    for contact in contacts {
        let aliases: Vec<&str> = contact.aliases.iter().map(PersonId::as_str).collect();
        table.row([
            cell(Some(contact.id.as_str()), 32),
            cell(contact.name.as_deref(), 24),
            word(&contact.standing),
            cell(contact.channel.as_ref().map(|c| c.as_str()), 24),
            contact.last_seen.map_or_else(|| "never".to_owned(), |at| ago(at, now)),
            cell(Some(&aliases.join(" ")), 40),
        ]);
    }
    table.or("Nobody has written yet.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_the_path() {
        assert_eq!(escaped("tg:@ann"), "tg:@ann");
        assert_eq!(escaped("+15551234567"), "%2B15551234567");
        assert_eq!(escaped("web:a/b?c#é"), "web:a%2Fb%3Fc%23%C3%A9");
    }
}
