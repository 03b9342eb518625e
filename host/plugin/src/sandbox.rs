//! Where guests run: threads of their own, a bounded number of slots, and the limits around one call.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use switchhook_core::catalogue::{Limits, SettingsProblem};
use switchhook_core::hook::{Call, HookFailure};
use switchhook_core::time::UnixMillis;
use tokio::runtime::Handle;
use tokio::time::timeout_at;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::breach::{Bounds, Breach, explain};
use crate::contract::{Bound, Invocation};
use crate::describe;
use crate::engine::{self, MAX_MEMORIES};
use crate::error::EngineError;
use crate::options::HostOptions;
use crate::report::EngineReport;
use crate::slots::{Held, Slots, Tenant};
use crate::state::{MAX_HANDLES, Permissions, State};
use crate::ticker::Ticker;
use crate::workers::{Where, Workers};

/// What one crossing from guest to host may copy, at least: a value of the key-value store and a long log line fit.
const MIN_CROSSING: usize = 1 << 20;

pub(crate) struct Sandbox {
    engine: Engine,
    workers: Workers,
    slots: Slots,
    /// The next plugin's.
    tenant: AtomicU64,
    ticker: Ticker,
    report: EngineReport,
}

/// A component that can be called.
pub(crate) struct Plugin {
    pub(crate) bound: Bound,
    /// Slots that one instance takes: one for each linear memory.
    slots: u32,
    tenant: Tenant,
}

/// One call: a fresh instance, its settings, then a function.
pub(crate) struct Job<R> {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) limits: Limits,
    pub(crate) permissions: Arc<Permissions>,
    /// The settings it is configured with first; none for `describe`, and where the function itself is `configure`.
    pub(crate) settings: Option<Arc<str>>,
    /// What the guest may ask; none while a plugin is described or configured.
    pub(crate) call: Option<Call>,
    pub(crate) invocation: Invocation<R>,
}

impl Sandbox {
    pub(crate) fn start(options: &HostOptions) -> Result<Self, EngineError> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let workers = if options.workers == 0 { cores } else { options.workers };
        let engine::Built { engine, report } = engine::build(options, workers)?;
        let workers = Workers::start(workers).map_err(EngineError::Threads)?;
        let ticker = Ticker::start(engine.weak()).map_err(EngineError::Threads)?;
        let slots = Slots::new(report.slots);
        Ok(Self { engine, workers, slots, tenant: AtomicU64::new(0), ticker, report })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn report(&self) -> &EngineReport {
        &self.report
    }

    /// The worker that asks, where no guest has it and none that would keep it is to be expected.
    pub(crate) fn quiet_here(&self) -> Option<&Handle> {
        self.workers.free_here().filter(|_| !self.ticker.expects_spinners())
    }

    /// The threads that guests run on.
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Makes room for a component. The error says why there is none.
    pub(crate) fn plugin(&self, bound: Bound) -> Result<Plugin, String> {
        let needed = bound.pre.component().resources_required();
        let memories = needed.map_or(1, |needed| needed.num_memories.max(1));
        if memories > MAX_MEMORIES {
            return Err(format!("it needs {memories} linear memories; {MAX_MEMORIES} is the most"));
        }
        Ok(Plugin { bound, slots: memories, tenant: Tenant(self.tenant.fetch_add(1, Relaxed)) })
    }

    /// Runs a future where guests run and blocks this thread until it is done; none while shutting down.
    pub(crate) fn block_on<R: Send + 'static>(&self, future: impl Future<Output = R> + Send + 'static) -> Option<R> {
        debug_assert!(!self.workers.are_here(), "it would wait for itself");
        let (done, wait) = std::sync::mpsc::sync_channel(1);
        self.workers.next().spawn(async move {
            // A receiver that is gone no longer wants it.
            let _ = done.send(future.await);
        });
        wait.recv().ok()
    }

    /// Runs a call on one of the guests' threads. Dropping the future ends the guest.
    pub(crate) async fn run<R: Send + 'static>(self: &Arc<Self>, job: Job<R>) -> Result<R, HookFailure> {
        let host = |detail: String| HookFailure::Host { detail };
        match self.workers.place() {
            Where::Here => {
                let answer = AssertUnwindSafe(self.run_here(job)).catch_unwind().await;
                answer.unwrap_or_else(|_| Err(host("the host panicked in the call".to_owned())))
            }
            Where::There(worker) => {
                let sandbox = Arc::clone(self);
                let task = AbortOnDropHandle::new(worker.spawn(async move { sandbox.run_here(job).await }));
                task.await.unwrap_or_else(|error| Err(host(error.to_string())))
            }
        }
    }

    async fn run_here<R>(&self, job: Job<R>) -> Result<R, HookFailure> {
        let limits = job.limits;
        let _slots = self.admit(&job.plugin, limits.deadline).await?;
        let (_busy, _calling) = (self.ticker.busy(), self.workers.calling());
        let deadline = Instant::now() + limits.deadline;
        let mut store = self.store(&job, deadline);
        let bounds = Bounds { deadline: limits.deadline, memory: limits.memory };
        // The epoch ends a guest that computes, this one a guest that waits.
        let ended = timeout_at(deadline.into(), enter(job, &mut store)).await;
        store.data().log.finish();
        match ended {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(explain(&error, bounds, &store.data().log)),
            Err(_) => Err(HookFailure::Deadline { limit: limits.deadline }),
        }
    }

    /// Waits for the slots of one instance, as long as the call may take and no longer.
    async fn admit(&self, plugin: &Plugin, wait: Duration) -> Result<Held, HookFailure> {
        timeout_at((Instant::now() + wait).into(), self.slots.acquire(plugin.tenant, plugin.slots))
            .await
            .map_err(|_| HookFailure::Host { detail: format!("no instance was free within {wait:?}") })
    }

    fn store<R>(&self, job: &Job<R>, deadline: Instant) -> Store<State> {
        let (now, seed) = job.call.as_ref().map_or((UnixMillis(0), 0), |call| (call.now, call.seed));
        let state = State::new(&job.limits, Arc::clone(&job.permissions), now, seed);
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(job.limits.output.saturating_mul(2).max(MIN_CROSSING));
        store.set_max_component_handles(MAX_HANDLES);
        // One whole tick before the first look: what is done in less is never sent to the back of the queue.
        store.set_epoch_deadline(2);
        // Ticks come late under load: the clock decides, not their number.
        store.epoch_deadline_callback(move |_| {
            if Instant::now() >= deadline { Err(Breach::Deadline.into()) } else { Ok(UpdateDeadline::Yield(1)) }
        });
        store
    }
}

/// The order every instance lives by: made, configured, opened to the host, called, gone.
async fn enter<R>(job: Job<R>, store: &mut Store<State>) -> wasmtime::Result<R> {
    let bound = &job.plugin.bound;
    let instance = bound.pre.instantiate_async(&mut *store).await?;
    if let Some(settings) = job.settings {
        let problems = bound.about.configure(settings)(store, &instance).await?;
        if !problems.is_empty() {
            return Err(Breach::Settings(list(&describe::problems(problems))).into());
        }
    }
    if let Some(call) = job.call {
        store.data_mut().open(call.host);
    }
    (job.invocation)(store, &instance).await
}

/// Problems on one line, each with its place.
pub(crate) fn list(problems: &[SettingsProblem]) -> String {
    let one = |problem: &SettingsProblem| match problem.path.as_str() {
        "" => problem.message.clone(),
        path => format!("{path}: {}", problem.message),
    };
    problems.iter().map(one).collect::<Vec<_>>().join("; ")
}
