//! A wiring whose hooks are closures.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use switchhook_core::action::{Action, Outgoing};
use switchhook_core::connector::Connector;
use switchhook_core::hook::{Call, HookFailure, Next, Outcome, PolicyHook, PromptHook, ReplyHook, Verdict};
use switchhook_core::id::{ChannelName, Digest, GenerationNumber, PluginName, RouteName};
use switchhook_core::message::{ContentKind, Message};
use switchhook_core::model::{Completion, ModelRequest, PromptMessage, Role};
use switchhook_core::zone::Zone;
use switchhook_pipeline::wiring::*;

use crate::bench::{Decide, GatedModel, Handle, Ledger, Setup, account};

struct ClosurePolicy(Decide);

#[async_trait]
impl PolicyHook for ClosurePolicy {
    async fn decide(&self, call: Call, message: &Message) -> Result<Verdict, HookFailure> {
        // Counts its calls, as a rate limiter would.
        let _ = call.host.kv_increment(switchhook_core::hook::KvSpace::Chat, "asked", 1).await;
        (self.0)(message)
    }
}

struct ClosureReply(Handle);

#[async_trait]
impl ReplyHook for ClosureReply {
    async fn handle(&self, call: Call, message: &Message) -> Result<Outcome, HookFailure> {
        let _ = call.host.kv_increment(switchhook_core::hook::KvSpace::Chat, "handled", 1).await;
        (self.0)(message)
    }
}

/// Asks the model with all texts joined, and sends its answer.
struct JoiningPrompt;

#[async_trait]
impl PromptHook for JoiningPrompt {
    async fn compose(&self, _: Call, messages: &[Message]) -> Result<ModelRequest, HookFailure> {
        let text = messages.iter().filter_map(Message::text).collect::<Vec<_>>().join("+");
        let message =
            PromptMessage { role: Role::User, text, attachments: vec![], tool_calls: vec![], tool_call_id: None };
        Ok(ModelRequest { messages: vec![message], ..ModelRequest::default() })
    }
    async fn read(&self, _: Call, _: &[u8], completion: &Completion) -> Result<Next, HookFailure> {
        Ok(Next::Done(vec![Action::Send(Outgoing::text(completion.text.clone()))]))
    }
}

fn step<H: ?Sized>(name: &str, on_failure: OnFailure, hook: Arc<H>) -> Step<H> {
    Step {
        plugin: PluginName::new(name).expect("a name"),
        digest: Digest::from_hex("00"),
        content: BTreeSet::from([ContentKind::Text, ContentKind::Timer]),
        on_failure,
        kv_quota: 1 << 20,
        hook,
    }
}

pub(crate) fn wiring(number: u64, setup: Setup, ledger: &Ledger, model: &Arc<GatedModel>) -> Wiring {
    let main = RouteName::new("main").expect("a name");
    let on_failure = setup.on_failure;
    let policy = |i: usize, decide: Decide| -> Step<dyn PolicyHook> {
        step(&format!("policy{i}"), on_failure, Arc::new(ClosurePolicy(decide)) as Arc<dyn PolicyHook>)
    };
    let prompt = || {
        let step = step("prompt", on_failure, Arc::new(JoiningPrompt) as Arc<dyn PromptHook>);
        Some(PromptWiring { step, model: model.clone() })
    };
    let replies = setup.replies.into_iter().enumerate();
    let replies = replies.map(|(i, handle)| {
        step(&format!("reply{i}"), on_failure, Arc::new(ClosureReply(handle)) as Arc<dyn ReplyHook>)
    });
    let mut routes = HashMap::new();
    let policies = setup.policies.into_iter().enumerate().map(|(i, p)| policy(i, p)).collect();
    let route = RouteWiring {
        name: main.clone(),
        policies,
        replies: replies.collect(),
        prompt: prompt(),
        while_busy: setup.while_busy,
    };
    routes.insert(main.clone(), Arc::new(route));
    for (i, (name, decide)) in setup.routes.into_iter().enumerate() {
        let name = RouteName::new(name).expect("a name");
        let policies = vec![policy(100 + i, decide)];
        let route = RouteWiring {
            name: name.clone(),
            policies,
            replies: vec![],
            prompt: prompt(),
            while_busy: WhileBusy::Queue,
        };
        routes.insert(name, Arc::new(route));
    }
    let channel = ChannelWiring {
        name: ChannelName::new("c").expect("a name"),
        account: account(),
        id_prefix: "t",
        route: main,
        routes,
        groups: Groups::default(),
        may_send_to: setup.may_send_to,
        denial_notice: DenialNotice::Silent,
        on_unknown: setup.on_unknown,
        limits: setup.limits,
        abilities: ledger.abilities(),
        max_age: Duration::from_secs(3600),
        time_zone: Zone::named(setup.time_zone).expect("a zone"),
        fingerprint: setup.fingerprint.into(),
    };
    Wiring::new(GenerationNumber(number), [channel])
}
