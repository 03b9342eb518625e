//! A policy's decision in a fresh sandbox, as the host takes it, against bare wasmtime doing the same; and what it takes
//! to swap a component that was compiled before.
#![forbid(unsafe_code)]

mod bare;
mod services;
mod swap;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use bare::Bare;
use serde_json::json;
use services::Yes;
use switchhook_bench::{Pairs, Run};
use switchhook_core::catalogue::{Limits, PluginSource};
use switchhook_core::hook::{Hook, PolicyHook, Verdict};
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::message::{Chat, ChatKind, Content, Message, Party, Standing};
use switchhook_core::person::PersonId;
use switchhook_core::time::UnixMillis;
use switchhook_plugin::{HookGrants, HostOptions, PluginHost, Prepared};
use tokio::runtime::Handle;

pub(crate) const TEXT: &str = "when does the last train leave tonight";
/// What a policy gets by default, but for the deadline: on a busy machine a call may wait for a core.
pub(crate) const LIMITS: Limits =
    Limits { memory: 64 << 20, deadline: Duration::from_secs(20), host_calls: 64, output: 256 * 1024 };
/// Decisions of one run: some milliseconds.
const BATCH: u32 = 200;

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let host = PluginHost::new(HostOptions::new(folder.path().join("cache")))?;
    println!("| in one process | floor | host | ratio | |\n|---|---:|---:|---:|---|");
    decisions(&host)?;
    swap::measure(folder.path())
}

fn decisions(host: &PluginHost) -> anyhow::Result<()> {
    let bytes = switchhook_builtin::component("allowlist").context("there is no allowlist")?;
    let bare = Arc::new(Bare::new(bytes, &host.report())?);
    let hook = policy(prepare(host, &PluginSource::Builtin("allowlist".into()))?)?;
    let message = Arc::new(message());
    let runtime = host.worker();
    let floor = || {
        let bare = Arc::clone(&bare);
        batch(&runtime, async move {
            for _ in 0..BATCH {
                bare.decide().await?;
            }
            Ok(())
        })
    };
    let ours = || {
        let (hook, message) = (Arc::clone(&hook), Arc::clone(&message));
        batch(&runtime, async move {
            for _ in 0..BATCH {
                let verdict = hook.decide(Yes::call(), &message).await?;
                ensure!(verdict == Verdict::Pass, "it was no pass: {verdict:?}");
            }
            Ok(())
        })
    };
    let pairs = Pairs::measure(300, floor, ours)?;
    println!(
        "{}",
        pairs.row("a policy's decision in a fresh sandbox (floor: bare wasmtime)", Some(1.3), |run| run.wall)?
    );
    Ok(())
}

/// Runs a batch in one task of the guests' runtime: where the host's own calls are.
fn batch(runtime: &Handle, work: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> anyhow::Result<Run> {
    let (done, wait) = std::sync::mpsc::sync_channel(1);
    Run::of(BATCH, || {
        runtime.spawn(async move { done.send(work.await) });
        wait.recv().context("the batch panicked")?
    })
}

pub(crate) fn prepare(host: &PluginHost, source: &PluginSource) -> anyhow::Result<Prepared> {
    host.prepare(source, &json!({}), &LIMITS, &HookGrants::default()).map_err(|error| anyhow::anyhow!("{error}"))
}

fn policy(prepared: Prepared) -> anyhow::Result<Arc<dyn PolicyHook>> {
    match prepared.hook {
        Hook::Policy(hook) => Ok(hook),
        _ => anyhow::bail!("it is a {} hook", prepared.kind),
    }
}

fn message() -> Message {
    Message {
        id: "1".into(),
        channel: ChannelName::new("tg").expect("a name"),
        connector: "telegram".into(),
        account: AccountId::new("telegram", "4242"),
        chat: Chat { id: "1001".into(), kind: ChatKind::Direct, title: None, thread: None },
        sender: Party {
            id: PersonId::new("tg", "1001"),
            aliases: vec![],
            name: Some("Ann".into()),
            standing: Standing::Unknown,
        },
        content: Content::Text(TEXT.into()),
        attachments: vec![],
        mentions_me: true,
        quoted: None,
        sent_at: UnixMillis(1_700_000_000_000),
        extra: vec![],
    }
}
