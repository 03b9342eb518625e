//! The life of an attempt: make room, show, wait for the phone, keep what came of it, and let the channel run again.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use switchhook_core::code::ErrorCode;
use switchhook_core::connector::StatusReporter;
use switchhook_core::link::{LinkAttempt, LinkError, LinkEvent, LinkMethod, LinkStatus, Linkable, LinkedDevice};
use switchhook_core::status::State;
use switchhook_store::{EndedBy, LinkRecord};
use tokio::sync::{OwnedMutexGuard, mpsc};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::channels::Seat;
use crate::link::audit::{Act, Caller};
use crate::link::live::Live;
use crate::link::retry::Retries;
use crate::link::{Links, failure};

/// An attempt ends after this, unless the phone has agreed by then (B3).
pub(crate) const ATTEMPT: Duration = Duration::from_secs(300);
/// Batches of QR codes in one attempt (B9).
const BATCHES: u32 = 3;
/// Something to show is there within this, or the attempt has failed: a code above all (E3).
const SHOW: Duration = Duration::from_secs(20);
/// From the phone's word to a device that is kept; WhatsApp takes a few seconds.
const PAIRING: Duration = Duration::from_secs(120);
/// A cancelled attempt may tidy up for this long; then it is dropped, which is as good.
const GRACE: Duration = Duration::from_secs(5);
/// The first login of a new device, which counts as its first sync.
const FIRST_LOGIN: Duration = Duration::from_secs(60);
/// Events between the connector and us: a person reads the one shown, not a backlog.
const EVENTS: usize = 4;

/// What stands in the way of an attempt, and how it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clearing {
    Nothing,
    /// Credentials that no phone knows any more, or of another number (E1).
    Forget(&'static str),
    /// A link that stands, given up by whoever asks.
    Unlink,
}

/// One attempt and all it needs.
pub(crate) struct Worker {
    pub(crate) links: Arc<Links>,
    pub(crate) seat: Seat,
    pub(crate) live: Arc<Live>,
    pub(crate) method: LinkMethod,
    pub(crate) clearing: Clearing,
    pub(crate) caller: Caller,
    pub(crate) deadline: Instant,
}

impl Worker {
    /// Works until the attempt is over and the channel runs again.
    pub(crate) async fn run(self, turn: Arc<tokio::sync::Mutex<()>>) {
        let turn = tokio::select! {
            turn = turn.lock_owned() => turn,
            () = self.live.cancel.cancelled() => return self.end(LinkError::Cancelled).await,
        };
        match self.link().await {
            Ok(()) => self.settle(turn).await,
            Err(error) => {
                self.end(error).await;
                self.links.resume(&self.seat);
                drop(turn);
            }
        }
    }

    async fn link(&self) -> Result<(), LinkError> {
        let linkable = self.seat.connector.linkable().ok_or(LinkError::Cancelled)?;
        self.make_room(linkable).await?;
        self.seat.status.set(State::Linking, None, None);
        let device = self.attempt(linkable).await?;
        self.keep(linkable, device).await
    }

    /// E1, E2: whatever the account was before, it is nobody's and does not run when this returns.
    async fn make_room(&self, linkable: &dyn Linkable) -> Result<(), LinkError> {
        if self.clearing == Clearing::Unlink {
            tracing::warn!(channel = %self.seat.channel, "the link that stands is given up for a new one");
            self.links.say_goodbye(&self.seat, linkable).await?;
        }
        self.links.pause(&self.seat).await?;
        if self.clearing == Clearing::Unlink {
            self.links.gone(&self.seat, EndedBy::Unlink, Act::Unlink, &self.caller, "replaced by a new link").await;
        }
        if let Clearing::Forget(why) = self.clearing {
            tracing::warn!(channel = %self.seat.channel, why, "the stored credentials are cleared for a new link");
            linkable.reset().await?;
            self.links.gone(&self.seat, EndedBy::Reset, Act::Reset, &self.caller, why).await;
        }
        Ok(())
    }

    /// Shows one batch after the other until a phone agrees, and connects again if there was no connection to show one on,
    /// or it broke (B12).
    async fn attempt(&self, linkable: &dyn Linkable) -> Result<LinkedDevice, LinkError> {
        let (mut batches, mut retries) = (1, Retries::default());
        loop {
            let result = self.batch(linkable).await;
            self.live.withdraw();
            let Err(error) = result else { return result };
            if error == LinkError::Expired && self.method == LinkMethod::Qr && batches < BATCHES && !self.is_late() {
                batches += 1;
                continue;
            }
            // What hung until its limit has had its time (E3). What a phone agreed to is not asked for twice.
            let once = matches!(error, LinkError::TimedOut { .. }) || self.live.record().progress.qr_scanned;
            let wait = if once { None } else { retries.after(&error) };
            self.pause(wait.ok_or(error)?).await?;
        }
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    async fn pause(&self, wait: Duration) -> Result<(), LinkError> {
        tokio::select! {
            biased;
            () = self.live.cancel.cancelled() => Err(LinkError::Cancelled),
            () = sleep_until((Instant::now() + wait).min(self.deadline)) => Ok(()),
        }
    }

    async fn batch(&self, linkable: &dyn Linkable) -> Result<LinkedDevice, LinkError> {
        let (events, mut told) = mpsc::channel(EVENTS);
        let cancel = self.live.cancel.child_token();
        let attempt = LinkAttempt { method: self.method.clone(), events, cancel };
        let mut link = linkable.link(attempt);
        let mut limits = Limits::new(self.deadline, &self.method);
        loop {
            tokio::select! {
                biased;
                () = self.live.cancel.cancelled() => {
                    drop(told);
                    return tidy_up(link).await;
                }
                Some(event) = told.recv() => self.take(event, &mut limits).await,
                result = &mut link => {
                    while let Ok(event) = told.try_recv() {
                        self.take(event, &mut limits).await;
                    }
                    return result;
                }
                () = sleep_until(limits.at) => return Err(limits.error()),
            }
        }
    }

    async fn take(&self, event: LinkEvent, limits: &mut Limits) {
        match event {
            LinkEvent::Qr { payload, expires_in } => {
                self.live.show_qr(payload, expires_in);
                limits.shown(expires_in);
            }
            LinkEvent::Code { code, expires_in } => {
                self.live.show_code(&code, expires_in);
                limits.shown(expires_in);
            }
            LinkEvent::CodeWithdrawn => {
                self.live.withdraw();
                limits.nothing_shown();
            }
            LinkEvent::Scanned => {
                self.scanned().await;
                self.seat.status.set(State::Linking, None, None);
                limits.agreed();
            }
            LinkEvent::PasskeyRequired { options } => {
                self.scanned().await;
                self.live.ask_for_passkey(&options);
                self.ask_for_passkey();
                limits.waits_for_person();
            }
            LinkEvent::PasskeyConfirmation { code } => {
                self.live.compare_passkey(code);
                self.ask_for_passkey();
                limits.waits_for_person();
            }
        }
    }

    async fn scanned(&self) {
        let record = self.live.change(|record| {
            record.status = LinkStatus::Scanned;
            record.progress.qr_scanned = true;
        });
        self.links.keep(&record).await;
    }

    fn ask_for_passkey(&self) {
        let words = "the phone asks for its owner's passkey: see the attempt to link".to_owned();
        self.seat.status.set(State::PasskeyRequired, Some("passkey-required"), Some(words));
    }

    /// The device is there: remember it, unless its number is another device of this host already (B4).
    async fn keep(&self, linkable: &dyn Linkable, device: LinkedDevice) -> Result<(), LinkError> {
        if let Some(holder) = device.number().and_then(|n| self.links.registry.holder(n, &self.seat.account)) {
            self.links.say_goodbye(&self.seat, linkable).await?;
            let reason =
                format!("this phone is linked already, as channel `{}`: unlink it there first", holder.channel);
            return Err(LinkError::Refused { code: "linked-elsewhere", reason });
        }
        let method = Some(self.method.name());
        let kept = self.links.registry.linked(&self.seat, device.clone(), method).await;
        kept.map_err(|error| LinkError::Store { reason: error.to_string() })?;
        let record = self.live.change(|record| {
            record.status = LinkStatus::Pairing;
            record.progress.qr_scanned = true;
            record.progress.device_linked = true;
            record.number = device.number().cloned().or(record.number.take());
        });
        self.links.keep(&record).await;
        self.links.audit(&self.seat.channel, Act::LinkComplete, &self.caller, detail(&record)).await;
        Ok(())
    }

    /// The channel runs with its device; the attempt is over when it has logged in, or did not in time.
    async fn settle(self, turn: OwnedMutexGuard<()>) {
        self.links.resume(&self.seat);
        drop(turn);
        let synced = tokio::select! {
            synced = timeout(FIRST_LOGIN, settled(&self.seat.status)) => synced.unwrap_or(State::Connecting),
            () = self.live.cancel.cancelled() => State::Connecting,
        };
        let status = self.seat.status.get();
        let mut record = self.live.record();
        record.ended_at = Some(self.links.clock.now());
        record.status = LinkStatus::Success;
        record.progress.sync_complete = synced == State::Connected;
        if synced == State::NeedsLink {
            record.status = LinkStatus::Failed;
            record.error = failure::of_status(&status);
        }
        self.over(&record).await;
        tracing::info!(channel = %self.seat.channel, attempt = %record.id, status = ?record.status, "linked");
    }

    async fn end(&self, error: LinkError) {
        let (status, problem) = failure::of_attempt(&error, self.method.name());
        // The words may hold a number: they are for whoever asked, not for the log.
        let channel = &self.seat.channel;
        tracing::warn!(%channel, code = %problem.code, why = error.code(), "an attempt to link came to nothing");
        let mut record = self.live.record();
        (record.status, record.error, record.ended_at) = (status, Some(problem), Some(self.links.clock.now()));
        self.over(&record).await;
    }

    /// On disk before anybody sees it.
    async fn over(&self, record: &LinkRecord) {
        self.links.keep(record).await;
        count(record);
        self.live.change(|now| *now = record.clone());
    }
}

/// Until when the phase goes that an attempt is in.
struct Limits {
    attempt: Instant,
    at: Instant,
    phase: Phase,
    what: &'static str,
    method: LinkMethod,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    NothingShown,
    Person,
    Agreed,
}

impl Limits {
    fn new(attempt: Instant, method: &LinkMethod) -> Self {
        let what = match method {
            LinkMethod::Qr => "a QR code",
            LinkMethod::Code { .. } => "a pairing code",
        };
        let mut limits = Self { attempt, at: attempt, phase: Phase::NothingShown, what, method: method.clone() };
        limits.nothing_shown();
        limits
    }
    fn nothing_shown(&mut self) {
        (self.phase, self.at) = (Phase::NothingShown, (Instant::now() + SHOW).min(self.attempt));
    }
    /// A pairing code that nobody typed ends the attempt. QR codes follow one another: the next one may be late.
    fn shown(&mut self, lives: Duration) {
        let dies = match self.method {
            LinkMethod::Qr => Instant::now() + lives + SHOW,
            LinkMethod::Code { .. } => Instant::now() + lives,
        };
        (self.phase, self.at) = (Phase::Person, dies.min(self.attempt));
    }
    fn waits_for_person(&mut self) {
        (self.phase, self.at) = (Phase::Person, self.attempt);
    }
    fn agreed(&mut self) {
        (self.phase, self.at) = (Phase::Agreed, Instant::now() + PAIRING);
    }
    fn error(&self) -> LinkError {
        match self.phase {
            Phase::NothingShown if self.at < self.attempt => LinkError::TimedOut { what: self.what, limit: SHOW },
            Phase::NothingShown | Phase::Person => LinkError::Expired,
            Phase::Agreed => LinkError::TimedOut { what: "the new device", limit: PAIRING },
        }
    }
}

type Attempting<'a> = Pin<Box<dyn Future<Output = Result<LinkedDevice, LinkError>> + Send + 'a>>;

/// A device that came to be at the last moment is one all the same.
async fn tidy_up(link: Attempting<'_>) -> Result<LinkedDevice, LinkError> {
    timeout_at(Instant::now() + GRACE, link).await.unwrap_or(Err(LinkError::Cancelled))
}

/// The state that decides about a first login.
async fn settled(status: &StatusReporter) -> State {
    let decided = |s: &switchhook_core::status::Status| {
        matches!(s.state, State::Connected | State::NeedsLink | State::Restricted | State::Failed)
    };
    let mut changes = status.subscribe();
    changes.wait_for(decided).await.map_or(State::Connecting, |status| status.state)
}

/// For alerts and graphs (B16).
fn count(record: &LinkRecord) {
    let status = format!("{:?}", record.status).to_lowercase();
    let method = format!("{:?}", record.method).to_lowercase();
    let code = record.error.as_ref().map_or("none", |error| error.code.as_str());
    let labels = [("method", method.clone()), ("status", status.clone()), ("code", code.to_owned())];
    metrics::counter!("switchhook_link_attempts_total", &labels).increment(1);
    let took = record.ended_at.map(|end| end.since(record.started_at)).unwrap_or_default();
    metrics::histogram!("switchhook_link_seconds", "method" => method, "status" => status).record(took.as_secs_f64());
    if code == ErrorCode::RateLimited.as_str() {
        metrics::counter!("switchhook_rate_limited_total", "what" => "link").increment(1);
    }
}

pub(crate) fn detail(record: &LinkRecord) -> serde_json::Value {
    serde_json::json!({ "attempt": record.id, "method": record.method, "number": record.number })
}
