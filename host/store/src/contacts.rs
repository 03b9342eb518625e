//! Who has written, and what the operator has said of them.

use std::time::Duration;

use rusqlite::params;
use serde::{Deserialize, Serialize};
use switchhook_core::id::ChannelName;
use switchhook_core::message::{Party, Standing};
use switchhook_core::person::PersonId;
use switchhook_core::time::UnixMillis;

use crate::error::StoreError;
use crate::memory::{Effect, Seen};
use crate::recovery;
use crate::seal::{Table, or_leave_out};
use crate::store::Store;
use crate::tag::{Tag, from_sql_time, to_sql_time};
use crate::writer::{Batch, OnFullDisk, Ordered, Undo};

/// How old `last_seen` may be before it is written again: a busy chat is not worth a write a message.
const SEEN_EVERY: Duration = Duration::from_secs(3600);

/// Somebody who has written on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// With the standing as it is now.
    pub party: Party,
    pub channel: ChannelName,
    pub first_seen: UnixMillis,
    /// To the hour.
    pub last_seen: UnixMillis,
}

/// What lies sealed of a contact.
#[derive(Serialize, Deserialize)]
struct Body {
    party: Party,
    channel: ChannelName,
}

impl Store {
    /// What the operator has said of a person known by these ids: one blocked id wins, then one approved. From memory.
    pub fn standing(&self, ids: &mut dyn Iterator<Item = &PersonId>) -> Standing {
        let known = self.shared().memory.standings.read();
        if known.is_empty() {
            return Standing::Unknown;
        }
        let mut found = Standing::Unknown;
        for id in ids {
            match known.get(&self.person(id)) {
                Some(Standing::Blocked) => return Standing::Blocked,
                Some(Standing::Approved) => found = Standing::Approved,
                Some(Standing::Unknown) | None => {}
            }
        }
        found
    }

    /// Notes that somebody has written; writes only what is new. Ordered.
    pub async fn remember_contact(&self, party: &Party, channel: &ChannelName) {
        let party = Party { standing: Standing::Unknown, ..party.clone() };
        let key = self.vault().tag("contact", &[channel.as_str(), party.id.as_str()]);
        let now = self.now();
        let seen = Seen { print: self.print(&party), last: now };
        let is_known = |known: &Seen| known.print == seen.print && now.since(known.last) < SEEN_EVERY;
        if self.shared().memory.contacts.lock().get(&key).is_some_and(is_known) {
            return;
        }
        let body = Body { party, channel: channel.clone() };
        let sealing = self.vault().sealing();
        let sealed = match sealing.seal_json(Table::Contacts.cell(key, "body"), &body) {
            Ok(sealed) => sealed,
            Err(error) => return tracing::error!(%error, "a contact can't be sealed"),
        };
        // A closed store remembers nobody any more.
        let Ok(room) = self.room().await else { return };
        let shared = self.shared().clone();
        let work = move |batch: &mut Batch<'_>| upsert(batch, key, seen, &sealed);
        let end = move |result: Result<(), StoreError>| {
            let mut contacts = shared.memory.contacts.lock();
            // Not written, so not known: the next message tries again.
            if result.is_err() && contacts.get(&key) == Some(&seen) {
                contacts.remove(&key);
            }
        };
        self.shared().memory.contacts.lock().insert(key, seen);
        room.send(Box::new(Ordered {
            name: "contact",
            undo: Undo::Transaction,
            on_full_disk: OnFullDisk::Fail,
            work,
            result: Ok(()),
            end,
        }));
    }

    /// Everybody who has written, in the order of their first message.
    pub async fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        let vault = self.vault().clone();
        let sql = "SELECT key, first_seen, last_seen, body FROM contacts ORDER BY first_seen, key";
        let mut contacts = self
            .read_settled(move |conn| {
                let mut statement = conn.prepare_cached(sql)?;
                let mut rows = statement.query([])?;
                let mut contacts = Vec::new();
                while let Some(row) = rows.next()? {
                    let (key, sealed): (Tag, Vec<u8>) = (row.get(0)?, row.get(3)?);
                    let body = vault.open_json(Table::Contacts.cell(key, "body"), &sealed);
                    let Some(Body { party, channel }) = or_leave_out(body)? else { continue };
                    let (first_seen, last_seen) = (from_sql_time(row.get(1)?), from_sql_time(row.get(2)?));
                    contacts.push(Contact { party, channel, first_seen, last_seen });
                }
                Ok(contacts)
            })
            .await?;
        for contact in &mut contacts {
            let standing = self.standing(&mut contact.party.ids());
            contact.party.standing = standing;
        }
        Ok(contacts)
    }

    /// Says what the operator thinks of a person, seen before or not. `Unknown` takes it back. Awaited.
    pub async fn set_standing(&self, id: &PersonId, standing: Standing) -> Result<(), StoreError> {
        let person = self.person(id);
        let sealing = self.vault().sealing();
        let sealed = sealing.seal_json(Table::Standings.cell(person, "body"), id)?;
        self.write(move |batch| {
            match recovery::standing_text(standing) {
                None => batch.execute("DELETE FROM standings WHERE person = ?1", [person])?,
                Some(text) => batch.execute(
                    "INSERT OR REPLACE INTO standings (person, standing, body) VALUES (?1, ?2, ?3)",
                    params![person, text, sealed],
                )?,
            };
            batch.note(Effect::Standing { person, standing });
            Ok(())
        })
        .await
    }

    /// Everybody of whom the operator has said something, in the order of their ids.
    pub async fn standings(&self) -> Result<Vec<(PersonId, Standing)>, StoreError> {
        let vault = self.vault().clone();
        let mut found = self
            .read_settled(move |conn| {
                let mut statement = conn.prepare_cached("SELECT person, standing, body FROM standings")?;
                let mut rows = statement.query([])?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    let (person, text, sealed): (Tag, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                    let id: Option<PersonId> =
                        or_leave_out(vault.open_json(Table::Standings.cell(person, "body"), &sealed))?;
                    found.extend(id.map(|id| (id, recovery::standing(&text))));
                }
                Ok(found)
            })
            .await?;
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }

    fn person(&self, id: &PersonId) -> Tag {
        self.vault().tag("person", &[id.as_str()])
    }

    /// Changes when anything known of the person does.
    fn print(&self, party: &Party) -> Tag {
        let name = party.name.as_deref();
        let mut parts = vec![if name.is_some() { "named" } else { "" }, name.unwrap_or_default()];
        parts.extend(party.ids().map(PersonId::as_str));
        self.vault().tag("contact print", &parts)
    }
}

fn upsert(batch: &Batch<'_>, key: Tag, seen: Seen, sealed: &[u8]) -> Result<(), StoreError> {
    batch
        .execute(
            "INSERT INTO contacts (key, print, first_seen, last_seen, body) VALUES (?1, ?2, ?3, ?3, ?4)
             ON CONFLICT (key) DO UPDATE SET print = excluded.print, last_seen = excluded.last_seen, body = excluded.body",
            params![key, seen.print, to_sql_time(seen.last), sealed],
        )
        .map(drop)
}
