//! The connector: one linked device, and which part does what.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use switchhook_core::connector::{
    Abilities, Bucket, Connector, ConnectorContext, ConnectorError, Delivery, DeliveryError, Receipt, SendLimits,
    StatusReporter,
};
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::link::Linkable;
use switchhook_core::message::Chat;
use switchhook_core::split::TextLimit;
use switchhook_store::{AccountStore, Store};
use tokio::sync::{Notify, oneshot};
use whatsapp_rust::Client;
use whatsapp_rust::http::HttpClient;

use crate::kind::Settings;
use crate::{media, record};

/// The longest text a phone shows whole.
const MAX_TEXT: usize = 65_536;
/// A phone stops showing that somebody writes after about 25 seconds.
const TYPING_EVERY: Duration = Duration::from_secs(10);
/// 30 a minute and 1,000 a day for each device (B9): more than a person, less than what gets a number banned. WhatsApp
/// publishes nothing.
const SEND_LIMITS: SendLimits = SendLimits {
    account: Bucket { burst: 5, every: Duration::from_secs(2) },
    direct_chat: Bucket { burst: 3, every: Duration::from_secs(2) },
    group_chat: Bucket { burst: 3, every: Duration::from_secs(2) },
    per_minute: Some(30),
    per_day: Some(1_000),
};

pub(crate) struct WhatsApp {
    pub(crate) channel: ChannelName,
    pub(crate) account: AccountId,
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) http: Arc<dyn HttpClient>,
    /// Held while there is a client on this device, of whatever use: two would fight over its ratchets.
    pub(crate) session: tokio::sync::Mutex<()>,
    /// The client under way, for deliveries.
    pub(crate) live: Mutex<Option<Live>>,
    /// The client of an attempt to link, for a passkey.
    pub(crate) linking: Mutex<Option<Arc<Client>>>,
    /// The bytes asked for last, since they are asked for in pieces.
    fetched: tokio::sync::Mutex<Option<(String, Vec<u8>)>>,
    status: Mutex<Option<StatusReporter>>,
}

/// A client that deliveries may use.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) client: Arc<Client>,
    pub(crate) acks: Arc<Acks>,
}

impl Live {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Self { client, acks: Arc::default() }
    }
}

/// So many sends in a row without an answer, and the session is deaf: one may be lost, two are not.
const DEAF: u32 = 2;

/// Sends that WhatsApp has not answered yet, by message id, and how many it left unanswered.
#[derive(Default)]
pub(crate) struct Acks {
    waiting: Mutex<HashMap<String, oneshot::Sender<Option<String>>>>,
    unanswered: AtomicU32,
    deaf: Notify,
}

impl Acks {
    /// To be asked for before sending: the answer may be quick.
    pub(crate) fn expect(&self, id: &str) -> oneshot::Receiver<Option<String>> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        // Those whose delivery gave up.
        waiting.retain(|_, waiting| !waiting.is_closed());
        waiting.insert(id.to_owned(), sender);
        receiver
    }
    pub(crate) fn settle(&self, id: &str, error: Option<String>) {
        self.unanswered.store(0, Ordering::Relaxed);
        if let Some(waiting) = self.waiting.lock().remove(id) {
            let _ = waiting.send(error);
        }
    }
    /// A send that was not answered within the time for it.
    pub(crate) fn unanswered(&self) {
        if self.unanswered.fetch_add(1, Ordering::Relaxed) + 1 >= DEAF {
            self.deaf.notify_one();
        }
    }
    /// Ready when WhatsApp has left the last sends without an answer.
    pub(crate) async fn deaf(&self) {
        self.deaf.notified().await;
    }
}

impl WhatsApp {
    pub(crate) fn new(
        channel: ChannelName,
        account: AccountId,
        settings: Settings,
        store: Store,
        http: Arc<dyn HttpClient>,
    ) -> Self {
        Self {
            channel,
            account,
            settings,
            store,
            http,
            session: tokio::sync::Mutex::default(),
            live: Mutex::default(),
            linking: Mutex::default(),
            fetched: tokio::sync::Mutex::default(),
            status: Mutex::default(),
        }
    }

    /// A fresh view on the account's state, that has lost nothing yet.
    pub(crate) fn states(&self) -> AccountStore {
        self.store.account_state(&self.account)
    }

    pub(crate) fn status(&self) -> Option<StatusReporter> {
        self.status.lock().clone()
    }

    async fn download(&self, handle: &str) -> Option<Vec<u8>> {
        let (chat, id) = media::of_handle(handle)?;
        let seen = record::seen(&self.states(), chat, id).await?;
        let client = self.live.lock().as_ref()?.client.clone();
        let media = media::of(&seen.message)?;
        match client.download(media.source).await {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                tracing::warn!(channel = %self.channel, %error, "an attachment can't be downloaded");
                None
            }
        }
    }
}

#[async_trait]
impl Connector for WhatsApp {
    fn abilities(&self) -> Abilities {
        Abilities {
            text: TextLimit::Utf16(MAX_TEXT),
            idempotent_send: true,
            typing_every: Some(TYPING_EVERY),
            send_limits: Some(SEND_LIMITS),
        }
    }

    async fn run(&self, context: ConnectorContext) -> Result<(), ConnectorError> {
        *self.status.lock() = Some(context.status.clone());
        self.receive(&context).await
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        let receipt = self.carry_out(delivery).await?;
        if let Some(status) = self.status() {
            status.outbound();
        }
        Ok(receipt)
    }

    async fn chat(&self, named: &str) -> Option<Chat> {
        self.named(named).await
    }

    async fn is_reachable(&self, chat: &Chat) -> Option<bool> {
        self.reachable(chat).await
    }

    async fn typing(&self, chat: &Chat) {
        self.show_typing(&chat.id).await;
    }

    async fn attachment(&self, handle: &str, offset: u64, length: u32) -> Option<Vec<u8>> {
        let mut fetched = self.fetched.lock().await;
        if fetched.as_ref().is_none_or(|(of, _)| of != handle) {
            *fetched = Some((handle.to_owned(), self.download(handle).await?));
        }
        let (_, bytes) = fetched.as_ref()?;
        let start = usize::try_from(offset).ok()?.min(bytes.len());
        let end = start.saturating_add(length as usize).min(bytes.len());
        Some(bytes[start..end].to_vec())
    }

    fn linkable(&self) -> Option<&dyn Linkable> {
        Some(self)
    }
}
