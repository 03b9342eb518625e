//! One web channel while it runs.

use std::sync::Arc;

use parking_lot::RwLock;
use switchhook_core::connector::{ConnectorContext, InboxError};
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::message::{Chat, ChatKind, Content, Conversation, Inbound, Message, Party, Standing};
use switchhook_core::person::PersonId;
use switchhook_core::time::UnixMillis;
use tokio_util::task::TaskTracker;

use crate::kind::KIND;
use crate::protocol::FromPage;
use crate::settings::Settings;
use crate::tabs::Tabs;

/// The longest text a visitor may send, in bytes, and the longest we send in one message.
pub(crate) const MAX_TEXT: usize = 16 * 1024;
/// The longest id a page may give a message: a UUID has 36 characters.
const MAX_ID: usize = 64;

/// Settings that are replaced while the channel runs.
pub(crate) type SharedSettings = Arc<RwLock<Arc<Settings>>>;

/// Why a message is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the text is longer than {} KiB: send it in parts", MAX_TEXT / 1024)]
    TooLong,
    #[error("there is nothing in it")]
    Empty,
    #[error("the id must be 1 to {MAX_ID} letters, digits or `-`")]
    Id,
    #[error("this chat is closing")]
    Closing,
    #[error(transparent)]
    Inbox(#[from] InboxError),
}

/// A channel from the start of its `run` to the end of it.
pub(crate) struct Live {
    pub(crate) channel: ChannelName,
    pub(crate) account: AccountId,
    pub(crate) settings: SharedSettings,
    pub(crate) context: ConnectorContext,
    pub(crate) tabs: Tabs,
    /// Messages on their way to the disk, and sockets: both are waited for when the channel stops.
    pub(crate) accepting: TaskTracker,
    pub(crate) sockets: TaskTracker,
}

impl Live {
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read())
    }

    pub(crate) fn conversation(&self, visitor: &str) -> Conversation {
        Conversation { account: self.account.clone(), chat: visitor.to_owned(), thread: None }
    }

    /// Puts what a visitor said on disk.
    pub(crate) async fn accept(&self, visitor: &str, said: &FromPage, at: UnixMillis) -> Result<(), Refusal> {
        check(said)?;
        // The tracker first: either the drain waits for us, or we see it.
        let _on_its_way = self.accepting.token();
        if self.context.drain.is_cancelled() {
            return Err(Refusal::Closing);
        }
        let inbound = Inbound {
            dedupe_key: format!("{visitor}/{}", said.id()),
            message: self.message(visitor, said, at),
            unresolved: None,
        };
        self.context.inbox.accept(vec![inbound]).await?;
        self.context.status.inbound();
        Ok(())
    }

    fn message(&self, visitor: &str, said: &FromPage, at: UnixMillis) -> Message {
        let content = match said {
            FromPage::Send { text, .. } => Content::Text(text.clone()),
            FromPage::Button { value, .. } => Content::Button(value.clone()),
        };
        Message {
            id: said.id().to_owned(),
            channel: self.channel.clone(),
            connector: KIND.to_owned(),
            account: self.account.clone(),
            chat: Chat { id: visitor.to_owned(), kind: ChatKind::Direct, title: None, thread: None },
            sender: Party {
                id: PersonId::new(KIND, visitor),
                aliases: Vec::new(),
                name: Some(visitor.to_owned()),
                standing: Standing::Unknown,
            },
            content,
            attachments: Vec::new(),
            mentions_me: true,
            quoted: None,
            sent_at: at,
            extra: Vec::new(),
        }
    }
}

fn check(said: &FromPage) -> Result<(), Refusal> {
    let id = said.id();
    if id.is_empty() || id.len() > MAX_ID || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(Refusal::Id);
    }
    if said.text().len() > MAX_TEXT {
        return Err(Refusal::TooLong);
    }
    if said.text().trim().is_empty() {
        return Err(Refusal::Empty);
    }
    Ok(())
}
