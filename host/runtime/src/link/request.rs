//! What is asked for of an attempt: to begin, to be looked at, to be given up.

use std::sync::Arc;
use std::time::Duration;

use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::link::{LinkMethod, LinkMethodName, Linkable, LinkedDevice};
use switchhook_core::person::PersonId;
use switchhook_core::status::State;
use switchhook_store::{LinkRecord, NewLink};
use tokio::time::Instant;

use crate::channels::Seat;
use crate::link::audit::{Act, Caller};
use crate::link::failure::LinkRefusal;
use crate::link::live::Live;
use crate::link::registry::same_digits;
use crate::link::view::{Attempt, LinkRequest, ShownQr};
use crate::link::worker::{ATTEMPT, Clearing, Worker, detail};
use crate::link::{Links, Slot};

/// Attempts are counted over this long (B9).
const WINDOW: Duration = Duration::from_secs(3600);

/// What a request for an attempt came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    New(Attempt),
    /// The same was under way already.
    Joined(Attempt),
}

impl Links {
    /// Begins an attempt and returns at once; what it shows is to be polled. One user may begin `per_hour` of them.
    pub(crate) async fn start(
        self: &Arc<Self>,
        channel: &ChannelName,
        account: &AccountId,
        request: &LinkRequest,
        caller: Caller,
        per_hour: u32,
    ) -> Result<Begun, LinkRefusal> {
        let seat = self.seat(channel, account)?;
        let linkable = seat.connector.linkable().expect("a seat of a linkable channel");
        let method = method_of(channel, linkable, request)?;
        let slot = self.slot(account);
        let _asking = slot.asking.lock().await;
        if let Some(live) = slot.under_way() {
            let record = live.record();
            // A number that a QR code was scanned by is not what was asked for.
            let same =
                record.method == method.name() && method.number().is_none_or(|n| record.number.as_ref() == Some(n));
            return if same { Ok(Begun::Joined(live.view())) } else { Err(LinkRefusal::Busy(channel.clone())) };
        }
        let clearing = self.clearing(&seat, linkable, &method, request).await?;
        self.check_limit(&caller, per_hour).await?;
        let new = NewLink {
            channel: channel.clone(),
            account: account.clone(),
            method: method.name(),
            number: method.number().cloned(),
            asked_by: caller.actor.clone(),
            asked_from: caller.address.clone(),
            expires_at: self.clock.now().plus(ATTEMPT),
        };
        let record = self.store.begin_link(new).await?;
        self.audit(channel, Act::LinkStart, &caller, detail(&record)).await;
        Ok(Begun::New(self.spawn(&slot, seat.clone(), method, clearing, caller, record)))
    }

    fn spawn(
        self: &Arc<Self>,
        slot: &Slot,
        seat: Seat,
        method: LinkMethod,
        clearing: Clearing,
        caller: Caller,
        record: LinkRecord,
    ) -> Attempt {
        let live = Arc::new(Live::new(record, self.clock.clone(), self.stop.child_token()));
        *slot.live.lock() = Some(live.clone());
        let view = live.view();
        let deadline = Instant::now() + ATTEMPT;
        let worker = Worker { links: self.clone(), seat, live, method, clearing, caller, deadline };
        self.tasks.spawn(worker.run(slot.turn.clone()));
        view
    }

    /// E1: what stands in the way, and whether it may be put away.
    async fn clearing(
        &self,
        seat: &Seat,
        linkable: &dyn Linkable,
        method: &LinkMethod,
        request: &LinkRequest,
    ) -> Result<Clearing, LinkRefusal> {
        let Some(device) = linkable.linked().await? else { return Ok(Clearing::Nothing) };
        let state = seat.status.get().state;
        if state == State::NeedsLink {
            return Ok(Clearing::Forget("the phone no longer knows them"));
        }
        if request.confirm {
            return Ok(Clearing::Unlink);
        }
        let other = is_other(&device, method);
        match state {
            State::Connected | State::Restricted => {}
            _ if other => return Ok(Clearing::Forget("they were of another number")),
            _ => {}
        }
        let whose = if other { "another phone is linked" } else { "a phone is linked" };
        let words = format!(
            "{whose} to `{}` already: unlink it first (`switchhook unlink {}`), or confirm that it is to be replaced",
            seat.channel, seat.channel
        );
        Err(LinkRefusal::AlreadyLinked(words))
    }

    /// B9: from disk, so that a restart does not lift it.
    async fn check_limit(&self, caller: &Caller, per_hour: u32) -> Result<(), LinkRefusal> {
        let now = self.clock.now();
        let since = switchhook_core::time::UnixMillis(now.0.saturating_sub(WINDOW.as_millis() as u64));
        let begun = self.store.links_asked_by(&caller.actor, since).await?;
        match begun.len().checked_sub(per_hour as usize).and_then(|index| begun.get(index)) {
            Some(oldest) => {
                metrics::counter!("switchhook_rate_limited_total", "what" => "link").increment(1);
                Err(LinkRefusal::TooMany { per_hour, retry_after: oldest.plus(WINDOW).since(now) })
            }
            None => Ok(()),
        }
    }

    /// The attempt under way, or the last one there was.
    pub(crate) async fn attempt(&self, channel: &ChannelName, account: &AccountId) -> Result<Attempt, LinkRefusal> {
        if let Some(live) = self.slot(account).live() {
            return Ok(live.view());
        }
        let record = self.store.last_link(account).await?;
        let record = record.ok_or_else(|| LinkRefusal::NoAttempt(channel.clone()))?;
        Ok(Attempt { record, qr: None, code: None, passkey: None })
    }

    /// Gives the attempt under way up; returns when it is over.
    pub(crate) async fn cancel(
        &self,
        channel: &ChannelName,
        account: &AccountId,
        caller: &Caller,
    ) -> Result<Attempt, LinkRefusal> {
        let cancelled = self.slot(account).cancel().await;
        let live = cancelled.ok_or_else(|| LinkRefusal::NotUnderWay(channel.clone()))?;
        self.audit(channel, Act::LinkCancel, caller, detail(&live.record())).await;
        Ok(live.view())
    }

    /// Passes the proof on that the phone's owner gave.
    pub(crate) async fn passkey(
        &self,
        channel: &ChannelName,
        account: &AccountId,
        assertion: &serde_json::Value,
    ) -> Result<Attempt, LinkRefusal> {
        let seat = self.seat(channel, account)?;
        let live = self.slot(account).under_way().ok_or_else(|| LinkRefusal::NotUnderWay(channel.clone()))?;
        if !live.wants_passkey() {
            return Err(LinkRefusal::NoPasskey);
        }
        let linkable = seat.connector.linkable().expect("a seat of a linkable channel");
        linkable.passkey(assertion.to_string()).await?;
        Ok(live.view())
    }

    /// Passes on that the phone shows the code that is to be compared.
    pub(crate) async fn confirm_passkey(
        &self,
        channel: &ChannelName,
        account: &AccountId,
    ) -> Result<Attempt, LinkRefusal> {
        let seat = self.seat(channel, account)?;
        let live = self.slot(account).under_way().ok_or_else(|| LinkRefusal::NotUnderWay(channel.clone()))?;
        if !live.wants_comparison() {
            return Err(LinkRefusal::NothingToCompare);
        }
        seat.connector.linkable().expect("a seat of a linkable channel").confirm_passkey().await?;
        Ok(live.view())
    }

    pub(crate) fn qr(&self, channel: &ChannelName, account: &AccountId) -> Result<ShownQr, LinkRefusal> {
        match self.slot(account).live() {
            Some(live) => live.qr(),
            None => Err(LinkRefusal::NotUnderWay(channel.clone())),
        }
    }
}

/// E4: a code needs a number that somebody named, here or in the config.
fn method_of(channel: &ChannelName, linkable: &dyn Linkable, request: &LinkRequest) -> Result<LinkMethod, LinkRefusal> {
    let given = request.number.as_deref().map(str::trim).filter(|number| !number.is_empty());
    let given = given.map(PersonId::from_number).transpose()?;
    let expected = linkable.expected();
    if let (Some(given), Some(expected)) = (&given, &expected)
        && !same_digits(given, expected)
    {
        return Err(LinkRefusal::OtherNumber(channel.clone()));
    }
    match request.method {
        LinkMethodName::Qr => Ok(LinkMethod::Qr),
        LinkMethodName::Code => match given.or(expected) {
            Some(number) => Ok(LinkMethod::Code { number }),
            None => Err(LinkRefusal::NoNumber(channel.clone())),
        },
    }
}

/// Whether a number was asked for that is not the device's.
fn is_other(device: &LinkedDevice, method: &LinkMethod) -> bool {
    match (device.number(), method.number()) {
        (Some(is), Some(asked)) => !same_digits(is, asked),
        _ => false,
    }
}
