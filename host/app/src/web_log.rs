//! What the web chat shows of the past: the store's history.

use std::sync::OnceLock;

use async_trait::async_trait;
use switchhook_core::message::Conversation;
use switchhook_store::Store;
use switchhook_web::{ChatLog, LoggedTurn};

/// The most text that one page loads, in bytes.
const MAX_BYTES: u32 = 256 * 1024;

/// Reads from the store as soon as there is one: kinds of connectors are needed for reading the config, and the config
/// for opening the store.
#[derive(Default)]
pub(crate) struct WebLog {
    store: OnceLock<Store>,
}

impl WebLog {
    /// Only the first store counts.
    pub(crate) fn open(&self, store: Store) {
        let _ = self.store.set(store);
    }
}

#[async_trait]
impl ChatLog for WebLog {
    async fn turns(&self, conversation: &Conversation, max: u32) -> Vec<LoggedTurn> {
        let Some(store) = self.store.get() else { return Vec::new() };
        let turns = store.history(conversation, max, MAX_BYTES).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the history of a web chat can't be read");
            Vec::new()
        });
        turns.into_iter().map(|turn| LoggedTurn { from: turn.speaker, text: turn.text, at: turn.at }).collect()
    }
}
