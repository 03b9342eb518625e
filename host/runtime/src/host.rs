//! The host as its users see it: the command line, the API and the tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use switchhook_config::{
    ChannelConfig, Config, ConfigErrors, Kinds, Plan, SecretSource, WatchError, WatchOptions, Watcher, plan,
};
use switchhook_core::id::{ChannelName, GenerationNumber, InboxId, OutboxId};
use switchhook_core::message::Standing;
use switchhook_core::person::PersonId;
use switchhook_core::status::{State, Status};
use switchhook_core::time::{Clock, UnixMillis};
use switchhook_pipeline::wiring::{Limits, Wiring};
use switchhook_pipeline::{Event, Pipeline, PipelineParts, Straggler};
use switchhook_plugin::PluginHost;
use switchhook_store::{Approval, Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::apply::Current;
use crate::channels::Channels;
use crate::health::{Health, Vitals};
use crate::link::{Caller, Links, LinksParts, Registry};
use crate::rotation::{KeySource, KeyStatus, Keys, RotationRefusal};
use crate::status::{Attempt, AttemptOutcome, ChannelStatus, HostStatus, PluginStatus};
use crate::{rest, tasks};

/// What a host is made of.
pub struct HostOptions {
    pub config_path: PathBuf,
    pub kinds: Arc<Kinds>,
    pub secrets: Arc<dyn SecretSource>,
    pub plugins: PluginHost,
    pub store: Store,
    /// Where the store's key comes from.
    pub key: KeySource,
    pub clock: Arc<dyn Clock>,
    pub watch: WatchOptions,
}

/// Who asked for an edit to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Start,
    File,
    Signal,
    Api,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::File => "file",
            Self::Signal => "signal",
            Self::Api => "api",
        })
    }
}

/// How long a drain waits for an edit under way, which may be compiling a plugin.
const LAST_EDIT: Duration = Duration::from_secs(5);

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the config files can't be watched: {0}")]
    Watch(#[from] WatchError),
    #[error("the config can't be put in force: {0}")]
    Refused(String),
    #[error("the devices can't be read: {0}")]
    Devices(#[from] StoreError),
    #[error("the rotation of the master key can't go on: {0}")]
    Rotation(#[from] RotationRefusal),
}

/// How a drain went.
#[derive(Debug, Clone, Serialize)]
pub struct DrainReport {
    /// What was not finished in time; it is in the journal and goes on at the next start.
    pub stragglers: Vec<Straggler>,
}

pub(crate) struct Inner {
    pub(crate) config_path: PathBuf,
    pub(crate) kinds: Arc<Kinds>,
    pub(crate) secrets: Arc<dyn SecretSource>,
    pub(crate) plugins: PluginHost,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pipeline: Pipeline,
    pub(crate) channels: Arc<Channels>,
    pub(crate) links: Arc<Links>,
    keys: Keys,
    pub(crate) current: Mutex<Current>,
    pub(crate) applying: tokio::sync::Mutex<()>,
    pub(crate) stop: CancellationToken,
    watcher: Watcher,
    pub(crate) tasks: TaskTracker,
    started_at: UnixMillis,
}

impl Inner {
    pub(crate) fn watch(&self, files: Vec<PathBuf>) {
        self.watcher.watch(files);
    }
}

/// A running host. Cheap to clone.
#[derive(Clone)]
pub struct Host(pub(crate) Arc<Inner>);

impl Host {
    /// Puts the first config in force and starts its channels. Startup is the first edit.
    pub async fn start(options: HostOptions, first: Config) -> Result<Self, StartError> {
        let HostOptions { config_path, kinds, secrets, plugins, store, key, clock, watch } = options;
        let registry = Arc::new(Registry::open(store.clone(), clock.clone()).await?);
        let channels = Arc::new(Channels::new(registry.clone()));
        let network = Handle::current();
        let (for_lanes, for_calls, connectors) = (plugins.clone(), plugins.clone(), network.clone());
        let parts = PipelineParts {
            store: store.clone(),
            clock: clock.clone(),
            carriers: channels.clone(),
            lanes: Arc::new(move || for_lanes.worker()),
            calls: Arc::new(move || for_calls.worker_here().unwrap_or_else(|| connectors.clone())),
            network,
        };
        let pipeline = Pipeline::new(parts, Wiring::new(GenerationNumber(0), []));
        let (watcher, changes) = Watcher::start(first.files.clone(), watch)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let links = LinksParts {
            store: store.clone(),
            clock: clock.clone(),
            channels: channels.clone(),
            pipeline: pipeline.clone(),
            registry,
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        let links = Arc::new(Links::open(links).await?);
        let keys = Keys::new(store.clone(), key, clock.clone(), stop.clone(), tasks.clone());
        let host = Self(Arc::new(Inner {
            config_path,
            kinds,
            secrets,
            plugins,
            store,
            started_at: clock.now(),
            clock,
            pipeline,
            channels,
            links,
            keys,
            current: Mutex::default(),
            applying: tokio::sync::Mutex::default(),
            stop,
            watcher,
            tasks,
        }));
        let attempt = host.apply(Cause::Start, Some(first)).await;
        if attempt.outcome == AttemptOutcome::Rejected {
            return Err(StartError::Refused(attempt.rendered.unwrap_or_default()));
        }
        host.0.tasks.spawn(tasks::follow_files(host.clone(), changes));
        host.0.tasks.spawn(tasks::fire_timers(host.clone()));
        host.0.tasks.spawn(tasks::purge(host.clone()));
        host.0.tasks.spawn(rest::rest(host.clone()));
        host.0.keys.resume().await?;
        Ok(host)
    }

    /// Reads the config again, and puts it in force if it differs and is good.
    pub async fn reload(&self, cause: Cause) -> Attempt {
        let host = self.clone();
        self.whole(async move { host.apply(cause, None).await }).await
    }

    /// Does something that must not stop half-way when its caller goes away, as the client of a request may.
    pub(crate) async fn whole<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self.0.tasks.spawn(work).await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Only the end of the runtime cancels it, and with it whoever waits here.
            Err(_) => std::future::pending().await,
        }
    }

    /// What a reload would do now.
    pub async fn dry_run(&self) -> Result<Plan, ConfigErrors> {
        let new = self.load().await?;
        Ok(plan(self.0.current.lock().config.as_deref(), &new))
    }

    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub fn plugins(&self) -> &PluginHost {
        &self.0.plugins
    }

    /// The config in force.
    pub fn config(&self) -> Arc<Config> {
        // `start` does not return before the first config is in force.
        self.0.current.lock().config.clone().expect("a started host has a config")
    }

    /// Brings a held or dead message back to work.
    pub async fn replay(&self, id: InboxId, approval: Approval) -> Result<(), StoreError> {
        let pipeline = self.0.pipeline.clone();
        self.whole(async move { pipeline.replay(id, approval).await }).await
    }

    /// Brings a dead or parked delivery back to work.
    pub async fn resend(&self, id: OutboxId) -> Result<(), StoreError> {
        let pipeline = self.0.pipeline.clone();
        self.whole(async move { pipeline.resend(id).await }).await
    }

    /// Says something of a contact, for good. Counts from the next decision on, those under way included.
    pub async fn set_standing(&self, id: &PersonId, standing: Standing) -> Result<(), StoreError> {
        let (host, id) = (self.clone(), id.clone());
        self.whole(async move {
            host.0.store.set_standing(&id, standing).await?;
            host.0.pipeline.standing_changed();
            Ok(())
        })
        .await
    }

    /// What can be told of the master key.
    pub fn key(&self) -> KeyStatus {
        self.0.keys.status()
    }

    /// Begins to seal everything with a new master key, or goes on with it; [`Host::key`] tells how far it is.
    pub async fn rotate_key(&self, caller: Caller) -> Result<KeyStatus, RotationRefusal> {
        let keys = self.0.keys.clone();
        self.whole(async move { keys.rotate(caller).await }).await
    }

    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.pipeline.events()
    }

    pub async fn status(&self) -> HostStatus {
        let config = self.config();
        let (generation, last_attempt, models) = {
            let current = self.0.current.lock();
            (current.generation, current.last.clone(), current.models.clone())
        };
        let report = self.0.plugins.report();
        let notes = report.scaled_down.clone();
        HostStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            generation,
            started_at: self.0.started_at,
            config_path: config.path.display().to_string(),
            config_digest: config.digest.as_str().to_owned(),
            last_attempt,
            channels: self.channel_statuses(&config),
            plugins: plugin_statuses(&config),
            max_connections: config.host.max_connections,
            engine: serde_json::to_value(report).unwrap_or_default(),
            models: models.map(|m| serde_json::to_value(m.usage()).unwrap_or_default()).unwrap_or_default(),
            notes,
        }
    }

    /// How one channel is; none where the config has none of that name.
    pub fn health(&self, channel: &str) -> Option<Health> {
        let config = self.config();
        let (_, channel) = config.channels.get_key_value(channel)?;
        Some(self.judge(&config, channel, &self.channel_state(channel)))
    }

    fn channel_statuses(&self, config: &Config) -> Vec<ChannelStatus> {
        let of = |(name, channel): (&ChannelName, &ChannelConfig)| {
            let load = self.0.pipeline.load(&channel.account);
            let status = self.channel_state(channel);
            ChannelStatus {
                name: name.to_string(),
                kind: channel.kind.clone(),
                account: channel.account.to_string(),
                enabled: channel.enabled,
                health: self.judge(config, channel, &status),
                status,
                waiting: load.waiting,
                outgoing: load.outgoing,
            }
        };
        config.channels.iter().map(of).collect()
    }

    fn channel_state(&self, channel: &ChannelConfig) -> Status {
        let running = channel.enabled.then(|| self.0.channels.status(&channel.account)).flatten();
        running.unwrap_or_else(|| Status::new(State::Disabled, self.0.started_at))
    }

    fn judge(&self, config: &Config, channel: &ChannelConfig, status: &Status) -> Health {
        let day = config.host.time_zone.day(self.0.clock.now());
        // What does not run has no limits of its kind, only those that its table names.
        let unwired = Limits { per_day: channel.daily_limit, ..Limits::default() };
        let wiring = self.0.pipeline.wiring();
        let vitals = Vitals {
            status,
            limits: wiring.channel(&channel.account).map_or(unwired, |wired| wired.limits),
            max_reconnect_attempts: channel.max_reconnect_attempts,
            today: self.0.store.tally(&channel.account).within(day.from, day.until),
            resets_at: day.until,
        };
        vitals.judge()
    }

    /// Stops intake, lets lanes finish and the outbox flush, and closes the connectors.
    pub async fn drain(&self) -> DrainReport {
        self.0.stop.cancel();
        let limit = self.config().host.drain;
        // An edit that is being put in force ends first, or comes too late: no connector starts from here on.
        let _no_more_edits = tokio::time::timeout(LAST_EDIT, self.0.applying.lock()).await;
        self.0.channels.stop_intake().await;
        let stragglers = self.0.pipeline.drain(limit).await;
        for straggler in &stragglers {
            tracing::warn!(account = %straggler.account, "not finished in {limit:?}: {}; it is in the journal", straggler.what);
        }
        self.0.tasks.close();
        if tokio::time::timeout(LAST_EDIT, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("the host's own tasks did not end in {LAST_EDIT:?}");
        }
        DrainReport { stragglers }
    }
}

fn plugin_statuses(config: &Config) -> Vec<PluginStatus> {
    let of = |(name, plugin): (&switchhook_core::id::PluginName, &switchhook_config::PluginConfig)| PluginStatus {
        name: name.to_string(),
        source: plugin.source.to_string(),
        digest: plugin.description.digest.as_str().to_owned(),
        kind: plugin.description.kind.to_string(),
        version: plugin.description.version.clone(),
    };
    config.plugins.iter().map(of).collect()
}
