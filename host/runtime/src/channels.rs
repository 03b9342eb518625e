//! The connectors that are running: one map, by account.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use switchhook_config::{ChannelConfig, Kinds};
use switchhook_core::connector::{Abilities, Connector, ConnectorContext, StatusReporter};
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::kind::ChannelSettings;
use switchhook_core::status::{State, Status};
use switchhook_core::time::Clock;
use switchhook_pipeline::{Carriers, Pipeline};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::build::BuildFailure;
use crate::link::Registry;
use crate::supervisor::{Patience, supervise};

/// How long a connector may take to stop before it is cut off.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A connector that was built and not started.
pub(crate) struct Prepared {
    pub(crate) name: ChannelName,
    pub(crate) account: AccountId,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) id_prefix: &'static str,
    pub(crate) max_reconnect_attempts: u32,
}

struct Running {
    name: ChannelName,
    connector: Arc<dyn Connector>,
    id_prefix: &'static str,
    status: StatusReporter,
    patience: Patience,
    drain: CancellationToken,
    /// It has not run yet, and waits for others to have connected.
    in_line: bool,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    fn seat(&self, account: &AccountId) -> Seat {
        Seat {
            channel: self.name.clone(),
            account: account.clone(),
            connector: self.connector.clone(),
            status: self.status.clone(),
        }
    }
}

/// The channel was changed or removed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replaced;

/// A running channel, for whoever does something to its device. It may be replaced meanwhile.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) channel: ChannelName,
    pub(crate) account: AccountId,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) status: StatusReporter,
}

/// All running connectors.
pub(crate) struct Channels {
    running: Mutex<HashMap<AccountId, Running>>,
    registry: Arc<Registry>,
}

impl Carriers for Channels {
    fn connector(&self, account: &AccountId) -> Option<Arc<dyn Connector>> {
        self.running.lock().get(account).map(|running| running.connector.clone())
    }
}

/// Builds a channel's connector. Starts nothing.
pub(crate) fn prepare(kinds: &Kinds, name: &ChannelName, channel: &ChannelConfig) -> Result<Prepared, BuildFailure> {
    let kind = kinds
        .get(&channel.kind)
        .ok_or_else(|| BuildFailure::NoKind { channel: name.clone(), kind: channel.kind.clone() })?;
    let built = kind
        .build(channel.connector.clone())
        .map_err(|error| BuildFailure::Channel { channel: name.clone(), error })?;
    let id_prefix = kind.spec().id_prefix;
    let max_reconnect_attempts = channel.max_reconnect_attempts;
    let (account, connector) = (built.account, built.connector);
    Ok(Prepared { name: name.clone(), account, connector, id_prefix, max_reconnect_attempts })
}

impl Channels {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { running: Mutex::default(), registry }
    }

    /// What running connectors can carry, for the wiring.
    pub(crate) fn abilities(&self) -> HashMap<AccountId, (Abilities, &'static str)> {
        let running = self.running.lock();
        running.iter().map(|(a, r)| (a.clone(), (r.connector.abilities(), r.id_prefix))).collect()
    }

    pub(crate) fn status(&self, account: &AccountId) -> Option<Status> {
        self.running.lock().get(account).map(|running| running.status.get())
    }

    /// Makes a connector known, so that deliveries find it. It does not run yet.
    pub(crate) fn enlist(&self, prepared: Prepared, clock: &Arc<dyn Clock>) {
        let Prepared { name, account, connector, id_prefix, max_reconnect_attempts } = prepared;
        let status = StatusReporter::new(clock.clone());
        if connector.linkable().is_some() {
            self.registry.recall(&account, &status);
        }
        let (patience, drain) = (Patience::new(max_reconnect_attempts), CancellationToken::new());
        let running =
            Running { name, connector, id_prefix, status, patience, drain, in_line: false, tasks: Vec::new() };
        self.running.lock().insert(account, running);
    }

    /// Runs an enlisted or paused connector under supervision, unless intake has been stopped for good.
    pub(crate) fn launch(&self, account: &AccountId, pipeline: &Pipeline) {
        let mut channels = self.running.lock();
        let Some(running) = channels.get_mut(account).filter(|r| r.tasks.is_empty() && !r.drain.is_cancelled()) else {
            return;
        };
        running.in_line = false;
        let (status, drain) = (running.status.clone(), running.drain.clone());
        // What a run before this one said of its end is no longer so.
        status.set(State::Connecting, None, None);
        let made = status.get().connections;
        let context = ConnectorContext { inbox: pipeline.inbox(account), status: status.clone(), drain: drain.clone() };
        running.tasks = vec![
            tokio::spawn(supervise(running.name.clone(), running.connector.clone(), context, running.patience.clone())),
            tokio::spawn(announce(status, made, pipeline.clone(), account.clone(), drain.clone())),
        ];
        if running.connector.linkable().is_some() {
            running.tasks.push(tokio::spawn(self.registry.clone().follow(running.seat(account), drain)));
        }
    }

    /// Has an enlisted connector wait for [`Channels::take_turn`].
    pub(crate) fn stand_in_line(&self, account: &AccountId) {
        if let Some(running) = self.running.lock().get_mut(account) {
            running.in_line = true;
            let detail = "it connects when others that start with it have".to_owned();
            running.status.set(State::Connecting, Some("in-line"), Some(detail));
        }
    }

    /// Runs a connector that waits for its turn; none where somebody else has taken it up meanwhile.
    pub(crate) fn take_turn(&self, account: &AccountId, pipeline: &Pipeline) -> Option<watch::Receiver<Status>> {
        if !self.running.lock().get(account)?.in_line {
            return None;
        }
        self.launch(account, pipeline);
        self.changes(account)
    }

    /// How the status of a running connector changes.
    pub(crate) fn changes(&self, account: &AccountId) -> Option<watch::Receiver<Status>> {
        self.running.lock().get(account).map(|running| running.status.subscribe())
    }

    /// After how many failures in a row a channel is critical.
    pub(crate) fn set_patience(&self, account: &AccountId, attempts: u32) {
        if let Some(running) = self.running.lock().get(account) {
            running.patience.set(attempts);
        }
    }

    pub(crate) fn seat(&self, account: &AccountId) -> Option<Seat> {
        self.running.lock().get(account).map(|running| running.seat(account))
    }

    /// Stops a connector and keeps its place, for [`Channels::launch`]. An error if another one sits there by now.
    pub(crate) async fn pause(&self, seat: &Seat) -> Result<(), Replaced> {
        let tasks = {
            let mut channels = self.running.lock();
            let running = channels.get_mut(&seat.account).filter(|r| Arc::ptr_eq(&r.connector, &seat.connector));
            let running = running.ok_or(Replaced)?;
            running.in_line = false;
            if !running.drain.is_cancelled() {
                std::mem::take(&mut running.drain).cancel();
            }
            std::mem::take(&mut running.tasks)
        };
        join(&seat.account, tasks).await;
        Ok(())
    }

    /// Runs a paused connector again, if it still has its place.
    pub(crate) fn resume(&self, seat: &Seat, pipeline: &Pipeline) {
        if self.seat(&seat.account).is_some_and(|now| Arc::ptr_eq(&now.connector, &seat.connector)) {
            self.launch(&seat.account, pipeline);
        }
    }

    /// Stops a connector and takes it out of the map. Intake has ended when this returns.
    pub(crate) async fn stop(&self, account: &AccountId) {
        let Some(running) = self.running.lock().remove(account) else { return };
        running.drain.cancel();
        join(account, running.tasks).await;
    }

    /// Stops all intake, and leaves the connectors in place: what is on its way out still needs them.
    pub(crate) async fn stop_intake(&self) {
        let tasks: Vec<_> = {
            let mut running = self.running.lock();
            running
                .iter_mut()
                .map(|(account, r)| {
                    r.drain.cancel();
                    r.status.set(State::Draining, None, None);
                    (account.clone(), std::mem::take(&mut r.tasks))
                })
                .collect()
        };
        futures_util::future::join_all(tasks.into_iter().map(|(account, tasks)| async move {
            join(&account, tasks).await;
        }))
        .await;
    }

    /// Hands over settings that are not identity. The connection stays.
    pub(crate) async fn update(&self, account: &AccountId, settings: ChannelSettings) {
        let connector = self.connector(account);
        if let Some(connector) = connector {
            connector.update(settings).await;
        }
    }
}

async fn join(account: &AccountId, tasks: Vec<JoinHandle<()>>) {
    for mut task in tasks {
        if tokio::time::timeout(STOP_LIMIT, &mut task).await.is_err() {
            tracing::warn!(%account, "the connector did not stop in {STOP_LIMIT:?} and is cut off");
            task.abort();
        }
    }
}

/// Tells the pipeline whenever the connection stands again.
async fn announce(status: StatusReporter, made: u64, pipeline: Pipeline, account: AccountId, drain: CancellationToken) {
    let mut changes = status.subscribe();
    // Those of a run before this one were told.
    let mut made = made;
    loop {
        let connections = changes.borrow_and_update().connections;
        if connections > made {
            made = connections;
            pipeline.connected(&account);
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = drain.cancelled() => return,
        }
    }
}
