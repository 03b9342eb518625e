//! `switchhook run`: build, spawn, wait, drain.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use switchhook_api::{ApiOptions, LocalToken, Readiness};
use switchhook_config::{Config, Durability, Kinds, ProcessSecrets, Sources, WatchOptions};
use switchhook_core::time::Clock;
use switchhook_plugin::PluginHost;
use switchhook_runtime::{Cause, Host, HostOptions, KeySource};
use switchhook_store::{Keyring, Store, StoreError, StoreOptions};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::places::{Places, reachable};
use crate::signals::{Request, Signals};
use crate::wiring::Connectors;
use crate::{keys, logging, serve, wiring};

/// How often the metrics are tidied while nobody reads them.
const UPKEEP: Duration = Duration::from_secs(5);
/// How often a host looks whether the one before it has ended. The lock tells nobody when it is let go of.
const LOCK_GLANCE: Duration = Duration::from_millis(250);
/// How long the server may finish what it has begun once the host has drained.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// The upper bounds of the histograms, in seconds: from a plugin's call (tens of microseconds) to a model's answer.
const BUCKETS: [f64; 16] =
    [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.25, 1.0, 5.0, 30.0, 120.0];

pub(crate) fn run(places: Places, clock: Arc<dyn Clock>) -> Result<String, Failure> {
    logging::start(places.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(network_threads()).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::other("the runtime did not start", error))?;
    let outcome = runtime.block_on(async {
        let parts = build(places, clock).await?;
        let mut running = spawn(parts).await?;
        wait(&mut running).await?;
        drain(running).await
    });
    // Whatever still runs had its time in the drain.
    runtime.shutdown_background();
    outcome.map(|()| String::new())
}

/// How many threads the runtime of connectors has: half of the cores. Guests have threads of their own, as many as there are cores. One
/// serves thousands of messages a second, and each more costs a message wake-ups: on two cores a sixth of its CPU.
fn network_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// Everything that is needed, and nothing running yet.
struct Parts {
    places: Places,
    config: Config,
    connectors: Connectors,
    plugins: PluginHost,
    key: KeySource,
    store: Store,
    clock: Arc<dyn Clock>,
    metrics: PrometheusHandle,
    token: LocalToken,
    listener: TcpListener,
    signals: Signals,
}

async fn build(places: Places, clock: Arc<dyn Clock>) -> Result<Parts, Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::other("signals can't be received", error))?;
    let metrics = metrics()?;
    keys::make_folders(&places)?;
    let token = LocalToken::open_or_make(&places.keys_dir).map_err(|error| Failure::other("no API token", error))?;
    let connectors = Connectors::new(keys::cookie_key(&places)?, places.names());
    let plugins = wiring::plugins(&places)?;
    let config = blocking({
        let (places, kinds, plugins) = (places.clone(), connectors.kinds.clone(), plugins.clone());
        move || load(&places, &kinds, &plugins)
    })
    .await?;
    let key = keys::source(&places, config.host.master_key.as_ref());
    let store = tokio::select! {
        store = open_store(&key, &config, &clock) => store?,
        () = stopped(&mut signals) => {
            return Err(Failure::Other { what: "stopped while it waited for the data folder".to_owned(), help: None });
        }
    };
    connectors.open(&store);
    let listener = serve::bind(&places, config.host.listen).await?;
    Ok(Parts { places, config, connectors, plugins, key, store, clock, metrics, token, listener, signals })
}

fn metrics() -> Result<PrometheusHandle, Failure> {
    let builder = PrometheusBuilder::new().set_buckets(&BUCKETS);
    let handle = builder.and_then(PrometheusBuilder::install_recorder);
    handle.map_err(|error| Failure::other("metrics can't be kept", error))
}

fn load(places: &Places, kinds: &Kinds, plugins: &PluginHost) -> Result<Config, Failure> {
    let sources = Sources { catalogue: plugins, kinds, secrets: &ProcessSecrets };
    Ok(switchhook_config::load(&places.config, &sources)?)
}

/// Waits while another host has the data folder: a pod that takes over starts before the old one has ended.
async fn open_store(key: &KeySource, config: &Config, clock: &Arc<dyn Clock>) -> Result<Store, Failure> {
    let mut said = false;
    loop {
        // Each time: the host that has the folder may change the key meanwhile.
        let options = store_options(config, keys::keyring(key)?, clock.clone());
        match blocking(move || Ok(Store::open(options))).await? {
            Ok((store, found)) => {
                if found.waiting + found.unknown > 0 {
                    tracing::info!(
                        waiting = found.waiting,
                        unknown = found.unknown,
                        "going on with what the last run left"
                    );
                }
                return Ok(store);
            }
            Err(StoreError::Locked { dir, pid }) => {
                if !said {
                    tracing::warn!(folder = %dir.display(), pid, "another host has the data folder: waiting until it ends");
                }
                said = true;
                tokio::time::sleep(LOCK_GLANCE).await;
            }
            Err(error) => return Err(keys::store_failure(error, key)),
        }
    }
}

fn store_options(config: &Config, keys: Keyring, clock: Arc<dyn Clock>) -> StoreOptions {
    StoreOptions {
        dir: config.host.data_dir.clone(),
        keys,
        durability: match config.host.durability {
            Durability::Power => switchhook_store::Durability::Power,
            Durability::Process => switchhook_store::Durability::Process,
        },
        network_fs: None,
        clock,
    }
}

async fn stopped(signals: &mut Signals) {
    while signals.next().await != Request::Stop {}
}

type Server = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

/// A host at work, and what is needed to end it.
struct Running {
    places: Places,
    host: Host,
    store: Store,
    server: Server,
    readiness: watch::Sender<Readiness>,
    stop_server: CancellationToken,
    metrics: PrometheusHandle,
    signals: Signals,
}

async fn spawn(parts: Parts) -> Result<Running, Failure> {
    let listen = parts.listener.local_addr().unwrap_or(parts.config.host.listen);
    let names = parts.places.names();
    let options = HostOptions {
        config_path: parts.places.config.clone(),
        kinds: Arc::new(parts.connectors.kinds),
        secrets: Arc::new(ProcessSecrets),
        plugins: parts.plugins,
        store: parts.store.clone(),
        key: parts.key,
        clock: parts.clock,
        watch: WatchOptions::default(),
    };
    let host = Host::start(options, parts.config).await;
    let host = host.map_err(|error| Failure::other("the host did not start", error))?;
    let (readiness, seen) = watch::channel(Readiness::Ready);
    let options = ApiOptions { token: parts.token.hash(), names, metrics: parts.metrics.clone(), readiness: seen };
    let router = parts.connectors.hub.router().merge(switchhook_api::router(host.clone(), options));
    let stop_server = CancellationToken::new();
    let server = Box::pin(serve::serve(parts.listener, router, stop_server.clone()));
    tracing::info!("open http://{}/", reachable(listen));
    Ok(Running {
        places: parts.places,
        host,
        store: parts.store,
        server,
        readiness,
        stop_server,
        metrics: parts.metrics,
        signals: parts.signals,
    })
}

/// Until somebody asks for the end.
async fn wait(running: &mut Running) -> Result<(), Failure> {
    let mut upkeep = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            request = running.signals.next() => match request {
                Request::Stop => return Ok(()),
                Request::Reload => drop(tokio::spawn(reload(running.host.clone()))),
            },
            ended = &mut running.server => return server_ended(ended),
            _ = upkeep.tick() => running.metrics.run_upkeep(),
        }
    }
}

/// On its own, so that a second signal is heard while plugins compile.
async fn reload(host: Host) {
    let attempt = host.reload(Cause::Signal).await;
    tracing::debug!(number = attempt.number, "looked at the config because of a signal");
}

fn server_ended(ended: std::io::Result<()>) -> Result<(), Failure> {
    match ended {
        Ok(()) => Err(Failure::Other { what: "the HTTP server ended by itself".to_owned(), help: None }),
        Err(error) => Err(Failure::other("the HTTP server ended", error)),
    }
}

/// Finishes what was begun, within the time the config gives; a second signal cuts it short.
async fn drain(mut running: Running) -> Result<(), Failure> {
    tracing::info!("draining; a second signal quits at once");
    running.readiness.send_replace(Readiness::Draining);
    let draining = running.host.drain();
    tokio::pin!(draining);
    let mut serving = true;
    let report = loop {
        tokio::select! {
            report = &mut draining => break report,
            request = running.signals.next() => if request == Request::Stop {
                return Err(Failure::Other { what: "quit before everything was finished".to_owned(), help: None });
            },
            _ = &mut running.server, if serving => serving = false,
        }
    };
    running.places.forget_address();
    running.stop_server.cancel();
    if serving && tokio::time::timeout(LAST_ANSWERS, running.server).await.is_err() {
        tracing::info!("some HTTP connections were cut");
    }
    if !report.stragglers.is_empty() {
        tracing::warn!(stragglers = ?report.stragglers, "not everything ended in time; the rest goes on at the next start");
    }
    let store = running.store;
    blocking(move || {
        store.close();
        Ok(())
    })
    .await?;
    tracing::info!("drained");
    Ok(())
}

/// Off the threads that carry messages.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Failure::other("a part of the start failed", error)),
    }
}
