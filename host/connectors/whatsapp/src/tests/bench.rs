//! What the cases share: a fake, a store, a connector, and an inbox that tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use switchhook_core::action::Action;
use switchhook_core::connector::{
    Connector, ConnectorContext, ConnectorError, Delivery, DeliveryError, Inbox, InboxError, Receipt, StatusReporter,
};
use switchhook_core::id::{AccountId, ChannelName, OutboxId};
use switchhook_core::message::Inbound;
use switchhook_core::status::State;
use switchhook_core::time::SystemClock;
use switchhook_fake_whatsapp::{Fake, Options};
use switchhook_store::{Durability, Keyring, MasterKey, Store, StoreOptions};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use whatsapp_rust::http::UreqHttpClient;
use whatsapp_rust::traits::DeviceStore;
use whatsapp_rust::wacore::store::{CachedNoiseCert, CachedServerCertChain, Device};
use whatsapp_rust::waproto::buffa::Message as _;
use whatsapp_rust::waproto::whatsapp as wa;

use crate::backend::SealedBackend;
use crate::connector::WhatsApp;
use crate::kind::{KIND, Settings};

pub(super) const ME: &str = "15550001111";
pub(super) const PEER: &str = "15550002222";
/// For whatever must happen; on a busy machine it takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Bench {
    _dir: tempfile::TempDir,
    control: String,
    http: reqwest::Client,
    pub(super) connector: Arc<WhatsApp>,
    pub(super) inbox: Arc<Heard>,
}

impl Bench {
    /// With a device that is linked.
    pub(super) async fn start() -> Self {
        let bench = Self::unlinked().await;
        bench.tell("accounts", json!({ "number": ME, "name": "Me" })).await;
        bench.tell("contacts", json!({ "number": PEER, "name": "Peer" })).await;
        bench.seed().await;
        bench
    }

    pub(super) async fn unlinked() -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let fake = Fake::open(Options { listen: any, control: any, ledger: None }).await.unwrap();
        let (url, control) = (fake.url(), fake.control_url());
        tokio::spawn(fake.run());
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(StoreOptions {
            dir: dir.path().to_owned(),
            keys: Keyring { current: MasterKey::from_bytes([1; 32]), old: Vec::new() },
            durability: Durability::Process,
            network_fs: Some(false),
            clock: Arc::new(SystemClock),
        })
        .unwrap();
        let settings = Settings {
            number: None,
            device_name: "Test".to_owned(),
            version: Some((2, 3000, 1_026_131_876)),
            ws_url: Some(url),
        };
        let (channel, account) = (ChannelName::new("wa").unwrap(), AccountId::new(KIND, "wa"));
        let connector = WhatsApp::new(channel, account, settings, store, Arc::new(UreqHttpClient::new()));
        let (connector, inbox) = (Arc::new(connector), Arc::new(Heard::new()));
        Self { _dir: dir, control, http: reqwest::Client::new(), connector, inbox }
    }

    /// Writes a device as pairing would have left it, with the fake's key for the server's.
    async fn seed(&self) {
        let mut device = Device::new();
        let identity = hex::encode(device.identity_key.public_key.public_key_bytes());
        let seeded = self.tell("seed", json!({ "account": ME, "identity": identity })).await;
        let field = |name: &str| seeded[name].as_str().unwrap().to_owned();
        device.pn = Some(field("jid").parse().unwrap());
        device.lid = Some(field("lid").parse().unwrap());
        device.push_name = "Me".to_owned();
        let signed = hex::decode(field("account")).unwrap();
        device.account = Some(Arc::new(wa::ADVSignedDeviceIdentity::decode_from_slice(&signed).unwrap()));
        let pinned = |key| CachedNoiseCert { key, not_before: 1, not_after: 4_000_000_000 };
        let key: [u8; 32] = hex::decode(field("server_key")).unwrap().try_into().unwrap();
        device.server_cert_chain = Some(CachedServerCertChain { intermediate: pinned([7; 32]), leaf: pinned(key) });
        SealedBackend::new(self.connector.states()).save(&device).await.unwrap();
    }

    pub(super) async fn tell(&self, command: &str, body: Value) -> Value {
        let url = format!("{}/_control/{command}", self.control);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{command}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(super) async fn write(&self, text: &str, name: &str) -> String {
        self.say(json!({ "text": text, "as": name })).await
    }

    /// The peer writes; returns the id.
    pub(super) async fn say(&self, mut body: Value) -> String {
        body["account"] = ME.into();
        body["from"] = PEER.into();
        self.tell("write", body).await["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn ledger(&self, event: &str, text: &str) -> Value {
        self.wait_for(|entry| entry["event"] == event && entry["text"] == text).await
    }

    pub(super) async fn wait_for(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let search = async {
            loop {
                let ledger = self.get("ledger").await;
                if let Some(entry) = ledger["entries"].as_array().unwrap().iter().find(|entry| fits(entry)) {
                    return entry.clone();
                }
                // Answers when there is one entry more than we have seen.
                let seen = ledger["entries"].as_array().unwrap().len();
                self.get(&format!("wait?at_least={}", seen + 1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("the ledger tells of it")
    }

    async fn get(&self, query: &str) -> Value {
        let answer = self.http.get(format!("{}/_control/{query}", self.control)).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    pub(super) async fn deliver(
        &self,
        key: &str,
        action: Action,
        answers: Option<&str>,
    ) -> Result<Receipt, DeliveryError> {
        let delivery = Delivery {
            id: OutboxId(1),
            attempt: 1,
            chat: format!("{PEER}@s.whatsapp.net"),
            thread: None,
            action,
            answers: answers.map(str::to_owned),
            idempotency_key: key.to_owned(),
        };
        self.connector.deliver(&delivery).await
    }

    pub(super) fn begin(&self) -> Run {
        let status = StatusReporter::new(Arc::new(SystemClock));
        let drain = CancellationToken::new();
        let context = ConnectorContext { inbox: self.inbox.clone(), status: status.clone(), drain: drain.clone() };
        let connector = self.connector.clone();
        let task = tokio::spawn(async move { connector.run(context).await });
        Run { status, drain, task }
    }

    /// Runs until connected, and others can write to the device.
    pub(super) async fn run(&self) -> Run {
        let run = self.begin();
        let mut status = run.status.subscribe();
        let connected = status.wait_for(|status| status.state == State::Connected);
        tokio::time::timeout(PATIENCE, connected).await.expect("it connects").unwrap();
        self.wait_for(|entry| entry["event"] == "prekeys").await;
        run
    }
}

pub(super) struct Run {
    pub(super) status: StatusReporter,
    drain: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), ConnectorError>>,
}

impl Run {
    pub(super) async fn stop(self) -> Result<(), ConnectorError> {
        self.drain.cancel();
        self.end().await
    }
    pub(super) async fn end(self) -> Result<(), ConnectorError> {
        tokio::time::timeout(PATIENCE, self.task).await.expect("the run ends").unwrap()
    }
}

/// More than any case writes.
const MESSAGES: usize = 256;

/// An inbox that keeps nothing and says everything.
pub(super) struct Heard {
    sender: mpsc::Sender<Inbound>,
    receiver: Mutex<mpsc::Receiver<Inbound>>,
    refusing: AtomicBool,
}

impl Heard {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel(MESSAGES);
        Self { sender, receiver: Mutex::new(receiver), refusing: AtomicBool::new(false) }
    }
    pub(super) fn refuse_one(&self) {
        self.refusing.store(true, Ordering::SeqCst);
    }
    pub(super) async fn next(&self) -> Inbound {
        let mut receiver = self.receiver.lock().await;
        tokio::time::timeout(PATIENCE, receiver.recv()).await.expect("a message comes in").unwrap()
    }
}

#[async_trait]
impl Inbox for Heard {
    async fn accept(&self, batch: Vec<Inbound>) -> Result<(), InboxError> {
        if self.refusing.swap(false, Ordering::SeqCst) {
            return Err(InboxError::Failed { reason: "the disk is full".to_owned() });
        }
        for inbound in batch {
            self.sender.try_send(inbound).expect("a case looks at what it has written");
        }
        Ok(())
    }
}
