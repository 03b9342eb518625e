//! One delivery, from its turn to its end: permission, pace, the wire, and what the answer means.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use switchhook_core::action::Action;
use switchhook_core::connector::{Connector, Delivery, DeliveryError, Receipt};
use switchhook_core::id::OutboxId;
use switchhook_core::message::Message;
use switchhook_store::{AuditEntry, DeliveryEnd, DeliveryState, StoreError, StoredDelivery, failpoint};
use tokio::time::Instant;

use super::quota::{NoPlace, Place};
use super::{AccountState, Carried, Dispatcher, Outgoing, Waited};
use crate::event::EventKind;
use crate::permit::{Arrived, Asking, Basis, Refusal, permit};
use crate::settle::{ASKED, NOTICE};
use crate::trace::Tracer;
use crate::wiring::{ChannelWiring, OnUnknown};

/// An answer that takes longer is none: the fate of the delivery is unknown.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The longest wait between two tries.
const BACKOFF_CAP: Duration = Duration::from_secs(30);

/// Tries before a delivery is set aside: a day's worth at the longest wait.
const MAX_ATTEMPTS: u32 = 2_880;

/// How often the fate of one delivery may be unknown before it is set aside.
const MAX_UNKNOWNS: u32 = 5;

/// What the audit calls a message that has left. The name never changes.
const MESSAGE_SENT: &str = "message_sent";

/// What follows from an attempt.
enum Next {
    End(DeliveryEnd),
    /// Try again later; the end is what the journal is told meanwhile.
    Again(Pause, DeliveryEnd),
}

/// Before the next try.
#[derive(Debug, Clone, Copy)]
struct Pause {
    wait: Duration,
    ends_with: PauseEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PauseEnd {
    /// Also as soon as the connection stands again.
    Connection,
    /// Not before the time is over: the provider named it.
    Time,
}

/// Why a row does not leave now.
enum Stop {
    Ended(DeliveryEnd),
    /// It stays in the journal.
    Stays,
    /// Another hand has it: an operator, or a later run of this channel.
    NotOurs,
}

impl Dispatcher {
    /// Carries one delivery to its end, however many tries it takes.
    pub(super) async fn carry(&self, account: &Arc<AccountState>, mut outgoing: Outgoing) -> Carried {
        let id = outgoing.row.id;
        let not_before = outgoing.row.not_before.since(self.desk.clock.now());
        let first = Pause { wait: not_before, ends_with: PauseEnd::Connection };
        if !not_before.is_zero() && self.pause(account, first).await == Waited::Hurry {
            return self.lay_down(&outgoing.row).await;
        }
        loop {
            let place = match self.admit(account, &mut outgoing.row).await {
                Ok(place) => place,
                Err(NoPlace::Hurry) => return self.lay_down(&outgoing.row).await,
                Err(NoPlace::Refused(end)) => return self.end(id, end).await,
            };
            let wire = account.wire.acquire().await;
            let (channel, connector) = match self.clear(&mut outgoing).await {
                Ok(cleared) => cleared,
                Err(Stop::Ended(end)) => return self.end(id, end).await,
                Err(Stop::Stays) => return self.lay_down(&outgoing.row).await,
                Err(Stop::NotOurs) => return Carried::Ended,
            };
            let next = self.attempt(&channel, &connector, &mut outgoing.row).await;
            drop(wire);
            match next {
                Next::End(end) => {
                    if let DeliveryEnd::Sent { .. } = end {
                        place.used(self.desk.clock.now());
                        self.record(&channel, &outgoing.row).await;
                    }
                    return self.end(id, end).await;
                }
                Next::Again(pause, end) => {
                    self.desk.store.end_delivery_later(id, end).await;
                    if self.pause(account, pause).await == Waited::Hurry {
                        return Carried::Stays;
                    }
                }
            }
        }
    }

    async fn end(&self, id: OutboxId, end: DeliveryEnd) -> Carried {
        self.desk.store.end_delivery_later(id, end).await;
        Carried::Ended
    }

    /// Waits until the account may send this row: for its day, then for its pace.
    async fn admit(&self, account: &Arc<AccountState>, row: &mut StoredDelivery) -> Result<Place, NoPlace> {
        let place = self.place(account, row).await?;
        match self.keep_pace(account, row).await {
            Waited::Enough => Ok(place),
            Waited::Hurry => Err(NoPlace::Hurry),
        }
    }

    /// The last look before a row leaves, with nothing left to wait for after it: its channel as it is now, the sender's
    /// permission, and the commit that says it is leaving.
    async fn clear(&self, outgoing: &mut Outgoing) -> Result<(Arc<ChannelWiring>, Arc<dyn Connector>), Stop> {
        let wiring = self.desk.wiring.load_full();
        let channel = wiring.channel(&outgoing.row.account).ok_or(Stop::Stays)?.clone();
        let connector = self.desk.carriers.connector(&outgoing.row.account).ok_or(Stop::Stays)?;
        if outgoing.row.state == DeliveryState::Unknown && parks(&channel) {
            let reason = "it may have left before the host died".to_owned();
            return Err(Stop::Ended(DeliveryEnd::Parked { reason }));
        }
        self.claim(outgoing, &channel).await.map_err(Stop::Ended)?;
        self.arm(&mut outgoing.row).await?;
        Ok((channel, connector))
    }

    /// Leaves a row to the journal; one that was armed and has not left is ready again.
    async fn lay_down(&self, row: &StoredDelivery) -> Carried {
        if row.state == DeliveryState::Armed {
            let end = DeliveryEnd::Retry { at: self.desk.clock.now(), reason: "its channel is not running".to_owned() };
            self.desk.store.end_delivery_later(row.id, end).await;
        }
        Carried::Stays
    }

    /// Looks whether the sender may still be answered. Free while neither policies nor standings have changed.
    async fn claim(&self, outgoing: &mut Outgoing, channel: &Arc<ChannelWiring>) -> Result<(), DeliveryEnd> {
        let row = &outgoing.row;
        let standings = self.desk.standings();
        let same_policies =
            row.fingerprint.split_once('/').is_some_and(|(policies, _)| policies == channel.fingerprint);
        let needs_none = row.fingerprint == NOTICE || row.fingerprint == ASKED;
        if needs_none || (same_policies && outgoing.standings == standings) {
            return Ok(());
        }
        let refused = |reason: String| Err(DeliveryEnd::Revoked { reason });
        let stored = match self.desk.store.load(row.message).await {
            Ok(stored) => stored,
            Err(error) => return Err(DeliveryEnd::Parked { reason: error.to_string() }),
        };
        let Some((message, approved)) = stored.and_then(|s| s.message.map(|m| (m, s.approved))) else {
            return refused("the message it answers is erased".to_owned());
        };
        let basis = Basis::of(channel, self.desk.store.standing(&mut message.sender.ids()));
        if basis.as_str() != row.fingerprint {
            match self.ask_again(row, message, approved, channel).await {
                Ok(()) => {}
                Err(Refusal::Denied { reason, .. } | Refusal::Held { reason }) => return refused(reason),
                Err(Refusal::Failed { reason }) => return Err(DeliveryEnd::Parked { reason }),
            }
            outgoing.row.fingerprint = basis.as_str().to_owned();
        }
        outgoing.standings = standings;
        Ok(())
    }

    async fn ask_again(
        &self,
        row: &StoredDelivery,
        mut message: Message,
        approved: bool,
        channel: &Arc<ChannelWiring>,
    ) -> Result<(), Refusal> {
        let wiring = self.desk.wiring.load_full();
        let standing = self.desk.store.standing(&mut message.sender.ids());
        message.sender.standing = standing;
        let mut tracer = Tracer::start(wiring.number, channel.name.as_str());
        let message = Arc::new(message);
        let arrived = Arrived { id: row.message, message, unresolved: None, approved, channel: channel.clone() };
        permit(&self.desk, arrived, Asking::Again, &mut tracer).await.map(drop)
    }

    async fn keep_pace(&self, account: &AccountState, row: &StoredDelivery) -> Waited {
        let limits = || self.desk.wiring.load().channel(&row.account).map(|channel| channel.limits).unwrap_or_default();
        let wait = account.pace.lock().take(&limits(), &row.chat, row.chat_kind, Instant::now());
        if !wait.is_zero() && self.wait(account, wait).await == Waited::Hurry {
            return Waited::Hurry;
        }
        // Asked at the moment of leaving, and again by everybody who found no place: the limit may be another by then.
        loop {
            let Some(per_minute) = limits().per_minute else { return Waited::Enough };
            let full = account.pace.lock().take_of_minute(per_minute, Instant::now());
            let Some(wait) = full else { return Waited::Enough };
            if self.wait(account, wait).await == Waited::Hurry {
                return Waited::Hurry;
            }
        }
    }

    async fn wait(&self, account: &AccountState, wait: Duration) -> Waited {
        self.pause(account, Pause { wait, ends_with: PauseEnd::Time }).await
    }

    /// What was sent, for whoever asks later (B10). Sealed; kept before the end is, so that nothing was sent without it.
    async fn record(&self, channel: &ChannelWiring, row: &StoredDelivery) {
        if !row.action.as_ref().is_some_and(Action::is_message) {
            return;
        }
        let entry = AuditEntry {
            at: self.desk.clock.now(),
            actor: "host".to_owned(),
            address: None,
            user_agent: None,
            act: MESSAGE_SENT.to_owned(),
            subject: channel.name.to_string(),
            detail: serde_json::json!({ "delivery": row.id, "answers": row.message, "chat": row.chat }),
        };
        self.desk.store.audit_routine(entry).await;
    }

    /// Writes down that the row is leaving. A journal that can't be written holds the chat up, and loses nothing.
    async fn arm(&self, row: &mut StoredDelivery) -> Result<(), Stop> {
        let mut wait = Duration::from_millis(250);
        while row.state != DeliveryState::Armed {
            match self.desk.store.arm(row.id).await {
                Ok(()) => {
                    row.state = DeliveryState::Armed;
                    row.attempts += 1;
                }
                Err(StoreError::Closed) => return Err(Stop::Stays),
                Err(error @ (StoreError::WrongState { .. } | StoreError::NotFound { .. })) => {
                    tracing::info!(delivery = %row.id, %error, "decided elsewhere meanwhile");
                    return Err(Stop::NotOurs);
                }
                Err(error) => {
                    tracing::error!(delivery = %row.id, %error, ?wait, "the journal can't be written; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(wait) => wait = (wait * 2).min(BACKOFF_CAP),
                        () = self.hurry.cancelled() => return Err(Stop::Stays),
                    }
                }
            }
        }
        Ok(())
    }

    async fn attempt(&self, channel: &ChannelWiring, connector: &Arc<dyn Connector>, row: &mut StoredDelivery) -> Next {
        let Some(action) = row.action.clone() else {
            return Next::End(DeliveryEnd::Dead { reason: "its content is erased".to_owned() });
        };
        let delivery = Delivery {
            id: row.id,
            attempt: row.attempts,
            chat: row.chat.clone(),
            thread: row.thread.clone(),
            action,
            answers: row.answers.clone(),
            idempotency_key: self.desk.store.delivery_key(row.id),
        };
        failpoint::edge("dispatch.before_send");
        let sending = AssertUnwindSafe(connector.deliver(&delivery)).catch_unwind();
        let unknown = |reason: String| Err(DeliveryError::Unknown { reason });
        let answer = match tokio::time::timeout(ANSWER_LIMIT, sending).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => unknown("the connector panicked".to_owned()),
            Err(_) => unknown(format!("no answer within {ANSWER_LIMIT:?}")),
        };
        failpoint::edge("dispatch.after_send");
        // Whatever comes next, it is not on the wire any more.
        row.state = DeliveryState::Ready;
        self.judge(channel, row, answer)
    }

    fn judge(&self, channel: &ChannelWiring, row: &mut StoredDelivery, answer: Result<Receipt, DeliveryError>) -> Next {
        let count = |end: &'static str| {
            metrics::counter!("switchhook_deliveries_total", "channel" => channel.name.to_string(), "end" => end)
                .increment(1);
        };
        let failed = |code: &'static str| {
            count(code);
            self.desk.tell(&channel.name, EventKind::DeliveryFailed { delivery: row.id, code });
        };
        match answer {
            Ok(Receipt { provider_id }) => {
                self.desk.tell(&channel.name, EventKind::Delivered { delivery: row.id });
                count("sent");
                Next::End(DeliveryEnd::Sent { provider_id })
            }
            Err(DeliveryError::Rejected { code, reason }) => {
                failed("rejected");
                Next::End(DeliveryEnd::Dead { reason: format!("{code}: {reason}") })
            }
            Err(DeliveryError::Retry { reason, .. }) if row.attempts >= MAX_ATTEMPTS => {
                failed("given-up");
                Next::End(DeliveryEnd::Dead { reason: format!("given up after {} tries: {reason}", row.attempts) })
            }
            Err(DeliveryError::Retry { reason, after }) => {
                let ends_with = if after.is_some() { PauseEnd::Time } else { PauseEnd::Connection };
                count("again");
                if after.is_some() {
                    metrics::counter!("switchhook_rate_limited_total", "what" => "send").increment(1);
                }
                let wait = after.unwrap_or_else(|| backoff(row.attempts));
                let end = DeliveryEnd::Retry { at: self.desk.clock.now().plus(wait), reason };
                Next::Again(Pause { wait, ends_with }, end)
            }
            Err(DeliveryError::Unknown { reason }) => {
                failed("unknown");
                row.unknowns += 1;
                self.after_unknown(channel, row, reason)
            }
        }
    }

    fn after_unknown(&self, channel: &ChannelWiring, row: &StoredDelivery, reason: String) -> Next {
        if parks(channel) {
            return Next::End(DeliveryEnd::Parked { reason });
        }
        if row.unknowns >= MAX_UNKNOWNS {
            return Next::End(DeliveryEnd::Dead { reason: format!("unknown {} times: {reason}", row.unknowns) });
        }
        let wait = backoff(row.attempts);
        let end = DeliveryEnd::Unknown { at: self.desk.clock.now().plus(wait), reason };
        Next::Again(Pause { wait, ends_with: PauseEnd::Connection }, end)
    }

    async fn pause(&self, account: &AccountState, pause: Pause) -> Waited {
        let connected = async {
            match pause.ends_with {
                PauseEnd::Connection => account.connected.notified().await,
                PauseEnd::Time => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause.wait) => Waited::Enough,
            () = connected => Waited::Enough,
            () = self.hurry.cancelled() => Waited::Hurry,
        }
    }
}

/// Whether a delivery of unknown fate waits for the operator: where the config says so, and the provider can't tell a
/// second sending from the first.
fn parks(channel: &ChannelWiring) -> bool {
    channel.on_unknown == OnUnknown::Park && !channel.abilities.idempotent_send
}

/// 1, 2, 4, 8, 16, then 30 seconds, each with up to a fifth of jitter.
fn backoff(attempt: u32) -> Duration {
    let base = Duration::from_secs(1 << attempt.saturating_sub(1).min(5)).min(BACKOFF_CAP);
    base.mul_f64(1.0 + rand::random::<f64>() * 0.2)
}
