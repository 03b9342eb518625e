//! What was said before the page was opened.

use async_trait::async_trait;
use switchhook_core::hook::Speaker;
use switchhook_core::message::Conversation;
use switchhook_core::time::UnixMillis;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedTurn {
    pub from: Speaker,
    pub text: String,
    pub at: UnixMillis,
}

/// Gives back what a chat's visitor and the host have said. The app implements it over the history that the host keeps,
/// so that the page shows it after a restart.
#[async_trait]
pub trait ChatLog: Send + Sync {
    /// The last `max` turns, oldest first. What can't be read is left out: an empty page is better than none.
    async fn turns(&self, conversation: &Conversation, max: u32) -> Vec<LoggedTurn>;
}
