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
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::build::BuildFailure;
use crate::supervisor::supervise;

/// How long a connector may take to stop before it is cut off.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A connector that was built and not started.
pub(crate) struct Prepared {
    pub(crate) name: ChannelName,
    pub(crate) account: AccountId,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) id_prefix: &'static str,
}

struct Running {
    name: ChannelName,
    connector: Arc<dyn Connector>,
    id_prefix: &'static str,
    status: StatusReporter,
    drain: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// All running connectors.
#[derive(Default)]
pub(crate) struct Channels(Mutex<HashMap<AccountId, Running>>);

impl Carriers for Channels {
    fn connector(&self, account: &AccountId) -> Option<Arc<dyn Connector>> {
        self.0.lock().get(account).map(|running| running.connector.clone())
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
    Ok(Prepared { name: name.clone(), account: built.account, connector: built.connector, id_prefix })
}

impl Channels {
    /// What running connectors can carry, for the wiring.
    pub(crate) fn abilities(&self) -> HashMap<AccountId, (Abilities, &'static str)> {
        let running = self.0.lock();
        running.iter().map(|(a, r)| (a.clone(), (r.connector.abilities(), r.id_prefix))).collect()
    }

    pub(crate) fn status(&self, account: &AccountId) -> Option<Status> {
        self.0.lock().get(account).map(|running| running.status.get())
    }

    /// Makes a connector known, so that deliveries find it. It does not run yet.
    pub(crate) fn enlist(&self, prepared: Prepared, clock: &Arc<dyn Clock>) {
        let Prepared { name, account, connector, id_prefix } = prepared;
        let running = Running {
            name,
            connector,
            id_prefix,
            status: StatusReporter::new(clock.clone()),
            drain: CancellationToken::new(),
            tasks: Vec::new(),
        };
        self.0.lock().insert(account, running);
    }

    /// Runs an enlisted connector under supervision.
    pub(crate) fn launch(&self, account: &AccountId, pipeline: &Pipeline) {
        let mut channels = self.0.lock();
        let Some(running) = channels.get_mut(account) else { return };
        let (status, drain) = (running.status.clone(), running.drain.clone());
        let context = ConnectorContext { inbox: pipeline.inbox(account), status: status.clone(), drain: drain.clone() };
        running.tasks = vec![
            tokio::spawn(supervise(running.name.clone(), running.connector.clone(), context)),
            tokio::spawn(announce(status, pipeline.clone(), account.clone(), drain)),
        ];
    }

    /// Stops a connector and takes it out of the map. Intake has ended when this returns.
    pub(crate) async fn stop(&self, account: &AccountId) {
        let Some(running) = self.0.lock().remove(account) else { return };
        running.drain.cancel();
        join(account, running.tasks).await;
    }

    /// Stops all intake, and leaves the connectors in place: what is on its way out still needs them.
    pub(crate) async fn stop_intake(&self) {
        let tasks: Vec<_> = {
            let mut running = self.0.lock();
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
async fn announce(status: StatusReporter, pipeline: Pipeline, account: AccountId, drain: CancellationToken) {
    let mut changes = status.subscribe();
    let mut made = 0;
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
