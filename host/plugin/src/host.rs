//! The plugin host: from a source to a hook.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use switchhook_core::catalogue::{
    Capability, Catalogue, CatalogueError, Description, HookKind, Limits, MAX_SETTINGS, PluginSource, SettingsProblem,
};
use switchhook_core::hook::{Hook, HookFailure};
use switchhook_core::id::Digest;
use wasmtime::component::Component;

use crate::cache::Cache;
use crate::compile;
use crate::contract::{About, Contracts, Invocation};
use crate::describe;
use crate::error::{CompileError, EngineError};
use crate::hook::Caller;
use crate::options::{HookGrants, HostOptions};
use crate::refusals::{Certainty, Refusals};
use crate::report::EngineReport;
use crate::sandbox::{Job, Plugin, Sandbox, list};
use crate::source::{self, Bytes};
use crate::state::{Permissions, wit_name};

/// The bounds of `describe`, which no config sets.
const DESCRIBE: Limits =
    Limits { memory: 128 << 20, deadline: Duration::from_secs(2), host_calls: 0, output: 256 * 1024 };
/// How often a proof that ran out of time is tried again: on a busy machine the first one may.
const PROOFS: usize = 3;
/// How many loaded components are remembered; hooks keep their own alive.
const MAX_LOADED: usize = 64;

/// Loads plugins and makes hooks of them. Cloning is cheap.
#[derive(Clone)]
pub struct PluginHost(Arc<Inner>);

struct Inner {
    options: HostOptions,
    sandbox: Arc<Sandbox>,
    contracts: Contracts,
    cache: Cache,
    /// The latest last.
    loaded: Mutex<VecDeque<Loaded>>,
    refusals: Refusals,
    /// Components are compiled one at a time: messages come first.
    loading: Mutex<()>,
}

/// A component that is compiled, linked and described.
#[derive(Clone)]
pub struct Loaded {
    pub digest: Digest,
    pub description: Description,
    plugin: Arc<Plugin>,
}

/// A hook that is ready to be called. It keeps its version of the plugin, whatever happens to the source.
#[derive(Clone)]
pub struct Prepared {
    pub digest: Digest,
    pub kind: HookKind,
    pub hook: Hook,
}

impl PluginHost {
    /// Starts the engine and the threads that guests run on.
    pub fn new(options: HostOptions) -> Result<Self, EngineError> {
        let sandbox = Arc::new(Sandbox::start(&options)?);
        let contracts = Contracts::new(sandbox.engine()).map_err(|error| EngineError::Engine(format!("{error:#}")))?;
        let cache = Cache::open(&options.cache_dir, sandbox.engine())?;
        let (loaded, refusals, loading) = (Mutex::default(), Refusals::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { options, sandbox, contracts, cache, loaded, refusals, loading })))
    }

    /// One of the threads that guests run on: the one that has least to do. What waits
    /// for guests runs best here, too.
    pub fn worker(&self) -> tokio::runtime::Handle {
        self.0.sandbox.workers().next().clone()
    }

    /// The thread that asks, where it is one of those, no guest is in the middle of a call there, and none has kept a thread
    /// lately. What waits for a socket can do it here: should a guest come that spins, it waits each time it wakes for a turn
    /// of every one that does.
    pub fn worker_here(&self) -> Option<tokio::runtime::Handle> {
        self.0.sandbox.quiet_here().cloned()
    }

    /// How the engine is set up here, for `status`.
    pub fn report(&self) -> EngineReport {
        let mut report = self.0.sandbox.report().clone();
        report.scaled_down.extend(self.0.cache.note().map(str::to_owned));
        report
    }

    /// What the plugin says of itself. Blocking.
    pub fn describe(&self, source: &PluginSource) -> Result<Description, CatalogueError> {
        self.load(source).map(|loaded| loaded.description)
    }

    /// Reads, hashes, compiles, links and describes what the source holds now; what was loaded before costs the
    /// reading only. Blocking: call it off the message path.
    pub fn load(&self, source: &PluginSource) -> Result<Loaded, CatalogueError> {
        let name = source.to_string();
        let Bytes { bytes, digest } = source::read(source)?;
        if let Some(loaded) = self.remembered(&digest) {
            return Ok(loaded);
        }
        let _one_at_a_time = self.0.loading.lock();
        if let Some(loaded) = self.remembered(&digest) {
            return Ok(loaded);
        }
        if let Some(refused) = self.0.refusals.of(&digest, &name) {
            return Err(refused);
        }
        match self.load_anew(&bytes, &digest, &name) {
            Ok(loaded) => {
                self.remember(loaded.clone());
                Ok(loaded)
            }
            Err((error, certainty)) => {
                self.0.refusals.remember(&digest, &error, certainty);
                Err(error)
            }
        }
    }

    fn load_anew(&self, bytes: &[u8], digest: &Digest, name: &str) -> Result<Loaded, (CatalogueError, Certainty)> {
        let certain = |error| (error, Certainty::Certain);
        let unfit = |reason| CatalogueError::NotAPlugin { source_name: name.to_owned(), reason };
        let component = self.component(bytes, digest).map_err(|error| (unfit(error.to_string()), error.certainty()))?;
        let bound = self.0.contracts.bind(&component, name).map_err(certain)?;
        let plugin = Arc::new(self.0.sandbox.plugin(bound).map_err(|reason| certain(unfit(reason)))?);
        let description = self.description(&plugin, digest, name)?;
        Ok(Loaded { digest: digest.clone(), description, plugin })
    }

    /// A hook ready to be called: that it takes its settings was proved in an instance that was thrown away. Blocking.
    pub fn prepare(
        &self,
        source: &PluginSource,
        settings: &serde_json::Value,
        limits: &Limits,
        grants: &HookGrants,
    ) -> Result<Prepared, CatalogueError> {
        let loaded = self.load(source)?;
        let name = source.to_string();
        let failed = |function, reason| CatalogueError::Failed { source_name: name.clone(), function, reason };
        check_grants(&loaded.description, grants).map_err(|reason| failed("describe", reason))?;
        let settings = settings_text(settings).map_err(|reason| failed("configure", reason))?;
        let problems =
            self.prove(&loaded, &settings, limits).map_err(|error| failed("configure", error.to_string()))?;
        if !problems.is_empty() {
            return Err(failed("configure", format!("its settings: {}", list(&problems))));
        }
        let permissions = Permissions { capabilities: loaded.description.capabilities.clone() };
        let caller = Caller {
            sandbox: Arc::clone(&self.0.sandbox),
            plugin: loaded.plugin,
            settings,
            limits: *limits,
            permissions: Arc::new(permissions),
        };
        Ok(Prepared { digest: loaded.digest, kind: loaded.description.kind, hook: caller.into_hook() })
    }

    fn remembered(&self, digest: &Digest) -> Option<Loaded> {
        self.0.loaded.lock().iter().find(|loaded| loaded.digest == *digest).cloned()
    }

    fn remember(&self, loaded: Loaded) {
        let mut all = self.0.loaded.lock();
        if all.len() == MAX_LOADED {
            all.pop_front();
        }
        all.push_back(loaded);
    }

    fn component(&self, bytes: &[u8], digest: &Digest) -> Result<Component, CompileError> {
        let Inner { options, sandbox, cache, .. } = &*self.0;
        if let Some(component) = cache.component(sandbox.engine(), digest) {
            return Ok(component);
        }
        let compile =
            |out: &std::path::Path| compile::compile(sandbox, &options.compiler, options.compile_time, bytes, out);
        cache.add(sandbox.engine(), digest, compile)
    }

    fn description(
        &self,
        plugin: &Arc<Plugin>,
        digest: &Digest,
        name: &str,
    ) -> Result<Description, (CatalogueError, Certainty)> {
        if let Some(description) = self.0.cache.description(digest) {
            return Ok(description);
        }
        let failed = |reason| CatalogueError::Failed { source_name: name.to_owned(), function: "describe", reason };
        let bound = &plugin.bound;
        let described = self
            .proved(plugin, &DESCRIBE, |about| about.describe())
            .map_err(|error| (failed(error.to_string()), certainty(&error)))?;
        let description = describe::check(described, digest.clone(), bound.hook.kind(), bound.contract)
            .map_err(|reason| (failed(reason), Certainty::Certain))?;
        self.0.cache.keep_description(&description);
        Ok(description)
    }

    /// Whether `configure` takes the settings within the limits that every later call has.
    fn prove(
        &self,
        loaded: &Loaded,
        settings: &Arc<str>,
        limits: &Limits,
    ) -> Result<Vec<SettingsProblem>, HookFailure> {
        self.proved(&loaded.plugin, limits, |about| about.configure(Arc::clone(settings))).map(describe::problems)
    }

    /// Runs a function of `about` in an instance that is thrown away.
    fn proved<R: Send + 'static>(
        &self,
        plugin: &Arc<Plugin>,
        limits: &Limits,
        function: impl Fn(&dyn About) -> Invocation<R>,
    ) -> Result<R, HookFailure> {
        let attempt = || {
            let (plugin, permissions) = (Arc::clone(plugin), Arc::default());
            let invocation = function(&*plugin.bound.about);
            let job = Job { plugin, limits: *limits, permissions, settings: None, call: None, invocation };
            let sandbox = Arc::clone(&self.0.sandbox);
            self.0
                .sandbox
                .block_on(async move { sandbox.run(job).await })
                .unwrap_or_else(|| Err(HookFailure::Host { detail: "it is shutting down".to_owned() }))
        };
        for _ in 1..PROOFS {
            match attempt() {
                Err(HookFailure::Deadline { .. }) => {}
                result => return result,
            }
        }
        attempt()
    }
}

impl Catalogue for PluginHost {
    fn describe(&self, source: &PluginSource) -> Result<Description, CatalogueError> {
        PluginHost::describe(self, source)
    }
    fn configure(
        &self,
        source: &PluginSource,
        settings: &serde_json::Value,
        limits: &Limits,
    ) -> Result<Vec<SettingsProblem>, CatalogueError> {
        let failed = |reason| CatalogueError::Failed { source_name: source.to_string(), function: "configure", reason };
        let loaded = self.load(source)?;
        let settings = settings_text(settings).map_err(failed)?;
        self.prove(&loaded, &settings, limits).map_err(|error| failed(error.to_string()))
    }
}

/// `describe` gives the same answer each time, unless the clock or the host ended it.
fn certainty(failure: &HookFailure) -> Certainty {
    match failure {
        HookFailure::Deadline { .. } => Certainty::Doubtful,
        HookFailure::Host { .. } => Certainty::None,
        _ => Certainty::Certain,
    }
}

fn settings_text(settings: &serde_json::Value) -> Result<Arc<str>, String> {
    let text = settings.to_string();
    if text.len() > MAX_SETTINGS {
        return Err(format!("its settings are {} bytes of JSON; {MAX_SETTINGS} is the most", text.len()));
    }
    Ok(text.into())
}

fn check_grants(description: &Description, grants: &HookGrants) -> Result<(), String> {
    if description.capabilities.contains(&Capability::Attachments) && !grants.attachments {
        let name = wit_name(Capability::Attachments);
        return Err(format!("it asks for `{name}`: allow it with `grants = {{ {name} = true }}`, or use another"));
    }
    Ok(())
}
