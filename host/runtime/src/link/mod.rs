//! Linking: how an account becomes a device of somebody's phone, is kept one, and is let go of.
//!
//! Start with `Links` (what can be asked for), then `worker` (the life of an attempt) and `registry` (which devices there
//! are). Nothing here knows a vendor: all goes through `core::link::Linkable`.

mod audit;
mod failure;
mod live;
mod registry;
mod request;
mod retry;
#[cfg(test)]
mod tests;
mod view;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use switchhook_core::code::ErrorCode;
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::link::{LinkError, LinkStatus, Linkable};
use switchhook_core::status::State;
use switchhook_core::time::Clock;
use switchhook_pipeline::Pipeline;
use switchhook_store::{EndedBy, LinkRecord, Store, StoreError};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::channels::{Channels, Replaced, Seat};
pub use audit::Caller;
pub(crate) use audit::{Act, write as write_audit};
pub use failure::LinkRefusal;
use live::Live;
pub(crate) use registry::Registry;
pub use request::Begun;
use retry::retry;
pub use view::{Attempt, Device, DeviceKind, LinkRequest, PasskeyAnswer, ShownCode, ShownPasskey, ShownQr};

/// A goodbye is said within this, or the phone is not told: what is here is forgotten all the same (C7).
const GOODBYE: Duration = Duration::from_secs(45);
/// How long a changed channel waits for what is being done to its device.
const LEAVE: Duration = Duration::from_secs(10);

/// Everything that is done to devices.
pub(crate) struct Links {
    store: Store,
    clock: Arc<dyn Clock>,
    channels: Arc<Channels>,
    pipeline: Pipeline,
    pub(crate) registry: Arc<Registry>,
    tasks: TaskTracker,
    stop: CancellationToken,
    slots: Mutex<HashMap<AccountId, Arc<Slot>>>,
}

/// What there is of an account's device here.
#[derive(Default)]
struct Slot {
    /// Held while it is decided what to do, so that two requests at once are one after the other (E2).
    asking: Arc<tokio::sync::Mutex<()>>,
    /// Held while something is done.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The attempt under way, or the last one of this process.
    live: Mutex<Option<Arc<Live>>>,
}

/// Nobody else decides about the device, and nothing is done to it, while this is held.
struct Alone {
    _turn: OwnedMutexGuard<()>,
    _asking: OwnedMutexGuard<()>,
}

/// What an attempt under way means for something else that is asked for.
enum UnderWay {
    Refuses,
    IsCancelled,
}

impl Slot {
    async fn alone(&self, channel: &ChannelName, under_way: UnderWay) -> Result<Alone, LinkRefusal> {
        let asking = self.asking.clone().lock_owned().await;
        match under_way {
            UnderWay::Refuses if self.under_way().is_some() => return Err(LinkRefusal::Busy(channel.clone())),
            UnderWay::Refuses => {}
            UnderWay::IsCancelled => drop(self.cancel().await),
        }
        Ok(Alone { _turn: self.turn.clone().lock_owned().await, _asking: asking })
    }
    fn live(&self) -> Option<Arc<Live>> {
        self.live.lock().clone()
    }
    fn under_way(&self) -> Option<Arc<Live>> {
        self.live().filter(|live| !live.is_over())
    }
    /// Ends the attempt under way, if there is one.
    async fn cancel(&self) -> Option<Arc<Live>> {
        let live = self.under_way()?;
        live.cancel.cancel();
        live.over().await;
        Some(live)
    }
}

/// What a host lends to its links.
pub(crate) struct LinksParts {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) channels: Arc<Channels>,
    pub(crate) pipeline: Pipeline,
    pub(crate) registry: Arc<Registry>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Links {
    /// Attempts of a process that died are over: says so in what is remembered of them.
    pub(crate) async fn open(parts: LinksParts) -> Result<Self, StoreError> {
        let LinksParts { store, clock, channels, pipeline, registry, tasks, stop } = parts;
        for record in store.open_links().await? {
            let words = "the host ended during the attempt: start again".to_owned();
            let linked = record.progress.device_linked;
            let cut_off = LinkRecord {
                status: if linked { LinkStatus::Success } else { LinkStatus::Failed },
                error: (!linked).then(|| failure::problem(ErrorCode::ConnectionClosed, words)),
                ended_at: Some(clock.now()),
                ..record
            };
            store.keep_link(&cut_off).await?;
        }
        Ok(Self { store, clock, channels, pipeline, registry, tasks, stop, slots: Mutex::default() })
    }

    fn slot(&self, account: &AccountId) -> Arc<Slot> {
        self.slots.lock().entry(account.clone()).or_default().clone()
    }

    /// The channel's place, if it runs and is one that is linked.
    fn seat(&self, channel: &ChannelName, account: &AccountId) -> Result<Seat, LinkRefusal> {
        let seat = self.channels.seat(account).filter(|_| !self.stop.is_cancelled());
        let seat = seat.ok_or_else(|| LinkRefusal::NotRunning(channel.clone()))?;
        match seat.connector.linkable() {
            Some(_) => Ok(seat),
            None => Err(LinkRefusal::NotLinkable(channel.clone())),
        }
    }

    /// The devices of these channels; those that do not run or are none are left out.
    pub(crate) fn devices<'a>(&self, accounts: impl Iterator<Item = (&'a ChannelName, &'a AccountId)>) -> Vec<Device> {
        let seats = accounts.filter_map(|(channel, account)| self.seat(channel, account).ok());
        seats.map(|seat| self.registry.device(&seat)).collect()
    }

    /// One device in detail, with what has to be asked for.
    pub(crate) async fn device(&self, channel: &ChannelName, account: &AccountId) -> Result<Device, LinkRefusal> {
        let seat = self.seat(channel, account)?;
        self.registry.learn(&seat).await;
        let mut device = self.registry.device(&seat);
        if let Some(linkable) = seat.connector.linkable().filter(|_| device.connection.state == State::Connected) {
            device.picture = linkable.picture().await;
        }
        Ok(device)
    }

    /// Connects anew (B5). Returns while it connects.
    pub(crate) async fn refresh(
        &self,
        channel: &ChannelName,
        account: &AccountId,
        caller: &Caller,
    ) -> Result<Device, LinkRefusal> {
        let seat = self.seat(channel, account)?;
        let _alone = self.slot(account).alone(channel, UnderWay::Refuses).await?;
        let linked = seat.connector.linkable().expect("a seat of a linkable channel").linked().await?;
        if linked.is_none() {
            return Err(LinkRefusal::NotLinked(channel.clone()));
        }
        self.pause(&seat).await?;
        self.resume(&seat);
        self.audit(channel, Act::Refresh, caller, serde_json::Value::Null).await;
        Ok(self.registry.device(&seat))
    }

    /// Ends the link, on the phone as well where it can be reached, and forgets its credentials (B5, C7).
    pub(crate) async fn unlink(
        &self,
        channel: &ChannelName,
        account: &AccountId,
        caller: &Caller,
    ) -> Result<Device, LinkRefusal> {
        let seat = self.seat(channel, account)?;
        let _alone = self.slot(account).alone(channel, UnderWay::IsCancelled).await?;
        let linkable = seat.connector.linkable().expect("a seat of a linkable channel");
        if linkable.linked().await?.is_none() {
            return Err(LinkRefusal::NotLinked(channel.clone()));
        }
        let result = self.say_goodbye(&seat, linkable).await;
        self.pause(&seat).await?;
        if result.is_ok() {
            self.gone(&seat, EndedBy::Unlink, Act::Unlink, caller, "asked for").await;
        }
        self.resume(&seat);
        result?;
        Ok(self.registry.device(&seat))
    }

    /// Forgets the credentials, whatever state they are in, and tells nobody (E5).
    pub(crate) async fn reset(
        &self,
        channel: &ChannelName,
        account: &AccountId,
        caller: &Caller,
    ) -> Result<Device, LinkRefusal> {
        let seat = self.seat(channel, account)?;
        let _alone = self.slot(account).alone(channel, UnderWay::IsCancelled).await?;
        self.pause(&seat).await?;
        let linkable = seat.connector.linkable().expect("a seat of a linkable channel");
        let result = retry(|| linkable.reset()).await;
        if result.is_ok() {
            self.gone(&seat, EndedBy::Reset, Act::Reset, caller, "asked for").await;
        }
        self.resume(&seat);
        result?;
        Ok(self.registry.device(&seat))
    }

    /// The channel was changed or removed, and its connector taken out: what was being done to its device ends.
    pub(crate) async fn leave(&self, account: &AccountId) {
        let Some(slot) = self.slots.lock().get(account).cloned() else { return };
        slot.cancel().await;
        if timeout(LEAVE, slot.turn.lock()).await.is_err() {
            tracing::warn!(%account, "what was done to its device did not end in {LEAVE:?}");
        }
    }

    /// Tells the phone and forgets, while the connector runs. Where the phone can't be told in time, forgets all the same.
    async fn say_goodbye(&self, seat: &Seat, linkable: &dyn Linkable) -> Result<(), LinkError> {
        match timeout(GOODBYE, linkable.unlink()).await {
            Ok(told) => told,
            Err(_) => {
                tracing::warn!(channel = %seat.channel, "the phone was not told of the end: remove the device there");
                self.pause(seat).await?;
                retry(|| linkable.reset()).await
            }
        }
    }

    async fn pause(&self, seat: &Seat) -> Result<(), LinkError> {
        let gone = |Replaced| LinkError::Unreachable { reason: "the channel was changed meanwhile".to_owned() };
        self.channels.pause(seat).await.map_err(gone)
    }

    fn resume(&self, seat: &Seat) {
        if !self.stop.is_cancelled() {
            self.channels.resume(seat, &self.pipeline);
        }
    }

    /// The device of an account is no more.
    async fn gone(&self, seat: &Seat, by: EndedBy, act: Act, caller: &Caller, why: &str) {
        self.registry.ended(&seat.account, by).await;
        self.audit(&seat.channel, act, caller, serde_json::json!({ "why": why })).await;
    }

    async fn audit(&self, channel: &ChannelName, act: Act, caller: &Caller, detail: serde_json::Value) {
        audit::write(&self.store, self.clock.as_ref(), channel, act, caller, detail).await;
    }

    async fn keep(&self, record: &LinkRecord) {
        if let Err(error) = self.store.keep_link(record).await {
            tracing::error!(attempt = %record.id, %error, "how the attempt stands can't be kept");
        }
    }
}
