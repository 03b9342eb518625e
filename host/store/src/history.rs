//! What was said in a conversation.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::params;
use switchhook_core::hook::Turn;
use switchhook_core::message::Conversation;

use crate::error::StoreError;
use crate::memory::Effect;
use crate::recent::{Found, Recent};
use crate::seal::{Sealing, Table, or_leave_out};
use crate::store::Store;
use crate::tag::{Tag, to_sql_time};
use crate::writer::Batch;

impl Store {
    /// The newest turns, oldest first: at most `max_turns`, and no more than fit into `max_bytes` of text.
    pub async fn history(&self, c: &Conversation, max_turns: u32, max_bytes: u32) -> Result<Vec<Turn>, StoreError> {
        let (conversation, most) = (self.vault().conversation(c), max_turns as usize);
        let reading = {
            let memory = &self.shared().memory.recent;
            let mut recent = memory.lock();
            if let Some(turns) = recent.get(conversation, most, max_bytes as usize) {
                return Ok(turns);
            }
            Reading { memory, conversation, number: recent.begin(conversation) }
        };
        let read = self.read_history(c, max_turns, max_bytes).await?;
        let turns = read.turns();
        // What does not open is looked at again each time, since it is said each time.
        if read.opened {
            reading.memory.lock().found(conversation, reading.number, most, read.found);
        }
        Ok(turns)
    }

    /// The same from disk.
    pub(crate) async fn read_history(
        &self,
        c: &Conversation,
        max_turns: u32,
        max_bytes: u32,
    ) -> Result<Read, StoreError> {
        let (conversation, account) = (self.vault().conversation(c), self.vault().account(&c.account));
        let vault = self.vault().clone();
        self.read_here(move |conn| {
            let mut statement =
                conn.prepare_cached("SELECT id, body FROM history WHERE conversation = ?1 ORDER BY id DESC LIMIT ?2")?;
            let mut found = statement.query(params![conversation, max_turns])?;
            let mut read = Read { found: Found { rows: Vec::new(), whole: true }, opened: true };
            let (mut seen, mut room) = (0, max_bytes as usize);
            while let Some(row) = found.next()? {
                seen += 1;
                let (id, sealed): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
                let turn = vault.open_json(Table::History.cell(id, "body").of(account), &sealed);
                let Some(turn) = or_leave_out::<Turn>(turn)? else {
                    read.opened = false;
                    continue;
                };
                let Some(left) = room.checked_sub(turn.text.len()) else {
                    read.found.whole = false;
                    break;
                };
                room = left;
                read.found.rows.push((id, Arc::new(turn)));
            }
            read.found.whole &= seen < max_turns;
            read.found.rows.reverse();
            Ok(read)
        })
        .await
    }
}

/// A reading under way. It is over however it ends: by an error, or dropped.
struct Reading<'a> {
    memory: &'a Mutex<Recent>,
    conversation: Tag,
    number: u64,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.memory.lock().end(self.conversation, self.number);
    }
}

/// What the disk says.
pub(crate) struct Read {
    found: Found,
    /// All of it opened.
    opened: bool,
}

impl Read {
    pub(crate) fn turns(&self) -> Vec<Turn> {
        self.found.rows.iter().map(|(_, turn)| Turn::clone(turn)).collect()
    }
}

/// A turn ready to be written.
pub(crate) struct NewTurn {
    id: i64,
    conversation: Tag,
    account: Tag,
    turn: Arc<Turn>,
    body: Vec<u8>,
}

impl NewTurn {
    pub(crate) fn seal(vault: &Sealing<'_>, id: i64, c: &Conversation, turn: Turn) -> Result<Self, StoreError> {
        let account = vault.account(&c.account);
        let body = vault.seal_json(Table::History.cell(id, "body").of(account), &turn)?;
        Ok(Self { id, conversation: vault.conversation(c), account, turn: Arc::new(turn), body })
    }
    pub(crate) fn insert(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let sql = "INSERT INTO history (id, conversation, owner, at, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        let at = to_sql_time(self.turn.at);
        batch.execute(sql, params![self.id, self.conversation, self.account, at, self.body])?;
        batch.note(Effect::Said { conversation: self.conversation, row: (self.id, self.turn.clone()) });
        Ok(())
    }
}

pub(crate) fn forget(batch: &mut Batch<'_>, conversation: Tag) -> Result<(), StoreError> {
    batch.execute("DELETE FROM history WHERE conversation = ?1", [conversation])?;
    batch.note(Effect::Forgotten(conversation));
    Ok(())
}
