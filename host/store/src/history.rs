//! What was said in a conversation.

use rusqlite::params;
use switchhook_core::hook::Turn;
use switchhook_core::message::Conversation;

use crate::error::StoreError;
use crate::seal::{Sealing, Table, or_leave_out};
use crate::store::Store;
use crate::tag::{Tag, to_sql_time};
use crate::writer::Batch;

impl Store {
    /// The newest turns, oldest first: at most `max_turns`, and no more than fit into `max_bytes` of text.
    pub async fn history(&self, c: &Conversation, max_turns: u32, max_bytes: u32) -> Result<Vec<Turn>, StoreError> {
        let (conversation, account) = (self.vault().conversation(c), self.vault().account(&c.account));
        let vault = self.vault().clone();
        self.read_here(move |conn| {
            let mut statement =
                conn.prepare_cached("SELECT id, body FROM history WHERE conversation = ?1 ORDER BY id DESC LIMIT ?2")?;
            let mut rows = statement.query(params![conversation, max_turns])?;
            let (mut turns, mut room) = (Vec::new(), max_bytes as usize);
            while let Some(row) = rows.next()? {
                let (id, sealed): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
                let turn = vault.open_json(Table::History.cell(id, "body").of(account), &sealed);
                let Some(turn) = or_leave_out::<Turn>(turn)? else { continue };
                let Some(left) = room.checked_sub(turn.text.len()) else { break };
                room = left;
                turns.push(turn);
            }
            turns.reverse();
            Ok(turns)
        })
        .await
    }
}

/// A turn ready to be written.
pub(crate) struct NewTurn {
    id: i64,
    conversation: Tag,
    account: Tag,
    at: i64,
    body: Vec<u8>,
}

impl NewTurn {
    pub(crate) fn seal(vault: &Sealing<'_>, id: i64, c: &Conversation, turn: &Turn) -> Result<Self, StoreError> {
        let account = vault.account(&c.account);
        let body = vault.seal_json(Table::History.cell(id, "body").of(account), turn)?;
        Ok(Self { id, conversation: vault.conversation(c), account, at: to_sql_time(turn.at), body })
    }
    pub(crate) fn insert(&self, batch: &Batch<'_>) -> Result<(), StoreError> {
        let sql = "INSERT INTO history (id, conversation, owner, at, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        batch.execute(sql, params![self.id, self.conversation, self.account, self.at, self.body]).map(drop)
    }
}

pub(crate) fn forget(batch: &Batch<'_>, conversation: Tag) -> Result<(), StoreError> {
    batch.execute("DELETE FROM history WHERE conversation = ?1", [conversation]).map(drop)
}
