//! The connector: what it can, and which part does what.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use switchhook_core::connector::{
    Abilities, Bucket, Connector, ConnectorContext, ConnectorError, Delivery, DeliveryError, Receipt, SendLimits,
    StatusReporter,
};
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::kind::ChannelSettings;
use switchhook_core::message::Chat;
use switchhook_core::split::TextLimit;

use crate::api::Bot;
use crate::deliver::Progress;
use crate::poll::Conflicts;

/// The longest text of a message, in UTF-16 units after entities are parsed (Bot API, `sendMessage`).
pub(crate) const MAX_TEXT: usize = 4096;
/// A typing notice lasts 5 seconds (Bot API, `sendChatAction`): renewed a second before.
const TYPING_EVERY: Duration = Duration::from_secs(4);
/// The FAQ for bots names 30 messages a second over all, one a second in a chat with short bursts, 20 a minute in a
/// group. Burst and rate together stay within those in any window of that length.
const SEND_LIMITS: SendLimits = SendLimits {
    account: Bucket { burst: 5, every: Duration::from_millis(40) },
    direct_chat: Bucket { burst: 3, every: Duration::from_secs(1) },
    group_chat: Bucket { burst: 5, every: Duration::from_secs(4) },
    per_minute: None,
    per_day: None,
};

/// One bot.
pub(crate) struct TelegramConnector {
    pub(crate) channel: ChannelName,
    pub(crate) account: AccountId,
    pub(crate) bot: Bot,
    poll_timeout_ms: AtomicU64,
    pub(crate) conflicts: Mutex<Conflicts>,
    pub(crate) progress: Mutex<Progress>,
    /// That of the run under way: deliveries are told there, too.
    status: Mutex<Option<StatusReporter>>,
}

impl TelegramConnector {
    pub(crate) fn new(channel: ChannelName, account: AccountId, bot: Bot, poll_timeout: Duration) -> Self {
        Self {
            channel,
            account,
            bot,
            poll_timeout_ms: AtomicU64::new(poll_timeout.as_millis() as u64),
            conflicts: Mutex::default(),
            progress: Mutex::default(),
            status: Mutex::default(),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Duration {
        Duration::from_millis(self.poll_timeout_ms.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Connector for TelegramConnector {
    fn abilities(&self) -> Abilities {
        Abilities {
            text: TextLimit::Utf16(MAX_TEXT),
            idempotent_send: false,
            typing_every: Some(TYPING_EVERY),
            send_limits: Some(SEND_LIMITS),
        }
    }

    async fn run(&self, context: ConnectorContext) -> Result<(), ConnectorError> {
        *self.status.lock() = Some(context.status.clone());
        self.poll_until_drained(&context).await
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        let receipt = self.carry_out(delivery).await?;
        if let Some(status) = self.status.lock().as_ref() {
            status.outbound();
        }
        Ok(receipt)
    }

    fn delivers_by_calls(&self) -> bool {
        true
    }

    async fn chat(&self, named: &str) -> Option<Chat> {
        crate::deliver::chat(named)
    }

    async fn typing(&self, chat: &Chat) {
        self.show_typing(chat).await;
    }

    async fn attachment(&self, handle: &str, offset: u64, length: u32) -> Option<Vec<u8>> {
        self.download(handle, offset, length).await
    }

    async fn update(&self, settings: ChannelSettings) {
        // The next request uses it. The config checked the value when it built the plan.
        match crate::kind::poll_timeout(&settings) {
            Ok(wait) => self.poll_timeout_ms.store(wait.as_millis() as u64, Ordering::Relaxed),
            Err(error) => tracing::warn!(channel = %self.channel, %error, "the poll_timeout in use stays"),
        }
    }
}
