//! A host, what it is called with, and what a call may ask of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use switchhook_core::catalogue::{Limits, PluginSource};
use switchhook_core::hook::{
    Call, Hook, HookFailure, HostServices, KvError, KvSpace, LogLevel, PolicyHook, PromptHook, ReplyHook, Turn, Verdict,
};
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::message::{Chat, ChatKind, Content, Message, Party, Standing};
use switchhook_core::person::PersonId;
use switchhook_core::time::UnixMillis;
use switchhook_plugin::{HookGrants, HostOptions, PluginHost, Prepared, SwapFiles};

use crate::guests;

/// Generous: what is tested with it is not the deadline.
pub(crate) const LIMITS: Limits =
    Limits { memory: 64 << 20, deadline: Duration::from_secs(20), host_calls: 64, output: 256 * 1024 };

pub(crate) const NOW: UnixMillis = UnixMillis(1_700_000_000_123);

/// The host that most cases share: starting one and compiling for it takes a while.
pub(crate) fn shared() -> &'static PluginHost {
    static HOST: OnceLock<PluginHost> = OnceLock::new();
    HOST.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared-cache");
        // What an earlier run left was made by an earlier host.
        let _ = std::fs::remove_dir_all(&folder);
        PluginHost::new(HostOptions::new(folder)).unwrap()
    })
}

/// A machine with an active swap area, and this process in the root of its control groups.
pub(crate) fn swapping(folder: &Path) -> SwapFiles {
    let files = SwapFiles { areas: folder.join("swaps"), cgroup: folder.join("cgroup"), hierarchy: folder.to_owned() };
    std::fs::write(&files.areas, "Filename\n/swapfile file 1 0 -2\n").unwrap();
    std::fs::write(&files.cgroup, "0::/\n").unwrap();
    files
}

/// Puts a component where a host can find it.
pub(crate) fn place(folder: &Path, name: &str, bytes: &[u8]) -> PluginSource {
    let path = folder.join(format!("{name}.wasm"));
    std::fs::write(&path, bytes).unwrap();
    PluginSource::File(path)
}

/// A guest as a source that stays for the whole run.
pub(crate) fn source(name: &str) -> PluginSource {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sources");
        for name in ["policy", "reply", "prompt", "both", "broken", "misfit"] {
            std::fs::create_dir_all(&folder).unwrap();
            place(&folder, name, &guests::bytes(name));
        }
        place(&folder, "bare", &guests::bare());
        folder
    });
    PluginSource::File(folder.join(format!("{name}.wasm")))
}

pub(crate) fn prepare(host: &PluginHost, name: &str, settings: Value, limits: &Limits) -> Prepared {
    let grants = HookGrants { attachments: true, ..HookGrants::default() };
    host.prepare(&source(name), &settings, limits, &grants).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn policy_of(prepared: Prepared) -> Arc<dyn PolicyHook> {
    match prepared.hook {
        Hook::Policy(hook) => hook,
        _ => panic!("a {} hook", prepared.kind),
    }
}

pub(crate) fn policy(limits: &Limits) -> Arc<dyn PolicyHook> {
    policy_of(prepare(shared(), "policy", json!({}), limits))
}

pub(crate) fn reply(limits: &Limits) -> Arc<dyn ReplyHook> {
    match prepare(shared(), "reply", json!({}), limits).hook {
        Hook::Reply(hook) => hook,
        _ => panic!("no reply hook"),
    }
}

pub(crate) fn prompt(limits: &Limits) -> Arc<dyn PromptHook> {
    match prepare(shared(), "prompt", json!({}), limits).hook {
        Hook::Prompt(hook) => hook,
        _ => panic!("no prompt hook"),
    }
}

pub(crate) fn message(text: &str) -> Message {
    Message {
        id: "m-1".into(),
        channel: ChannelName::new("front").unwrap(),
        connector: "web".into(),
        account: AccountId::new("web", "front"),
        chat: Chat { id: "c-1".into(), kind: ChatKind::Group, title: Some("Tea".into()), thread: None },
        sender: Party {
            id: PersonId::new("web", "alice"),
            aliases: vec![PersonId::new("tg", "@alice")],
            name: Some("Alice".into()),
            standing: Standing::Approved,
        },
        content: Content::Text(text.into()),
        attachments: Vec::new(),
        mentions_me: true,
        quoted: None,
        sent_at: NOW,
        extra: Vec::new(),
    }
}

/// What a call finds behind the contract: a key-value store, one group, two turns, and a log that is kept.
#[derive(Default)]
pub(crate) struct Services {
    pub(crate) logged: Mutex<Vec<(LogLevel, String)>>,
    pub(crate) values: Mutex<HashMap<(KvSpace, String), Vec<u8>>>,
    /// Set where history is to never answer.
    pub(crate) hangs: bool,
    /// Set where asking for the history is to find a fault in the host.
    pub(crate) panics: bool,
}

impl Services {
    pub(crate) fn call(self: &Arc<Self>) -> Call {
        Call { now: NOW, seed: 7, host: Arc::clone(self) as Arc<dyn HostServices> }
    }
    pub(crate) fn lines(&self) -> Vec<String> {
        self.logged.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }
}

#[async_trait]
impl HostServices for Services {
    fn log(&self, level: LogLevel, text: &str) {
        self.logged.lock().unwrap().push((level, text.to_owned()));
    }
    fn sender_in(&self, group: &str) -> bool {
        group == "allow_from"
    }
    fn contains(&self, group: &str, party: &str) -> bool {
        group == "allow_from" && party == "tg:1"
    }
    async fn history(&self, max_turns: u32, max_bytes: u32) -> Vec<Turn> {
        assert!(!self.panics, "a fault of the host");
        if self.hangs {
            std::future::pending::<()>().await;
        }
        assert!(max_turns <= 1_000 && max_bytes <= 256 * 1024, "the guest's wishes are bounded");
        let turn = |text: &str| Turn {
            speaker: switchhook_core::hook::Speaker::Person,
            name: None,
            text: text.into(),
            at: UnixMillis(1),
        };
        vec![turn("one"), turn("two")]
    }
    async fn kv_get(&self, space: KvSpace, key: &str) -> Option<Vec<u8>> {
        self.values.lock().unwrap().get(&(space, key.to_owned())).cloned()
    }
    async fn kv_set(&self, space: KvSpace, key: &str, value: Vec<u8>) -> Result<(), KvError> {
        self.values.lock().unwrap().insert((space, key.to_owned()), value);
        Ok(())
    }
    async fn kv_delete(&self, space: KvSpace, key: &str) {
        self.values.lock().unwrap().remove(&(space, key.to_owned()));
    }
    async fn kv_increment(&self, _space: KvSpace, _key: &str, by: i64) -> Result<i64, KvError> {
        Ok(40 + by)
    }
    async fn attachment(&self, handle: &str, offset: u64, length: u32) -> Option<Vec<u8>> {
        let bytes = b"hello";
        let from = (offset as usize).min(bytes.len());
        // More than was asked for, which must not get through.
        (handle == "h" && length > 0).then(|| bytes[from..].to_vec())
    }
}

pub(crate) async fn decide(hook: &Arc<dyn PolicyHook>, text: &str) -> Result<Verdict, HookFailure> {
    hook.decide(Arc::new(Services::default()).call(), &message(text)).await
}

/// The reason of the `hold` that a guest answers questions with.
pub(crate) async fn ask(hook: &Arc<dyn PolicyHook>, text: &str) -> String {
    match decide(hook, text).await {
        Ok(Verdict::Hold { reason }) => reason,
        other => panic!("`{text}`: {other:?}"),
    }
}
