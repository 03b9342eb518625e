//! What must hold of components and of what is lifted from them, whatever they are: the fuzzer asks it of everything it
//! can think of, and the tests of its seeds.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use switchhook_core::catalogue::{Catalogue, Limits, PluginSource};
use switchhook_core::hook::{Call, Hook, HookFailure, HostServices, KvError, KvSpace, LogLevel, Next, Turn};
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::message::{Chat, ChatKind, Content, Message, Party, Standing};
use switchhook_core::model::{Completion, FinishReason, Usage};
use switchhook_core::person::PersonId;
use switchhook_core::time::UnixMillis;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::weight::Weight;
use crate::{HookGrants, HostOptions, PluginHost};

/// `tests/hostile/wat/mirror.wat`, one of each kind of hook.
const MIRRORS: [&[u8]; 3] = [
    include_bytes!("../../../tests/fuzz/seeds/component/mirror-policy.wasm"),
    include_bytes!("../../../tests/fuzz/seeds/component/mirror-reply.wasm"),
    include_bytes!("../../../tests/fuzz/seeds/component/mirror-prompt.wasm"),
];

/// A component that was altered may loop; what is mirrored never does.
const SHORT: Limits = Limits { memory: 4 << 20, deadline: Duration::from_millis(100), host_calls: 8, output: 16 << 10 };
const LONG: Limits = Limits { deadline: Duration::from_secs(20), ..SHORT };
/// What an error may take of a log or a journal.
const MAX_ERROR: usize = 8 << 10;
/// What the mirror has room for.
const MAX_FED: usize = 32 << 10;

/// # Panics
/// Where the rule is broken: a component is described, or refused for a reason that fits a log.
pub fn component(bytes: &[u8]) {
    let stage = stage();
    let path = stage.folder.path().join("fuzzed.wasm");
    std::fs::write(&path, bytes).expect("a file to read from");
    let source = PluginSource::File(path);
    let refused = match stage.host.describe(&source) {
        Err(error) => error.to_string(),
        Ok(description) => {
            assert!(!description.name.is_empty());
            kept(&description);
            match stage.host.prepare(&source, &serde_json::json!({}), &SHORT, &grants()) {
                Ok(prepared) => assert_eq!(prepared.kind, description.kind),
                Err(error) => fits_a_log(&error.to_string()),
            }
            return;
        }
    };
    fits_a_log(&refused);
}

/// The first byte says which function of a plugin returns what the others are; with 4 they are what a function of the
/// host is given.
///
/// # Panics
/// Where the rule is broken: what is lifted is within the limits and can be kept, or the call fails as the guest's fault.
pub fn lifted(bytes: &[u8]) {
    let Some((function, fed)) = bytes.split_first() else { return };
    if fed.len() > MAX_FED {
        return;
    }
    let stage = stage();
    let asks = *function % 6 == 4;
    let call = Call { now: UnixMillis(1), seed: 7, host: Arc::new(Feed { fed: fed.to_vec(), asks }) };
    match (function % 6, &stage.hooks) {
        (5, _) => problems(stage, fed),
        (1, [_, Hook::Reply(hook), _]) => check(stage.runtime.block_on(hook.handle(call, &message())), kept),
        (2, [.., Hook::Prompt(hook)]) => {
            check(stage.runtime.block_on(hook.compose(call, &[message()])), |request| drop(written(request)));
        }
        (3, [.., Hook::Prompt(hook)]) => {
            check(stage.runtime.block_on(hook.read(call, b"state", &completion())), |next| match next {
                Next::Done(_) => kept(next),
                // Its temperature may be no number, which JSON has no word for.
                Next::Again(_) => drop(written(next)),
            });
        }
        (_, [Hook::Policy(hook), ..]) => check(stage.runtime.block_on(hook.decide(call, &message())), kept),
        _ => unreachable!("the mirrors are one of each kind"),
    }
}

fn check<T: Weight>(answer: Result<T, HookFailure>, keeps: impl Fn(&T)) {
    match answer {
        Ok(value) => {
            assert!(value.weight() <= LONG.output, "{} bytes", value.weight());
            keeps(&value);
        }
        Err(failure) => {
            assert!(!matches!(failure.code(), "host" | "deadline"), "{failure}");
            fits_a_log(&failure.to_string());
        }
    }
}

/// What `configure` says is wrong.
fn problems(stage: &Stage, fed: &[u8]) {
    let settings = serde_json::Value::String(hex::encode(&fed[..fed.len().min(MAX_FED / 2)]));
    match Catalogue::configure(&stage.host, &stage.sources[0], &settings, &LONG) {
        Ok(problems) => {
            let weight: usize = problems.iter().map(|problem| problem.path.len() + problem.message.len()).sum();
            assert!(weight <= 1 << 20, "{weight} bytes");
        }
        Err(error) => fits_a_log(&error.to_string()),
    }
}

fn fits_a_log(reason: &str) {
    assert!(!reason.is_empty() && reason.len() <= MAX_ERROR, "a reason of {} bytes", reason.len());
}

fn written<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("it can be kept")
}

fn kept<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let again: T = serde_json::from_slice(&written(value)).expect("what was kept can be read");
    assert_eq!(again, *value);
}

/// Where all of it happens; made once.
struct Stage {
    folder: TempDir,
    host: PluginHost,
    runtime: Runtime,
    sources: [PluginSource; 3],
    hooks: [Hook; 3],
}

fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let host = PluginHost::new(HostOptions::new(folder.path().join("cache"))).expect("a host");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let sources = [0, 1, 2].map(|number| PluginSource::File(place(&folder, number)));
        let prepare = |source| host.prepare(source, &serde_json::json!({}), &LONG, &grants()).expect("a mirror").hook;
        let hooks = sources.each_ref().map(prepare);
        Stage { folder, host, runtime, sources, hooks }
    })
}

fn place(folder: &TempDir, number: usize) -> PathBuf {
    let path = folder.path().join(format!("mirror-{number}.wasm"));
    std::fs::write(&path, MIRRORS[number]).expect("a file to read from");
    path
}

fn grants() -> HookGrants {
    HookGrants { attachments: true, ..HookGrants::default() }
}

fn message() -> Message {
    Message {
        id: "m-1".into(),
        channel: ChannelName::new("front").expect("a name"),
        connector: "web".into(),
        account: AccountId::new("web", "front"),
        chat: Chat { id: "c-1".into(), kind: ChatKind::Direct, title: None, thread: None },
        sender: Party {
            id: PersonId::new("web", "alice"),
            aliases: Vec::new(),
            name: None,
            standing: Standing::Unknown,
        },
        content: Content::Text("look".into()),
        attachments: Vec::new(),
        mentions_me: true,
        quoted: None,
        sent_at: UnixMillis(1),
        extra: Vec::new(),
    }
}

fn completion() -> Completion {
    let usage = Usage { input_tokens: 1, output_tokens: 1 };
    Completion { text: "x".into(), tool_calls: Vec::new(), finish: FinishReason::Stop, model: "m".into(), usage }
}

/// Feeds the mirror.
struct Feed {
    fed: Vec<u8>,
    /// Whether the mirror is to ask the host for something first.
    asks: bool,
}

#[async_trait]
impl HostServices for Feed {
    fn log(&self, _: LogLevel, _: &str) {}
    fn sender_in(&self, _: &str) -> bool {
        self.asks
    }
    fn contains(&self, _: &str, _: &str) -> bool {
        false
    }
    async fn history(&self, _: u32, _: u32) -> Vec<Turn> {
        Vec::new()
    }
    async fn kv_get(&self, _: KvSpace, _: &str) -> Option<Vec<u8>> {
        Some(self.fed.clone())
    }
    async fn kv_set(&self, _: KvSpace, _: &str, _: Vec<u8>) -> Result<(), KvError> {
        Ok(())
    }
    async fn kv_delete(&self, _: KvSpace, _: &str) {}
    async fn kv_increment(&self, _: KvSpace, _: &str, by: i64) -> Result<i64, KvError> {
        Ok(by)
    }
    async fn attachment(&self, _: &str, _: u64, length: u32) -> Option<Vec<u8>> {
        Some(vec![0; length.min(1_024) as usize])
    }
}

#[cfg(test)]
mod tests {
    fn replay(target: &str, rule: fn(&[u8])) {
        let folder = format!("{}/../../tests/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
        let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!seeds.is_empty());
        seeds.iter().for_each(|seed| rule(&std::fs::read(seed).unwrap()));
    }

    #[test]
    fn seeds_of_components_keep_the_rule() {
        replay("component", super::component);
    }

    #[test]
    fn seeds_of_what_is_lifted_keep_the_rule() {
        replay("lifted", super::lifted);
    }
}
