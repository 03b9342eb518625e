//! One client of the library, from its connection to its end. It never connects again by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use whatsapp_rust::bot::{Bot, BotHandle, EventDelivery};
use whatsapp_rust::http::{HttpClient, HttpRequest, HttpResponse};
use whatsapp_rust::prelude::{Event, EventKind, wa};
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::wacore::net::{StreamingHttpResponse, UploadBody};
use whatsapp_rust::wacore::stats::HttpResourceReport;
use whatsapp_rust::wacore::store::DevicePropsOverride;
use whatsapp_rust::{Client, InboundDurabilityHook, async_trait};

use crate::backend::SealedBackend;
use crate::version::Version;

/// Events that may wait for us. Messages do not come this way: the hook has them.
const EVENTS: usize = 1024;

/// What we want to hear of.
const KINDS: [EventKind; 21] = [
    EventKind::Connected,
    EventKind::Disconnected,
    EventKind::PairSuccess,
    EventKind::PairError,
    EventKind::LoggedOut,
    EventKind::PairingQrCode,
    EventKind::PairingCode,
    EventKind::PairingCodeRefresh,
    EventKind::PairingCodeError,
    EventKind::PairingQrCodesExhausted,
    EventKind::QrScannedWithoutMultidevice,
    EventKind::ClientOutdated,
    EventKind::ServerAck,
    EventKind::Receipt,
    EventKind::StreamReplaced,
    EventKind::TemporaryBan,
    EventKind::ConnectFailure,
    EventKind::StreamError,
    EventKind::PairPasskeyRequest,
    EventKind::PairPasskeyConfirmation,
    EventKind::PairPasskeyError,
];

/// What a session is opened with.
pub(crate) struct Setup {
    pub(crate) backend: SealedBackend,
    /// None means WhatsApp's own.
    pub(crate) ws_url: Option<String>,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) version: Option<Version>,
    /// What the phone lists the device as.
    pub(crate) device_name: String,
}

pub(crate) struct Session {
    pub(crate) client: Arc<Client>,
    pub(crate) events: mpsc::Receiver<Arc<Event>>,
    /// Ready when the client has ended.
    pub(crate) ended: BotHandle,
}

impl Session {
    /// Starts connecting. An error is the library's, or the store's that it loads the device from.
    pub(crate) async fn open<H>(setup: Setup, hook: H) -> Result<Self, String>
    where
        H: InboundDurabilityHook + 'static,
    {
        let (sender, events) = mpsc::channel(EVENTS);
        let mut transport = TokioWebSocketTransportFactory::new();
        if let Some(url) = setup.ws_url {
            transport = transport.with_url(url);
        }
        let props = DevicePropsOverride::new()
            .with_os(setup.device_name)
            .with_platform_type(wa::device_props::PlatformType::DESKTOP);
        let mut bot = Bot::builder()
            .with_backend(setup.backend)
            .with_transport_factory(transport)
            .with_http_client(Shared(setup.http))
            .with_device_props(props)
            .with_event_delivery(EventDelivery::Ordered { capacity: EVENTS })
            .with_inbound_durability_hook(hook)
            .skip_history_sync()
            .on_event_for(&KINDS, move |event, _| {
                let sender = sender.clone();
                async move {
                    // Nobody listens any more: the session is being closed.
                    let _ = sender.send(event).await;
                }
            });
        if let Some(version) = setup.version {
            bot = bot.with_version(version);
        }
        let bot = bot.build().await.map_err(|error| error.to_string())?;
        let client = bot.client();
        // The supervisor alone connects again.
        client.enable_auto_reconnect.store(false, Ordering::Relaxed);
        Ok(Self { client, events, ended: bot.spawn() })
    }

    /// Says what is left to say, and writes what is left to write. Gives what was told and nobody has read.
    pub(crate) async fn close(mut self) -> Vec<Arc<Event>> {
        self.events.close();
        self.ended.shutdown().await;
        let mut unread = Vec::new();
        while let Some(event) = self.events.recv().await {
            unread.push(event);
        }
        unread
    }
}

/// One HTTP client for all sessions, whatever it is.
struct Shared(Arc<dyn HttpClient>);

#[async_trait]
impl HttpClient for Shared {
    async fn execute(&self, request: HttpRequest) -> whatsapp_rust::anyhow::Result<HttpResponse> {
        self.0.execute(request).await
    }
    fn supports_streaming(&self) -> bool {
        self.0.supports_streaming()
    }
    fn execute_streaming(&self, request: HttpRequest) -> whatsapp_rust::anyhow::Result<StreamingHttpResponse> {
        self.0.execute_streaming(request)
    }
    fn supports_upload_streaming(&self) -> bool {
        self.0.supports_upload_streaming()
    }
    fn execute_upload(
        &self,
        request: HttpRequest,
        body: UploadBody,
        content_length: u64,
    ) -> whatsapp_rust::anyhow::Result<HttpResponse> {
        self.0.execute_upload(request, body, content_length)
    }
    fn resource_report(&self) -> Option<HttpResourceReport> {
        self.0.resource_report()
    }
}

/// Takes nothing: messages that come while a device is only being linked or unlinked stay with WhatsApp.
pub(crate) struct TakeNothing;

#[async_trait]
impl InboundDurabilityHook for TakeNothing {
    async fn on_messages(
        &self,
        _client: Arc<Client>,
        _batch: &[whatsapp_rust::prelude::InboundMessage],
    ) -> whatsapp_rust::anyhow::Result<()> {
        Err(whatsapp_rust::anyhow::anyhow!("this session takes no messages"))
    }
}
