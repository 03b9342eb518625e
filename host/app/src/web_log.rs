//! What the web chat shows of the past: the store's history, and what is not answered yet.

use std::sync::OnceLock;

use async_trait::async_trait;
use switchhook_core::hook::Speaker;
use switchhook_core::message::Conversation;
use switchhook_store::{Store, StoreError};
use switchhook_web::{ChatLog, LoggedTurn};

/// The most text that one page loads, in bytes.
const MAX_BYTES: u32 = 256 * 1024;
/// How many messages that wait are looked through for those of one visitor.
const MAX_WAITING: u32 = 256;

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
        // First: what is answered meanwhile is then in both, and the page shows it once.
        let waiting = store.waiting_in(conversation, MAX_WAITING).await.unwrap_or_else(unreadable);
        let turns = store.history(conversation, max, MAX_BYTES).await.unwrap_or_else(unreadable);
        let said = turns.into_iter().map(|turn| LoggedTurn { from: turn.speaker, text: turn.text, at: turn.at });
        let asked = waiting.into_iter().filter_map(|stored| {
            let message = stored.message?;
            let text = message.text()?.to_owned();
            Some(LoggedTurn { from: Speaker::Person, text, at: message.sent_at })
        });
        let mut all: Vec<LoggedTurn> = said.collect();
        let new: Vec<LoggedTurn> = asked.filter(|turn| !all.contains(turn)).collect();
        all.extend(new);
        all
    }
}

fn unreadable<T>(error: StoreError) -> Vec<T> {
    tracing::warn!(%error, "the past of a web chat can't be read");
    Vec::new()
}
