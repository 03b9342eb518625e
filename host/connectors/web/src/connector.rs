//! The connector of one web channel.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::ws::Utf8Bytes;
use parking_lot::{Mutex, RwLock};
use switchhook_core::action::{Action, Outgoing};
use switchhook_core::connector::{Abilities, Connector, ConnectorContext, ConnectorError};
use switchhook_core::connector::{Delivery, DeliveryError, Receipt};
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::kind::ChannelSettings;
use switchhook_core::message::Chat;
use switchhook_core::split::TextLimit;
use switchhook_core::time::{Clock, SystemClock};
use tokio_util::task::TaskTracker;

use crate::hub::Hub;
use crate::live::{Live, MAX_TEXT, SharedSettings};
use crate::protocol::ToPage;
use crate::settings::Settings;
use crate::tabs::{Ending, Tabs};
use crate::visitor::Visitor;

/// The page lets its typing notice go out after 6 s.
const TYPING_EVERY: Duration = Duration::from_secs(4);
/// How long sockets may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(3);

pub(crate) struct WebConnector {
    hub: Arc<Hub>,
    channel: ChannelName,
    account: AccountId,
    settings: SharedSettings,
    /// There while it runs.
    live: Mutex<Option<Arc<Live>>>,
}

impl WebConnector {
    pub(crate) fn new(hub: Arc<Hub>, channel: ChannelName, account: AccountId, settings: Settings) -> Self {
        let settings = Arc::new(RwLock::new(Arc::new(settings)));
        Self { hub, channel, account, settings, live: Mutex::new(None) }
    }

    fn live(&self) -> Option<Arc<Live>> {
        self.live.lock().clone()
    }

    fn start(&self, context: ConnectorContext) -> Arc<Live> {
        let live = Arc::new(Live {
            channel: self.channel.clone(),
            account: self.account.clone(),
            settings: Arc::clone(&self.settings),
            context,
            tabs: Tabs::default(),
            accepting: TaskTracker::new(),
            sockets: TaskTracker::new(),
        });
        *self.live.lock() = Some(Arc::clone(&live));
        self.hub.register(Arc::clone(&live));
        live
    }
}

#[async_trait]
impl Connector for WebConnector {
    fn abilities(&self) -> Abilities {
        Abilities {
            text: TextLimit::Bytes(MAX_TEXT),
            idempotent_send: true,
            typing_every: Some(TYPING_EVERY),
            send_limits: None,
        }
    }

    async fn run(&self, context: ConnectorContext) -> Result<(), ConnectorError> {
        let live = self.start(context);
        // Nobody has to be reached for it: the page is there as soon as the hub knows of it.
        live.context.status.connected();
        live.context.drain.cancelled().await;
        live.accepting.close();
        live.accepting.wait().await;
        self.hub.unregister(&live);
        live.tabs.end_all(Ending::Stopping);
        live.sockets.close();
        if tokio::time::timeout(GOODBYE, live.sockets.wait()).await.is_err() {
            tracing::warn!(channel = %self.channel, left = live.tabs.count(), "sockets did not close in time");
        }
        self.live.lock().take_if(|current| Arc::ptr_eq(current, &live));
        Ok(())
    }

    /// Done when the frame waits for every open socket of the chat. With no socket open it is done as well: the host
    /// keeps the answer in its history, which the page reads when it connects.
    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        let id = message_id(delivery);
        let frame = encode(delivery, &id)?;
        if let Some(live) = self.live() {
            if let Some(frame) = frame {
                live.tabs.send(&delivery.chat, &frame, None);
            }
            live.context.status.outbound();
        }
        let sent = matches!(delivery.action, Action::Send(_));
        Ok(Receipt { provider_id: sent.then_some(id) })
    }

    async fn typing(&self, chat: &Chat) {
        if let Some(live) = self.live() {
            live.tabs.hint(&chat.id, &ToPage::Typing.encode());
        }
    }

    async fn update(&self, settings: ChannelSettings) {
        let new = match Settings::read(&settings, self.hub.cookie_key()) {
            Ok(new) => Arc::new(new),
            Err(error) => {
                tracing::warn!(channel = %self.channel, %error, "the settings stay as they were");
                return;
            }
        };
        let old = std::mem::replace(&mut *self.settings.write(), Arc::clone(&new));
        let Some(live) = self.live() else { return };
        if old.title != new.title {
            live.tabs.send_to_all(&ToPage::Title { title: &new.title }.encode());
        }
        live.tabs.end_disowned(|proof| Visitor::from_proof(&self.channel, &new, proof).is_some());
    }
}

/// The page's name for a message of ours: the same for every attempt, so that the page shows it once.
fn message_id(delivery: &Delivery) -> String {
    format!("w{}", delivery.id.0)
}

/// The frame that carries an action out, or none where the page has nothing to show.
fn encode(delivery: &Delivery, id: &str) -> Result<Option<Utf8Bytes>, DeliveryError> {
    let frame = match &delivery.action {
        Action::Send(outgoing) => message(delivery, outgoing, id)?,
        Action::Edit { message_id, text, format } => ToPage::Edit { id: message_id, text, format: *format },
        Action::Delete { message_id } => ToPage::Delete { id: message_id },
        Action::React { message_id, emoji } => ToPage::React { id: message_id, emoji: emoji.as_deref() },
        Action::MarkRead => return Ok(None),
        Action::Forward { .. } => return Err(unsupported("a message can't be forwarded")),
        Action::Other { kind, .. } => return Err(unsupported(&format!("there is no `{kind}`"))),
        Action::Schedule { .. } | Action::CancelTurn | Action::NewConversation => {
            return Err(unsupported("the host does this itself; it is never delivered"));
        }
    };
    Ok(Some(frame.encode()))
}

fn message<'a>(delivery: &'a Delivery, outgoing: &'a Outgoing, id: &'a str) -> Result<ToPage<'a>, DeliveryError> {
    if !outgoing.attachments.is_empty() {
        return Err(unsupported("attachments can't be shown: send their text alone"));
    }
    Ok(ToPage::Message {
        id,
        text: &outgoing.text,
        format: outgoing.format,
        buttons: &outgoing.buttons,
        reply_to: outgoing.reply_to.as_deref(),
        answers: delivery.answers.as_deref(),
        at: SystemClock.now(),
    })
}

fn unsupported(what: &str) -> DeliveryError {
    DeliveryError::Rejected { code: "unsupported".to_owned(), reason: format!("in the web chat, {what}") }
}
