//! One pipeline with its store: the same with plugins in sandboxes and with native code.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use switchhook_core::catalogue::{Limits, PluginSource};
use switchhook_core::connector::Inbox;
use switchhook_core::hook::{Hook, PolicyHook, PromptHook, ReplyHook};
use switchhook_core::id::{AccountId, ChannelName, Digest, GenerationNumber, PluginName, RouteName};
use switchhook_core::message::{Chat, ChatKind, Content, ContentKind, Inbound, Message, Party, Standing};
use switchhook_core::person::{People, PersonId};
use switchhook_core::time::{Clock, SystemClock};
use switchhook_core::zone::Zone;
use switchhook_pipeline::wiring::{
    self, ChannelWiring, DenialNotice, Groups, OnFailure, OnUnknown, PromptWiring, RouteWiring, Step, WhileBusy, Wiring,
};
use switchhook_pipeline::{Pipeline, PipelineParts};
use switchhook_plugin::{HookGrants, PluginHost};
use switchhook_store::{Durability, Keyring, MasterKey, Store, StoreOptions};
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::wires::{Echo, OneWire, Wire};
use crate::{HISTORY, SYSTEM, native};

/// People, each in a chat of their own.
pub(crate) const CHATS: usize = 50;
/// As many of a burst come in one batch as a provider hands over at once.
const BATCH: usize = 100;
/// So long a burst may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two policies, a reply plugin, a prompt plugin.
pub(crate) struct Hooks {
    policies: [(&'static str, Arc<dyn PolicyHook>); 2],
    reply: Arc<dyn ReplyHook>,
    prompt: Arc<dyn PromptHook>,
}

impl Hooks {
    pub(crate) fn native() -> Self {
        Self {
            policies: [("allowlist", Arc::new(native::Allowlist)), ("router", Arc::new(native::Router))],
            reply: Arc::new(native::Commands),
            prompt: Arc::new(native::Assistant),
        }
    }

    pub(crate) fn sandboxed(host: &PluginHost) -> anyhow::Result<Self> {
        let policy = |name| match prepared(host, name, &json!({}))? {
            Hook::Policy(hook) => Ok((name, hook)),
            _ => bail!("{name} is no policy"),
        };
        let Hook::Reply(reply) = prepared(host, "commands", &json!({}))? else { bail!("commands do not reply") };
        let settings = json!({ "system": SYSTEM, "history": HISTORY });
        let Hook::Prompt(prompt) = prepared(host, "assistant", &settings)? else { bail!("the assistant does not") };
        Ok(Self { policies: [policy("allowlist")?, policy("router")?], reply, prompt })
    }
}

fn prepared(host: &PluginHost, name: &str, settings: &Value) -> anyhow::Result<Hook> {
    let limits = Limits { memory: 64 << 20, deadline: Duration::from_secs(20), host_calls: 64, output: 256 * 1024 };
    let source = PluginSource::Builtin(name.to_owned());
    Ok(host.prepare(&source, settings, &limits, &HookGrants::default())?.hook)
}

/// A pipeline at work.
pub(crate) struct Line {
    pipeline: Pipeline,
    wire: Arc<Wire>,
    inbox: Arc<dyn Inbox>,
    written: AtomicUsize,
    _folder: TempDir,
}

impl Line {
    /// Lanes run where guests do, as in the host, and make their calls there; everything else runs where this is called.
    pub(crate) fn new(
        hooks: Hooks,
        durability: Durability,
        within: &Path,
        plugins: &PluginHost,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(within)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let keys = Keyring { current: MasterKey::from_bytes([7; 32]), old: Vec::new() };
        let dir = folder.path().to_owned();
        let (store, _) =
            Store::open(StoreOptions { dir, keys, durability, network_fs: Some(false), clock: clock.clone() })?;
        let wire = Wire::new();
        let carriers = Arc::new(OneWire(wire.clone()));
        let (network, connectors) = (Handle::current(), Handle::current());
        let (for_lanes, for_calls) = (plugins.clone(), plugins.clone());
        let lanes = Arc::new(move || for_lanes.worker());
        let calls = Arc::new(move || for_calls.worker_here().unwrap_or_else(|| connectors.clone()));
        let parts = PipelineParts { store, clock, carriers, lanes, calls, network };
        let pipeline = Pipeline::new(parts, wiring(hooks)?);
        let inbox = pipeline.inbox(&account());
        Ok(Self { pipeline, wire, inbox, written: AtomicUsize::new(0), _folder: folder })
    }

    /// People write one after the other, each when the last one is answered.
    pub(crate) async fn one_by_one(&self, count: usize) -> anyhow::Result<()> {
        for _ in 0..count {
            self.burst(1).await?;
        }
        Ok(())
    }

    /// Everybody writes at once.
    pub(crate) async fn burst(&self, count: usize) -> anyhow::Result<()> {
        let mut delivered = self.wire.delivered();
        let first = self.written.fetch_add(count, Ordering::Relaxed);
        let all: Vec<usize> = (first..first + count).collect();
        for batch in all.chunks(BATCH) {
            self.inbox.accept(batch.iter().map(|n| written(*n)).collect::<anyhow::Result<_>>()?).await?;
        }
        let all = delivered.wait_for(|delivered| *delivered == first + count);
        tokio::time::timeout(PATIENCE, all).await.context("a burst was not answered")??;
        Ok(())
    }

    pub(crate) async fn end(self) {
        self.pipeline.drain(PATIENCE).await;
    }
}

fn account() -> AccountId {
    AccountId::new("telegram", "4242")
}

fn person(n: usize) -> String {
    format!("{}", 1001 + n % CHATS)
}

fn written(n: usize) -> anyhow::Result<Inbound> {
    let person = person(n);
    let id = PersonId::new("tg", &person);
    let sender = Party { id, aliases: vec![], name: Some("Ann".to_owned()), standing: Standing::Unknown };
    let message = Message {
        id: n.to_string(),
        channel: ChannelName::new("tg")?,
        connector: "telegram".to_owned(),
        account: account(),
        chat: Chat { id: person, kind: ChatKind::Direct, title: None, thread: None },
        sender,
        content: Content::Text(format!("{n}: when does the last train leave tonight")),
        attachments: vec![],
        mentions_me: true,
        quoted: None,
        sent_at: SystemClock.now(),
        extra: vec![],
    };
    Ok(Inbound { dedupe_key: n.to_string(), message, unresolved: None })
}

fn step<H: ?Sized>(name: &str, hook: Arc<H>) -> anyhow::Result<Step<H>> {
    Ok(Step {
        plugin: PluginName::new(name)?,
        digest: Digest::from_hex("00"),
        content: BTreeSet::from([ContentKind::Text]),
        on_failure: OnFailure::Apologise,
        kv_quota: 1 << 20,
        hook,
    })
}

fn wiring(hooks: Hooks) -> anyhow::Result<Wiring> {
    let name = RouteName::new("personal")?;
    let policies = hooks.policies.into_iter().map(|(name, hook)| step(name, hook)).collect::<anyhow::Result<_>>()?;
    let route = RouteWiring {
        name: name.clone(),
        policies,
        replies: vec![step("commands", hooks.reply)?],
        prompt: Some(PromptWiring { step: step("assistant", hooks.prompt)?, model: Arc::new(Echo) }),
        while_busy: WhileBusy::Queue,
    };
    let people: People = (0..CHATS).map(|n| PersonId::new("tg", &person(n))).collect();
    let channel = ChannelWiring {
        name: ChannelName::new("tg")?,
        account: account(),
        id_prefix: "tg",
        route: name.clone(),
        routes: HashMap::from([(name, Arc::new(route))]),
        groups: Groups { allow_from: Some(Arc::new(people)), ..Groups::default() },
        may_send_to: vec![],
        denial_notice: DenialNotice::Silent,
        on_unknown: OnUnknown::Resend,
        limits: wiring::Limits::default(),
        abilities: Wire::can(),
        max_age: Duration::from_secs(3600),
        time_zone: Zone::default(),
        fingerprint: "one".to_owned(),
    };
    Ok(Wiring::new(GenerationNumber(1), [channel]))
}
