//! A pipeline on a workbench.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use switchhook_core::action::Action;
use switchhook_core::connector::{
    Abilities, Connector, ConnectorContext, ConnectorError, Delivery, DeliveryError, Receipt,
};
use switchhook_core::hook::{HookFailure, Outcome, Verdict};
use switchhook_core::id::{AccountId, ChannelName, InboxId};
use switchhook_core::message::{Chat, ChatKind, Content, Inbound, Message, Party, Standing};
use switchhook_core::model::{Completion, FinishReason, LanguageModel, ModelError, ModelRequest, Usage};
use switchhook_core::person::PersonId;
use switchhook_core::split::TextLimit;
use switchhook_core::time::{Clock, SystemClock, UnixMillis};
use switchhook_pipeline::wiring::{Limits, OnFailure, OnUnknown, WhileBusy};
use switchhook_pipeline::{Carriers, Pipeline, PipelineParts, Placement};
use switchhook_store::{
    DeliveryState, Durability, InboxState, Keyring, MasterKey, Store, StoreOptions, StoredDelivery, StoredMessage,
};
use tempfile::TempDir;
use tokio::runtime;
use tokio::sync::Semaphore;

use crate::wired::wiring;

fn always(runtime: &runtime::Handle) -> Placement {
    let runtime = runtime.clone();
    Arc::new(move || runtime.clone())
}

/// One runtime for everything, but for calls where they have one of their own.
fn parts(store: &Store, clock: &Arc<Ahead>, ledger: &Arc<Ledger>, calls: Option<&runtime::Handle>) -> PipelineParts {
    let here = runtime::Handle::current();
    PipelineParts {
        store: store.clone(),
        clock: clock.clone(),
        carriers: Arc::new(OneCarrier(ledger.clone())),
        lanes: always(&here),
        calls: always(calls.unwrap_or(&here)),
        network: here,
    }
}

pub(crate) fn account() -> AccountId {
    AccountId::new("test", "1")
}

/// A decision as a closure.
pub(crate) type Decide = Box<dyn Fn(&Message) -> Result<Verdict, HookFailure> + Send + Sync>;

pub(crate) type Handle = Box<dyn Fn(&Message) -> Result<Outcome, HookFailure> + Send + Sync>;

/// A model that answers when it is let.
pub(crate) struct GatedModel {
    pub(crate) gate: Semaphore,
    pub(crate) asked: Mutex<Vec<String>>,
    /// On which runtime, each time.
    pub(crate) asked_on: Mutex<Vec<runtime::Id>>,
}

#[async_trait]
impl LanguageModel for GatedModel {
    async fn complete(&self, request: &ModelRequest) -> Result<Completion, ModelError> {
        let text = request.messages[0].text.clone();
        self.asked_on.lock().push(runtime::Handle::current().id());
        self.asked.lock().push(text.clone());
        self.gate.acquire().await.expect("the gate stays").forget();
        if text.contains("fail") {
            return Err(ModelError::Unavailable { reason: "it was told to fail".into(), retry_after: None });
        }
        let (usage, finish) = (Usage::default(), FinishReason::Stop);
        Ok(Completion { text: format!("re: {text}"), tool_calls: vec![], finish, model: "m".into(), usage })
    }
}

/// What a delivery is answered with; `Ok` where the list is empty.
type Answers = Mutex<Vec<Result<Receipt, DeliveryError>>>;

pub(crate) struct Ledger {
    pub(crate) sent: Mutex<Vec<(String, Action)>>,
    /// When each of them was.
    pub(crate) times: Mutex<Vec<tokio::time::Instant>>,
    pub(crate) answers: Answers,
    /// Deliveries that came to the gate.
    pub(crate) reached: AtomicUsize,
    /// Deliveries wait here while it has no permit.
    pub(crate) gate: Semaphore,
    pub(crate) idempotent: bool,
    /// There is no connector: what goes out stays in the journal.
    pub(crate) absent: AtomicBool,
    /// Notices that an answer is being made.
    pub(crate) notices: AtomicUsize,
    pub(crate) by_calls: bool,
    /// On which runtime each delivery was made.
    pub(crate) delivered_on: Mutex<Vec<runtime::Id>>,
}

impl Ledger {
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |(_, action): &(String, Action)| match action {
            Action::Send(o) => Some(o.text.clone()),
            _ => None,
        };
        self.sent.lock().iter().filter_map(text).collect()
    }
}

impl Ledger {
    /// What each chat got, in order.
    pub(crate) fn by_chat(&self) -> HashMap<String, Vec<String>> {
        let mut chats: HashMap<String, Vec<String>> = HashMap::new();
        for (chat, action) in self.sent.lock().iter() {
            if let Action::Send(outgoing) = action {
                chats.entry(chat.clone()).or_default().push(outgoing.text.clone());
            }
        }
        chats
    }
}

#[async_trait]
impl Connector for Ledger {
    fn abilities(&self) -> Abilities {
        Abilities {
            text: TextLimit::Bytes(20),
            idempotent_send: self.idempotent,
            typing_every: Some(Duration::from_secs(4)),
            send_limits: None,
        }
    }
    async fn run(&self, _: ConnectorContext) -> Result<(), ConnectorError> {
        Ok(())
    }
    fn delivers_by_calls(&self) -> bool {
        self.by_calls
    }
    async fn typing(&self, _: &Chat) {
        self.notices.fetch_add(1, Ordering::SeqCst);
    }
    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        self.delivered_on.lock().push(runtime::Handle::current().id());
        self.reached.fetch_add(1, Ordering::SeqCst);
        let _permit = self.gate.acquire().await.expect("the gate stays");
        let answer = self.answers.lock().pop().unwrap_or_else(|| Ok(Receipt::default()));
        if !matches!(answer, Err(DeliveryError::Retry { .. })) {
            self.sent.lock().push((delivery.chat.clone(), delivery.action.clone()));
            self.times.lock().push(tokio::time::Instant::now());
        }
        answer
    }
}

struct OneCarrier(Arc<Ledger>);

impl Carriers for OneCarrier {
    fn connector(&self, _: &AccountId) -> Option<Arc<dyn Connector>> {
        (!self.0.absent.load(Ordering::SeqCst)).then(|| self.0.clone() as Arc<dyn Connector>)
    }
}

/// What a bench is built with.
pub(crate) struct Setup {
    pub(crate) policies: Vec<Decide>,
    pub(crate) replies: Vec<Handle>,
    /// Further routes, each with one policy.
    pub(crate) routes: Vec<(&'static str, Decide)>,
    pub(crate) while_busy: WhileBusy,
    pub(crate) on_failure: OnFailure,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) may_send_to: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) time_zone: &'static str,
    pub(crate) fingerprint: &'static str,
    /// Where calls are made while few lanes are at work; none means where everything else is.
    pub(crate) calls: Option<runtime::Handle>,
    /// Whether deliveries are calls.
    pub(crate) delivers_by_calls: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            policies: vec![pass()],
            replies: vec![],
            routes: vec![],
            while_busy: WhileBusy::Queue,
            on_failure: OnFailure::Apologise,
            on_unknown: OnUnknown::Resend,
            may_send_to: vec![],
            limits: Limits::default(),
            time_zone: "UTC",
            fingerprint: "one",
            calls: None,
            delivers_by_calls: false,
        }
    }
}

pub(crate) fn pass() -> Decide {
    Box::new(|_| Ok(Verdict::Pass))
}

/// The machine's clock, moved ahead at will.
#[derive(Default)]
pub(crate) struct Ahead(std::sync::atomic::AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> UnixMillis {
        UnixMillis(SystemClock.now().0.wrapping_add(self.0.load(Ordering::SeqCst)))
    }
}

impl Ahead {
    pub(crate) fn by(&self, time: Duration) {
        self.0.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }
    pub(crate) fn back(&self, time: Duration) {
        self.0.fetch_sub(time.as_millis() as u64, Ordering::SeqCst);
    }
}

pub(crate) struct Bench {
    pub(crate) clock: Arc<Ahead>,
    pub(crate) pipeline: Pipeline,
    pub(crate) store: Store,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) model: Arc<GatedModel>,
    written: AtomicUsize,
    pub(crate) folder: TempDir,
}

impl Bench {
    pub(crate) fn new(setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(Ahead::default());
        let (store, _) = Store::open(StoreOptions {
            dir: folder.path().to_owned(),
            keys: Keyring { current: MasterKey::from_bytes([7; 32]), old: Vec::new() },
            durability: Durability::Process,
            network_fs: Some(false),
            clock: clock.clone(),
        })
        .expect("a store");
        let gate = || Semaphore::new(Semaphore::MAX_PERMITS >> 1);
        let ledger = Arc::new(Ledger {
            sent: Mutex::default(),
            times: Mutex::default(),
            answers: Mutex::default(),
            reached: AtomicUsize::new(0),
            gate: gate(),
            idempotent: false,
            absent: AtomicBool::new(false),
            notices: AtomicUsize::new(0),
            by_calls: setup.delivers_by_calls,
            delivered_on: Mutex::default(),
        });
        let model = Arc::new(GatedModel { gate: gate(), asked: Mutex::default(), asked_on: Mutex::default() });
        let parts = parts(&store, &clock, &ledger, setup.calls.as_ref());
        let pipeline = Pipeline::new(parts, wiring(1, setup, &ledger, &model));
        Self { clock, pipeline, store, ledger, model, written: AtomicUsize::new(0), folder }
    }

    /// Another run over the same journal, with a model of its own, as a start after a kill would be.
    pub(crate) fn again(&self, setup: Setup) -> Pipeline {
        let gate = Semaphore::new(Semaphore::MAX_PERMITS >> 1);
        let model = Arc::new(GatedModel { gate, asked: Mutex::default(), asked_on: Mutex::default() });
        let parts = parts(&self.store, &self.clock, &self.ledger, None);
        Pipeline::new(parts, wiring(1, setup, &self.ledger, &model))
    }

    /// Puts another generation in force.
    pub(crate) fn publish(&self, setup: Setup) {
        self.pipeline.publish(wiring(2, setup, &self.ledger, &self.model));
    }

    /// Nobody is answered by the model until `let_model`.
    pub(crate) fn hold_model(&self) {
        self.model.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn let_model(&self, answers: usize) {
        self.model.gate.add_permits(answers);
    }

    pub(crate) fn hold_wire(&self) {
        self.ledger.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn let_wire(&self) {
        self.ledger.gate.add_permits(1000);
    }

    /// Somebody writes; the id in the journal is the count of messages so far.
    pub(crate) async fn write(&self, from: &str, text: &str) -> InboxId {
        let n = self.written.fetch_add(1, Ordering::SeqCst) + 1;
        let mut inbound = inbound(from, text, n);
        inbound.message.sent_at = self.clock.now();
        self.pipeline.inbox(&account()).accept(vec![inbound]).await.expect("it is accepted");
        InboxId(n as i64)
    }

    pub(crate) async fn settled(&self, id: InboxId) -> StoredMessage {
        until("the message is settled", async || {
            let stored = self.store.load(id).await.expect("it can be read").expect("it is there");
            (stored.state != InboxState::Pending).then_some(stored)
        })
        .await
    }

    /// The delivery of a message, once it is in this state.
    pub(crate) async fn delivery(&self, id: InboxId, state: DeliveryState) -> StoredDelivery {
        until(&format!("a delivery is {state:?}"), async || {
            let rows = self.store.deliveries_of(id).await.expect("it can be read");
            rows.into_iter().find(|row| row.state == state)
        })
        .await
    }

    pub(crate) async fn sent(&self, count: usize) -> Vec<String> {
        until(&format!("{count} texts are sent"), async || {
            let texts = self.ledger.texts();
            (texts.len() >= count).then_some(texts)
        })
        .await
    }

    /// Waits until nothing waits to go out.
    pub(crate) async fn delivered(&self) {
        until("everything has left", async || {
            let open = [DeliveryState::Ready, DeliveryState::Armed, DeliveryState::Unknown];
            let open = self.store.list_deliveries(&open, 1).await.expect("it can be read");
            open.is_empty().then_some(())
        })
        .await;
    }

    pub(crate) async fn asked(&self, count: usize) -> Vec<String> {
        until(&format!("the model is asked {count} times"), async || {
            let asked = self.model.asked.lock().clone();
            (asked.len() >= count).then_some(asked)
        })
        .await
    }
}

pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "still waiting: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) fn inbound(from: &str, text: &str, n: usize) -> Inbound {
    let sender = Party { id: PersonId::new("t", from), aliases: vec![], name: None, standing: Standing::Unknown };
    let message = Message {
        id: format!("p{n}"),
        channel: ChannelName::new("c").expect("a name"),
        connector: "test".into(),
        account: account(),
        chat: Chat { id: format!("chat-{from}"), kind: ChatKind::Direct, title: None, thread: None },
        sender,
        content: Content::Text(text.into()),
        attachments: vec![],
        mentions_me: true,
        quoted: None,
        sent_at: SystemClock.now(),
        extra: vec![],
    };
    Inbound { dedupe_key: format!("k{n}"), message, unresolved: None }
}
