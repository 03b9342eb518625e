//! Which devices there are: what is remembered of each, kept in step with how its connection is.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use switchhook_core::connector::StatusReporter;
use switchhook_core::id::AccountId;
use switchhook_core::link::{LinkMethodName, LinkedDevice};
use switchhook_core::person::PersonId;
use switchhook_core::status::{DeviceStatus, State, Status};
use switchhook_core::time::Clock;
use switchhook_store::{DeviceEnd, DeviceRecord, EndedBy, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::channels::Seat;
use crate::link::failure;
use crate::link::view::{Device, DeviceKind};

/// The devices of this host. The store has the same, a moment later.
pub(crate) struct Registry {
    store: Store,
    clock: Arc<dyn Clock>,
    records: Mutex<HashMap<AccountId, DeviceRecord>>,
}

impl Registry {
    /// With what earlier processes remembered.
    pub(crate) async fn open(store: Store, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let records = store.devices().await?.into_iter().map(|record| (record.account.clone(), record)).collect();
        Ok(Self { store, clock, records: Mutex::new(records) })
    }

    pub(crate) fn get(&self, account: &AccountId) -> Option<DeviceRecord> {
        self.records.lock().get(account).cloned()
    }

    /// The account whose device has this number, other than the one asking (B4: a number is one device of a host).
    pub(crate) fn holder(&self, number: &PersonId, other_than: &AccountId) -> Option<DeviceRecord> {
        let records = self.records.lock();
        let holds = |r: &&DeviceRecord| {
            r.end.is_none() && r.account != *other_than && r.linked.number().is_some_and(|n| same_digits(n, number))
        };
        records.values().find(holds).cloned()
    }

    /// Awaited: the device is on disk.
    pub(crate) async fn linked(
        &self,
        seat: &Seat,
        device: LinkedDevice,
        method: Option<LinkMethodName>,
    ) -> Result<(), StoreError> {
        let record = DeviceRecord {
            id: self.store.next_device_id(),
            channel: seat.channel.clone(),
            account: seat.account.clone(),
            linked: device,
            method,
            linked_at: self.clock.now(),
            last_connected_at: None,
            last_disconnected_at: None,
            end: None,
        };
        self.records.lock().insert(seat.account.clone(), record.clone());
        self.store.keep_device(&record).await
    }

    /// The link is gone. A phone that we unlink says so as well: then it was us.
    pub(crate) async fn ended(&self, account: &AccountId, by: EndedBy) {
        let end = DeviceEnd { at: self.clock.now(), by };
        let overrides = |was: DeviceEnd| by == EndedBy::Unlink && was.by == EndedBy::Phone;
        self.change(account, |record| {
            let changes = record.end.is_none_or(overrides);
            if changes {
                record.end = Some(end);
            }
            changes
        })
        .await;
    }

    /// Changes a record where `change` says that it did.
    async fn change(&self, account: &AccountId, change: impl FnOnce(&mut DeviceRecord) -> bool) {
        let changed = {
            let mut records = self.records.lock();
            records.get_mut(account).and_then(|record| change(record).then(|| record.clone()))
        };
        if let Some(record) = changed {
            self.store.keep_device_later(&record).await;
        }
    }

    /// Tells a fresh status what was before this process (C2).
    pub(crate) fn recall(&self, account: &AccountId, status: &StatusReporter) {
        if let Some(record) = self.get(account) {
            status.recall(record.last_connected_at, record.last_disconnected_at);
        }
    }

    /// Keeps a device's record in step with its connection, until the connector stops.
    pub(crate) async fn follow(self: Arc<Self>, seat: Seat, drain: CancellationToken) {
        let mut changes = seat.status.subscribe();
        self.reconcile(&seat).await;
        let mut connections = 0;
        loop {
            let status = changes.borrow_and_update().clone();
            self.note(&seat, &status).await;
            if status.state == State::Connected && status.connections != connections {
                connections = status.connections;
                self.learn(&seat).await;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = drain.cancelled() => break,
            }
        }
        // The end of the connection is one more change.
        let status = seat.status.get();
        self.note(&seat, &status).await;
    }

    /// A crash may have come between the device and its record, and a device may be older than this registry.
    async fn reconcile(&self, seat: &Seat) {
        let Some(device) = self.look(seat).await else { return };
        match (device, self.get(&seat.account)) {
            (Some(device), None) => self.found(seat, device).await,
            (None, Some(record)) if record.end.is_none() => self.ended(&seat.account, EndedBy::Reset).await,
            _ => {}
        }
    }

    async fn look(&self, seat: &Seat) -> Option<Option<LinkedDevice>> {
        let looked = seat.connector.linkable()?.linked().await;
        looked.inspect_err(|error| tracing::warn!(channel = %seat.channel, %error, "the device can't be read")).ok()
    }

    async fn found(&self, seat: &Seat, device: LinkedDevice) {
        if let Err(error) = self.linked(seat, device, None).await {
            tracing::warn!(channel = %seat.channel, %error, "the device can't be remembered");
        }
    }

    /// What the owner calls themselves comes a while after the link, and changes.
    pub(crate) async fn learn(&self, seat: &Seat) {
        let Some(Some(device)) = self.look(seat).await else { return };
        self.change(&seat.account, |record| {
            let news = record.end.is_none() && record.linked != device;
            if news {
                record.linked = device;
            }
            news
        })
        .await;
    }

    async fn note(&self, seat: &Seat, status: &Status) {
        let account = &seat.account;
        let stands = self.get(account).is_some_and(|record| record.end.is_none());
        match status.state {
            State::NeedsLink => self.ended(account, EndedBy::Phone).await,
            // What connects is linked, whatever was remembered.
            State::Connected if !stands => {
                if let Some(Some(device)) = self.look(seat).await {
                    self.found(seat, device).await;
                }
            }
            _ => {}
        }
        let (connected, disconnected) = (status.last_connected, status.last_disconnected);
        self.change(account, |record| {
            let changed = connected > record.last_connected_at || disconnected > record.last_disconnected_at;
            record.last_connected_at = connected.max(record.last_connected_at);
            record.last_disconnected_at = disconnected.max(record.last_disconnected_at);
            changed
        })
        .await;
    }

    /// The device of a channel as it goes over the wire.
    pub(crate) fn device(&self, seat: &Seat) -> Device {
        let record = self.get(&seat.account);
        let connection = seat.status.get();
        let linked = record.as_ref().map(|record| &record.linked);
        let status = device_status(record.as_ref(), connection.state);
        Device {
            id: record.as_ref().map(|record| record.id),
            channel: seat.channel.clone(),
            account: seat.account.clone(),
            kind: DeviceKind::Desktop,
            status,
            active: status == DeviceStatus::Active && connection.state != State::Restricted,
            number: linked.and_then(|linked| linked.number().cloned()),
            owner: linked.map(|linked| linked.owner.clone()).unwrap_or_default(),
            display_name: linked.and_then(|linked| linked.name.clone()),
            picture: None,
            platform: linked.and_then(|linked| linked.platform.clone()),
            method: record.as_ref().and_then(|record| record.method),
            linked_at: record.as_ref().map(|record| record.linked_at),
            last_connected_at: connection.last_connected,
            last_disconnected_at: connection.last_disconnected,
            expires_at: None,
            ended_at: record.as_ref().and_then(|record| record.end).map(|end| end.at),
            error: failure::of_status(&connection),
            connection,
            battery: None,
            charging: None,
        }
    }
}

/// The state decides; of an account that has no link, its record says whether there ever was one.
fn device_status(record: Option<&DeviceRecord>, state: State) -> DeviceStatus {
    match (record.map(|record| record.end.is_some()), state.device_status()) {
        (_, DeviceStatus::Linking) => DeviceStatus::Linking,
        (None, _) => DeviceStatus::Pending,
        (Some(true), _) => DeviceStatus::Revoked,
        (Some(false), status) => status,
    }
}

/// E1: numbers are compared by their digits.
pub(crate) fn same_digits(a: &PersonId, b: &PersonId) -> bool {
    let digits = |id: &PersonId| id.as_str().chars().filter(char::is_ascii_digit).collect::<String>();
    digits(a) == digits(b)
}
