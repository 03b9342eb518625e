//! The first stage: may this message come in, and by which route?
//!
//! All policies of a route are asked in order. The first denial or hold ends it; a pass has no say; the first route
//! named wins, and all of the target's policies run as well. What fails, fails closed.

use std::sync::Arc;
use std::time::Instant;

use switchhook_core::hook::{Call, HookFailure, PolicyHook, Verdict};
use switchhook_core::id::{InboxId, PluginName, RouteName};
use switchhook_core::message::{Message, Standing};
use switchhook_core::time::UnixMillis;

use crate::desk::Desk;
use crate::services::{Drafts, Services};
use crate::trace::{TraceStep, Tracer, failure, observe};
use crate::wiring::{ChannelWiring, RouteWiring, Step};

/// The most routes a message may be sent along, its first not counted.
const MAX_HOPS: usize = 3;

/// A message from the journal, at the start of its work.
pub(crate) struct Arrived {
    pub(crate) id: InboxId,
    pub(crate) message: Arc<Message>,
    pub(crate) unresolved: Option<String>,
    /// The operator approved it: a hold counts as a pass.
    pub(crate) approved: bool,
    pub(crate) channel: Arc<ChannelWiring>,
}

/// A message that every policy let in. Only [`permit`] makes one, and nothing else reaches a reply plugin or a model.
pub(crate) struct Permitted {
    arrived: Arrived,
    route: Arc<RouteWiring>,
    basis: Basis,
}

impl Permitted {
    pub(crate) fn id(&self) -> InboxId {
        self.arrived.id
    }
    pub(crate) fn message(&self) -> &Arc<Message> {
        &self.arrived.message
    }
    pub(crate) fn channel(&self) -> &Arc<ChannelWiring> {
        &self.arrived.channel
    }
    pub(crate) fn route(&self) -> &Arc<RouteWiring> {
        &self.route
    }
    pub(crate) fn basis(&self) -> &Basis {
        &self.basis
    }
    pub(crate) fn approved(&self) -> bool {
        self.arrived.approved
    }
}

/// What a permission rests on. While it holds, the permission does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basis(String);

impl Basis {
    pub(crate) fn of(channel: &ChannelWiring, standing: Standing) -> Self {
        Self(format!("{}/{standing:?}", channel.fingerprint))
    }
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a message goes no further.
pub(crate) enum Refusal {
    Denied {
        reason: String,
        notice: Option<String>,
    },
    Held {
        reason: String,
    },
    /// A policy could not decide.
    Failed {
        reason: String,
    },
}

/// Whether what the policies write is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking {
    /// Writes are kept, allowed or denied: rate limiters need it.
    InEarnest,
    /// A decision is taken again because its basis changed: writes nothing.
    Again,
}

/// Asks every policy on the way.
pub(crate) async fn permit(
    desk: &Desk,
    arrived: Arrived,
    asking: Asking,
    tracer: &mut Tracer,
) -> Result<Permitted, Refusal> {
    if let Some(reason) = &arrived.unresolved {
        return Err(Refusal::Denied { reason: reason.clone(), notice: None });
    }
    let basis = Basis::of(&arrived.channel, arrived.message.sender.standing);
    let drafts = Arc::new(Drafts::default());
    let decided = walk(desk, &arrived, &drafts, tracer).await;
    if asking == Asking::InEarnest {
        let writes = drafts.take();
        if !writes.is_empty() {
            desk.store.write_kv(writes).await;
        }
    }
    decided.map(|route| Permitted { arrived, route, basis })
}

/// Follows the routes until one of them has nobody who objects or knows better.
async fn walk(
    desk: &Desk,
    arrived: &Arrived,
    drafts: &Arc<Drafts>,
    tracer: &mut Tracer,
) -> Result<Arc<RouteWiring>, Refusal> {
    let channel = &arrived.channel;
    let mut visited: Vec<RouteName> = Vec::new();
    let mut current = channel.route.clone();
    loop {
        let Some(route) = channel.routes.get(&current) else {
            return Err(Refusal::Failed { reason: format!("route `{current}` is not one this channel may use") });
        };
        visited.push(current.clone());
        tracer.trace.routes.push(current.clone());
        let Some(target) = ask_all(desk, arrived, route, drafts, tracer).await? else {
            return Ok(route.clone());
        };
        current = next_route(channel, &visited, &target).map_err(|reason| Refusal::Failed { reason })?;
    }
}

fn next_route(channel: &ChannelWiring, visited: &[RouteName], target: &str) -> Result<RouteName, String> {
    let (name, _) = channel.routes.get_key_value(target).ok_or_else(|| {
        format!("a policy chose route `{target}`, which this channel may not use: add it to `routes` of the channel")
    })?;
    if visited.contains(name) {
        return Err(format!("policies send the message in a circle, back to route `{target}`"));
    }
    if visited.len() > MAX_HOPS {
        return Err(format!("policies sent the message along more than {MAX_HOPS} routes"));
    }
    Ok(name.clone())
}

/// Asks all policies of one route. The first route named wins, but the others are still asked.
async fn ask_all(
    desk: &Desk,
    arrived: &Arrived,
    route: &RouteWiring,
    drafts: &Arc<Drafts>,
    tracer: &mut Tracer,
) -> Result<Option<String>, Refusal> {
    let mut target = None;
    for step in &route.policies {
        match ask(desk, arrived, step, drafts, tracer).await {
            Ok(Verdict::Pass) => {}
            Ok(Verdict::Route { name }) => target = target.or(Some(name)),
            Ok(Verdict::Hold { .. }) if arrived.approved => {}
            Ok(Verdict::Hold { reason }) => return Err(Refusal::Held { reason: said_by(&step.plugin, &reason) }),
            Ok(Verdict::Deny { reason, notice }) => {
                return Err(Refusal::Denied { reason: said_by(&step.plugin, &reason), notice });
            }
            Err(error) => return Err(Refusal::Failed { reason: failure(&step.plugin, &error) }),
        }
    }
    Ok(target)
}

fn said_by(plugin: &PluginName, reason: &str) -> String {
    format!("{plugin}: {reason}")
}

async fn ask(
    desk: &Desk,
    arrived: &Arrived,
    step: &Step<dyn PolicyHook>,
    drafts: &Arc<Drafts>,
    tracer: &mut Tracer,
) -> Result<Verdict, HookFailure> {
    let session = Session::open(desk, &arrived.channel, &arrived.message, step, drafts);
    let answer = session.checked(step.hook.decide(session.call(), &arrived.message).await);
    session.close("decide", answer.as_ref().map(summary), tracer);
    answer
}

fn summary(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Deny { reason, .. } => format!("deny: {reason}"),
        Verdict::Hold { reason } => format!("hold: {reason}"),
        Verdict::Route { name } => format!("route: {name}"),
    }
}

/// One call of a plugin, from the making of its services to its line in the trace.
pub(crate) struct Session {
    services: Arc<Services>,
    plugin: PluginName,
    digest: switchhook_core::id::Digest,
    now: UnixMillis,
    seed: u64,
    /// What was written before this call.
    drafts: usize,
    started: Instant,
}

impl Session {
    pub(crate) fn open<H: ?Sized>(
        desk: &Desk,
        channel: &Arc<ChannelWiring>,
        message: &Arc<Message>,
        step: &Step<H>,
        drafts: &Arc<Drafts>,
    ) -> Self {
        let plugin = (step.plugin.clone(), step.kv_quota);
        let services = Services::new(desk, channel.clone(), message.clone(), plugin, drafts.clone());
        Self {
            services: Arc::new(services),
            plugin: step.plugin.clone(),
            digest: step.digest.clone(),
            now: desk.clock.now(),
            seed: rand::random(),
            drafts: drafts.mark(),
            started: Instant::now(),
        }
    }
    pub(crate) fn call(&self) -> Call {
        Call { now: self.now, seed: self.seed, host: self.services.clone() }
    }
    /// See [`Services::checked`].
    pub(crate) fn checked<T>(&self, answer: Result<T, HookFailure>) -> Result<T, HookFailure> {
        self.services.checked(answer)
    }
    pub(crate) fn close(self, call: &'static str, result: Result<String, &HookFailure>, tracer: &mut Tracer) {
        let took = self.started.elapsed();
        observe(&self.plugin, call, took);
        if result.is_err() {
            self.services.drafts.back_to(self.drafts);
        }
        let result = result.unwrap_or_else(|error| format!("failed ({}): {error}", error.code()));
        tracer.trace.steps.push(TraceStep {
            plugin: self.plugin,
            digest: self.digest,
            call: call.to_owned(),
            result,
            micros: took.as_micros() as u64,
            now_ms: self.now.0,
            seed: self.seed,
            answers: self.services.take_answers(),
        });
    }
}
