//! A connector whose phone does what it is told, and everything around it.

use std::collections::VecDeque;

use async_trait::async_trait;
use switchhook_core::connector::{
    Abilities, Connector, ConnectorContext, ConnectorError, Delivery, DeliveryError, Receipt,
};
use switchhook_core::id::GenerationNumber;
use switchhook_core::link::{LinkAttempt, LinkMethodName, LinkedDevice};
use switchhook_core::person::PersonId;
use switchhook_core::split::TextLimit;
use switchhook_core::time::UnixMillis;
use switchhook_pipeline::wiring::Wiring;
use switchhook_pipeline::{PipelineParts, Placement};
use switchhook_store::{Durability, Keyring, MasterKey, StoreOptions};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::*;
use crate::channels::Prepared;

/// What the phone does next. After the last step it hangs.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Tell(LinkEvent),
    /// Until the test says so.
    Wait,
    Linked(&'static str),
    Fail(LinkError),
}

pub(super) struct Phone {
    script: Mutex<Vec<Step>>,
    asked: watch::Sender<u32>,
    go: Semaphore,
    linked: Mutex<Option<LinkedDevice>>,
    expected: Mutex<Option<PersonId>>,
    goodbyes: Mutex<u32>,
    broken: Mutex<bool>,
}

impl Phone {
    fn new() -> Self {
        Self {
            script: Mutex::default(),
            asked: watch::Sender::new(0),
            go: Semaphore::new(0),
            linked: Mutex::default(),
            expected: Mutex::default(),
            goodbyes: Mutex::default(),
            broken: Mutex::default(),
        }
    }
    pub(super) fn go_on(&self) {
        self.go.add_permits(1);
    }
    pub(super) fn asked(&self) -> u32 {
        *self.asked.borrow()
    }
    pub(super) async fn until_asked(&self, times: u32) {
        self.asked.subscribe().wait_for(|asked| *asked >= times).await.unwrap();
    }
    pub(super) fn expect(&self, number: &str) {
        *self.expected.lock() = Some(PersonId::from_number(number).unwrap());
    }
    pub(super) fn link_to(&self, number: &str) {
        *self.linked.lock() = Some(device(number));
    }
    pub(super) fn call_owner(&self, name: &str) {
        self.linked.lock().as_mut().unwrap().name = Some(name.to_owned());
    }
    pub(super) fn linked_to(&self) -> Option<LinkedDevice> {
        self.linked.lock().clone()
    }
    pub(super) fn goodbyes(&self) -> u32 {
        *self.goodbyes.lock()
    }
    pub(super) fn break_connection(&self) {
        *self.broken.lock() = true;
    }
}

fn device(number: &str) -> LinkedDevice {
    LinkedDevice { owner: vec![PersonId::from_number(number).unwrap()], name: None, platform: None }
}

#[async_trait]
impl Connector for Phone {
    fn abilities(&self) -> Abilities {
        Abilities { text: TextLimit::Bytes(1), idempotent_send: true, typing_every: None, send_limits: None }
    }
    async fn run(&self, context: ConnectorContext) -> Result<(), ConnectorError> {
        if self.linked_to().is_none() {
            context.status.set(State::NeedsLink, Some("needs-link"), None);
            return Err(ConnectorError::NeedsPerson { code: "needs-link", reason: "link it".to_owned() });
        }
        if *self.broken.lock() {
            return Err(ConnectorError::Retry { code: "dropped", reason: "gone".to_owned() });
        }
        context.status.connected();
        context.drain.cancelled().await;
        Ok(())
    }
    async fn deliver(&self, _: &Delivery) -> Result<Receipt, DeliveryError> {
        Ok(Receipt::default())
    }
    fn linkable(&self) -> Option<&dyn Linkable> {
        Some(self)
    }
}

#[async_trait]
impl Linkable for Phone {
    fn expected(&self) -> Option<PersonId> {
        self.expected.lock().clone()
    }
    async fn linked(&self) -> Result<Option<LinkedDevice>, LinkError> {
        Ok(self.linked_to())
    }
    async fn link(&self, attempt: LinkAttempt) -> Result<LinkedDevice, LinkError> {
        assert_eq!(self.linked_to(), None, "an account that is linked is not linked again");
        self.asked.send_modify(|asked| *asked += 1);
        let mut steps: VecDeque<Step> = self.script.lock().clone().into();
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Tell(event) => drop(attempt.events.send(event).await),
                Step::Wait => self.go.acquire().await.unwrap().forget(),
                Step::Linked(number) => {
                    self.link_to(number);
                    return Ok(device(number));
                }
                Step::Fail(error) => return Err(error),
            }
        }
        std::future::pending().await
    }
    async fn passkey(&self, _: String) -> Result<(), LinkError> {
        Ok(())
    }
    async fn confirm_passkey(&self) -> Result<(), LinkError> {
        self.go_on();
        Ok(())
    }
    async fn picture(&self) -> Option<String> {
        Some("https://pictures.invalid/1".to_owned())
    }
    async fn unlink(&self) -> Result<(), LinkError> {
        *self.goodbyes.lock() += 1;
        *self.linked.lock() = None;
        Ok(())
    }
    async fn reset(&self) -> Result<(), LinkError> {
        *self.linked.lock() = None;
        Ok(())
    }
}

/// The test's time, which tokio holds.
struct Held(Instant);

impl Clock for Held {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_700_000_000_000).plus(self.0.elapsed())
    }
}

pub(super) fn request(method: LinkMethodName, number: Option<&str>) -> LinkRequest {
    LinkRequest { method, number: number.map(str::to_owned), confirm: false }
}

pub(super) struct Bench {
    pub(super) phone: Arc<Phone>,
    pub(super) links: Arc<Links>,
    pub(super) store: Store,
    pub(super) channel: ChannelName,
    pub(super) account: AccountId,
    clock: Arc<dyn Clock>,
    channels: Arc<Channels>,
    pipeline: Pipeline,
    /// While it is held, tokio does not move its clock by itself.
    _still: std::sync::mpsc::Sender<()>,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let (still, held) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || held.recv());
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(Held(Instant::now()));
        let (store, _) = Store::open(StoreOptions {
            dir: folder.path().to_owned(),
            keys: Keyring { current: MasterKey::from_bytes([1; 32]), old: Vec::new() },
            durability: Durability::Process,
            network_fs: Some(false),
            clock: clock.clone(),
        })
        .unwrap();
        let registry = Arc::new(Registry::open(store.clone(), clock.clone()).await.unwrap());
        let channels = Arc::new(Channels::new(registry.clone()));
        let here = tokio::runtime::Handle::current();
        let steps = here.clone();
        let anywhere: Placement = Arc::new(move || steps.clone());
        let parts = PipelineParts {
            store: store.clone(),
            clock: clock.clone(),
            carriers: channels.clone(),
            lanes: anywhere.clone(),
            calls: anywhere,
            network: here,
        };
        let pipeline = Pipeline::new(parts, Wiring::new(GenerationNumber(0), []));
        let phone = Arc::new(Phone::new());
        let (channel, account) = (ChannelName::new("mine").unwrap(), AccountId::new("phone", "mine"));
        let prepared = Prepared {
            name: channel.clone(),
            account: account.clone(),
            connector: phone.clone(),
            id_prefix: "wa",
            max_reconnect_attempts: 5,
        };
        channels.enlist(prepared, &clock);
        channels.launch(&account, &pipeline);
        let parts = parts_of(&store, &clock, &channels, &pipeline, registry);
        let links = Arc::new(Links::open(parts).await.unwrap());
        let bench =
            Self { phone, links, store, channel, account, clock, channels, pipeline, _still: still, _folder: folder };
        bench.status_is(State::NeedsLink).await;
        bench
    }

    /// What a host that starts on this store makes of it.
    pub(super) async fn open_again(&self) -> Links {
        let registry = Arc::new(Registry::open(self.store.clone(), self.clock.clone()).await.unwrap());
        let parts = parts_of(&self.store, &self.clock, &self.channels, &self.pipeline, registry);
        Links::open(parts).await.unwrap()
    }

    pub(super) fn script(&self, steps: impl IntoIterator<Item = Step>) {
        *self.phone.script.lock() = steps.into_iter().collect();
    }
    pub(super) async fn start(&self, request: LinkRequest) -> Result<Begun, LinkRefusal> {
        self.links.start(&self.channel, &self.account, &request, caller(), 5).await
    }
    pub(super) async fn cancel(&self) -> Result<Attempt, LinkRefusal> {
        // The phone never ends by itself: the grace it is given must pass.
        let caller = caller();
        let cancelling = self.links.cancel(&self.channel, &self.account, &caller);
        tokio::pin!(cancelling);
        loop {
            tokio::select! {
                done = &mut cancelling => return done,
                () = tokio::task::yield_now() => tokio::time::advance(SECOND).await,
            }
        }
    }
    pub(super) async fn unlink(&self) -> Result<Device, LinkRefusal> {
        self.links.unlink(&self.channel, &self.account, &caller()).await
    }
    pub(super) async fn reset(&self) -> Result<Device, LinkRefusal> {
        self.links.reset(&self.channel, &self.account, &caller()).await
    }
    pub(super) async fn refresh(&self) -> Result<Device, LinkRefusal> {
        self.links.refresh(&self.channel, &self.account, &caller()).await
    }
    pub(super) async fn passkey(&self) -> Result<Attempt, LinkRefusal> {
        self.links.passkey(&self.channel, &self.account, &serde_json::json!({ "rawId": "AQID" })).await
    }
    pub(super) async fn confirm_passkey(&self) -> Result<Attempt, LinkRefusal> {
        self.links.confirm_passkey(&self.channel, &self.account).await
    }
    pub(super) fn qr(&self) -> Result<ShownQr, LinkRefusal> {
        self.links.qr(&self.channel, &self.account)
    }
    pub(super) fn device(&self) -> Device {
        self.links.registry.device(&self.channels.seat(&self.account).unwrap())
    }
    pub(super) async fn device_in_detail(&self) -> Device {
        self.links.device(&self.channel, &self.account).await.unwrap()
    }
    pub(super) async fn attempt(&self) -> Attempt {
        self.links.attempt(&self.channel, &self.account).await.unwrap()
    }

    /// The attempt as soon as it is like this.
    pub(super) async fn until(&self, like: impl Fn(&Attempt) -> bool) -> Attempt {
        loop {
            let attempt = self.attempt().await;
            if like(&attempt) {
                return attempt;
            }
            tokio::task::yield_now().await;
        }
    }
    pub(super) async fn status_is(&self, state: State) {
        let status = self.channels.seat(&self.account).unwrap().status;
        status.subscribe().wait_for(|status| status.state == state).await.unwrap();
    }
    /// Linked, connected and remembered.
    pub(super) async fn connect_as(&self, number: &str) {
        self.phone.link_to(number);
        self.refresh().await.unwrap();
        self.status_is(State::Connected).await;
        while !self.device().active {
            tokio::task::yield_now().await;
        }
    }
    /// The newest first.
    pub(super) async fn audit(&self) -> Vec<String> {
        self.store.audits(20).await.unwrap().into_iter().map(|entry| entry.act).collect()
    }
}

fn caller() -> Caller {
    Caller { actor: "tester".to_owned(), address: Some("127.0.0.1".to_owned()), user_agent: None }
}

fn parts_of(
    store: &Store,
    clock: &Arc<dyn Clock>,
    channels: &Arc<Channels>,
    pipeline: &Pipeline,
    registry: Arc<Registry>,
) -> LinksParts {
    LinksParts {
        store: store.clone(),
        clock: clock.clone(),
        channels: channels.clone(),
        pipeline: pipeline.clone(),
        registry,
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
    }
}
