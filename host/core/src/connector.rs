//! Who carries messages in and out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::action::Action;
use crate::id::OutboxId;
use crate::kind::ChannelSettings;
use crate::link::Linkable;
use crate::message::{Chat, Inbound};
use crate::split::TextLimit;
use crate::status::{State, Status};
use crate::time::{Clock, UnixMillis};

/// Where a connector puts what it received.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Returns when all of it is on disk: only then may the provider be told so. A redelivery is a success. Waits while
    /// the account has too much in its journal; an error means that nothing of the batch may be acknowledged.
    async fn accept(&self, batch: Vec<Inbound>) -> Result<(), InboxError>;
    /// What the account's owner wrote elsewhere, such as on the phone: for the log alone, nobody decides about it. As
    /// [`Inbox::accept`], it returns when it is on disk, and a redelivery is a success.
    async fn note_own(&self, _batch: Vec<Inbound>) -> Result<(), InboxError> {
        Ok(())
    }
    /// Messages of the account came further. May be told again, and of messages that nobody here knows; never waited for.
    async fn progressed(&self, _progress: Progress) {}
}

/// How far messages came, by the provider's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The provider's ids, as in [`Receipt::provider_id`]: unlike any other of the account, and known to nobody who was
    /// not sent the message.
    pub ids: Vec<String>,
    pub stage: Stage,
    pub at: UnixMillis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A device of the receiver's has it; of a group, one of somebody's.
    Delivered,
    /// Somebody opened it.
    Read,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InboxError {
    /// The journal of the account is full and did not drain in time: refuse (503, disconnect) and try again.
    #[error("the journal of this account is full; try again in {retry_after:?}")]
    Full { retry_after: Duration },
    #[error("the journal can't be written: {reason}")]
    Failed { reason: String },
}

/// One action on its way out.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub id: OutboxId,
    /// 1 for the first try.
    pub attempt: u32,
    /// The chat the action belongs to; an `Outgoing::to` is resolved already.
    pub chat: String,
    pub thread: Option<String>,
    pub action: Action,
    /// The message being answered, by the provider's id.
    pub answers: Option<String>,
    /// The same for every attempt of this delivery, for providers that take a key of ours.
    pub idempotency_key: String,
}

/// The provider's word that it has the action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's id of the message sent, where it gives one.
    pub provider_id: Option<String>,
}

/// Why a delivery has no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It certainly did not happen, and may later.
    #[error("not delivered, will be tried again: {reason}")]
    Retry { reason: String, after: Option<Duration> },
    /// Bytes may have left, and no definitive answer came.
    #[error("it is unknown whether it was delivered: {reason}")]
    Unknown { reason: String },
    /// The provider refused it for good.
    #[error("refused ({code}): {reason}")]
    Rejected { code: String, reason: String },
}

/// Why a connector stopped, and so what the supervisor does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// Tried again after 1, 2, 4, 8, 16, then every 30 seconds.
    #[error("{reason}")]
    Retry { code: &'static str, reason: String },
    #[error("{reason}; waiting {wait:?}")]
    WaitFor { code: &'static str, reason: String, wait: Duration },
    /// Only a person can mend it; nothing is tried until the config or the link changes.
    #[error("{reason}")]
    NeedsPerson { code: &'static str, reason: String },
}

/// How a connector tells its status. Cheap to clone.
#[derive(Clone)]
pub struct StatusReporter {
    watch: Arc<watch::Sender<Status>>,
    clock: Arc<dyn Clock>,
}

impl StatusReporter {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let status = Status::new(State::Connecting, clock.now());
        Self { watch: Arc::new(watch::Sender::new(status)), clock }
    }
    /// Takes over what is known from before this process, where it is newer than nothing.
    pub fn recall(&self, last_connected: Option<UnixMillis>, last_disconnected: Option<UnixMillis>) {
        self.touch(|s, _| {
            s.last_connected = s.last_connected.or(last_connected);
            s.last_disconnected = s.last_disconnected.or(last_disconnected);
        });
    }
    pub fn subscribe(&self) -> watch::Receiver<Status> {
        self.watch.subscribe()
    }
    pub fn get(&self) -> Status {
        self.watch.borrow().clone()
    }
    /// The connection stands: authenticated and receiving. Counts once for each connection made.
    pub fn connected(&self) {
        let now = self.clock.now();
        self.watch.send_if_modified(|s| {
            if s.state == State::Connected {
                return false;
            }
            *s = Status {
                connections: s.connections + 1,
                last_inbound: s.last_inbound,
                last_outbound: s.last_outbound,
                last_connected: Some(now),
                last_disconnected: s.last_disconnected,
                ..Status::new(State::Connected, now)
            };
            true
        });
    }
    /// Anything else; `code` is for scripts, `detail` for a person.
    pub fn set(&self, state: State, code: Option<&str>, detail: Option<String>) {
        let now = self.clock.now();
        self.watch.send_if_modified(|s| {
            let code = code.map(str::to_owned);
            if s.state == state && s.code == code && s.detail == detail {
                return false;
            }
            if s.state == State::Connected && state != State::Connected {
                s.last_disconnected = Some(now);
            }
            if s.state != state {
                s.since = now;
            }
            (s.state, s.code, s.detail) = (state, code, detail);
            true
        });
    }
    pub fn failures(&self, in_a_row: u32) {
        self.watch.send_modify(|s| s.failures = in_a_row);
    }
    pub fn inbound(&self) {
        self.touch(|s, now| s.last_inbound = Some(now));
    }
    pub fn outbound(&self) {
        self.touch(|s, now| s.last_outbound = Some(now));
    }
    fn touch(&self, set: impl FnOnce(&mut Status, UnixMillis)) {
        let now = self.clock.now();
        // Not worth waking a watcher for: it changes with every message.
        self.watch.send_if_modified(|s| {
            set(s, now);
            false
        });
    }
}

/// What a running connector is given.
#[derive(Clone)]
pub struct ConnectorContext {
    pub inbox: Arc<dyn Inbox>,
    pub status: StatusReporter,
    /// Cancelled when intake is to stop: finish what was received, close, return `Ok`.
    pub drain: CancellationToken,
}

/// What a connector can and can't carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// The longest text of one message.
    pub text: TextLimit,
    /// Whether a delivery tried twice with the same key arrives once.
    pub idempotent_send: bool,
    /// How often a typing notice must be renewed; none where there is none.
    pub typing_every: Option<Duration>,
    /// Published sending limits; none where there are none.
    pub send_limits: Option<SendLimits>,
}

/// Token buckets: `burst` at once, then one each `every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    pub burst: u32,
    pub every: Duration,
}

/// What a provider publishes as its limits, or what a careful person keeps to where it publishes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendLimits {
    pub account: Bucket,
    pub direct_chat: Bucket,
    pub group_chat: Bucket,
    /// Messages of the account in any 60 seconds; the buckets space them out besides.
    pub per_minute: Option<u32>,
    /// Messages of the account from midnight to midnight.
    pub per_day: Option<u32>,
}

/// A native connector: the only code that knows a provider's format, sockets and credentials. It knows nothing of the
/// pipeline, retries no connection by itself and runs until drained.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    fn abilities(&self) -> Abilities;
    /// Connects and receives until drained (`Ok`) or in trouble. May be called again after an error.
    async fn run(&self, context: ConnectorContext) -> Result<(), ConnectorError>;
    /// Carries one action out. Called while `run` is running, for several chats at once and for one chat in order.
    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError>;
    /// Whether a delivery, or a notice that one will come, is a call of its own, over a connection of whatever runtime makes it. Else it goes over what `run`
    /// holds, and is made on the runtime of that.
    fn delivers_by_calls(&self) -> bool {
        false
    }
    /// The chat that somebody means who names one to write to, under the id that messages from there have; none where
    /// it names none, and where nobody can be written to who has not written first.
    async fn chat(&self, _named: &str) -> Option<Chat> {
        None
    }
    /// Whether anybody can be written to there; none where that can't be found out now.
    async fn is_reachable(&self, _chat: &Chat) -> Option<bool> {
        None
    }
    /// Shows that an answer is being made. Best effort.
    async fn typing(&self, _chat: &Chat) {}
    /// The bytes of a received attachment: at most `length` from `offset`.
    async fn attachment(&self, _handle: &str, _offset: u64, _length: u32) -> Option<Vec<u8>> {
        None
    }
    /// Takes over settings that are not identity, without touching the connection.
    async fn update(&self, _settings: ChannelSettings) {}
    /// Where the account is a device that is linked to a phone: how that is done.
    fn linkable(&self) -> Option<&dyn Linkable> {
        None
    }
}
