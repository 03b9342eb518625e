//! What was said in a conversation.

use switchhook_core::hook::Turn;
use switchhook_core::message::Conversation;

use crate::error::StoreError;
use crate::store::Store;

impl Store {
    /// The newest turns, oldest first: at most `max_turns`, and no more than fit into `max_bytes` of text.
    pub async fn history(&self, _c: &Conversation, _max_turns: u32, _max_bytes: u32) -> Result<Vec<Turn>, StoreError> {
        todo!()
    }
}
