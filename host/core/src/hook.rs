//! Who decides: the three kinds of hook, what they may ask of the host, and how they fail.
//!
//! A hook is one plugin with one set of merged settings. Each call runs in a fresh instance, so a hook holds no state
//! of its own; what it needs of the host comes through [`HostServices`], which the pipeline makes for each call.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::message::Message;
use crate::model::{Completion, ModelRequest};
use crate::time::UnixMillis;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Deny { reason: String, notice: Option<String> },
    Hold { reason: String },
    Route { name: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Pass,
    Continue(Vec<Action>),
    Answered(Vec<Action>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Next {
    Done(Vec<Action>),
    Again(ModelRequest),
}

/// What a guest itself says went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    #[error("its settings do not fit: {0}")]
    Settings(String),
    #[error("something it needs is unavailable: {0}")]
    Unavailable(String),
    #[error("it reports an internal fault: {0}")]
    Internal(String),
}

/// Why a call of a hook gave no answer. Policy: the message is parked, never let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookFailure {
    #[error(transparent)]
    Guest(#[from] HookError),
    #[error("it took longer than {limit:?}")]
    Deadline { limit: Duration },
    #[error("it wanted more than {limit} bytes of memory")]
    Memory { limit: usize },
    #[error("it went over a limit: {what}")]
    Limit { what: String },
    #[error("it trapped: {detail}")]
    Trap { detail: String },
    /// The host's own fault, such as no free instance in time.
    #[error("the host could not run it: {detail}")]
    Host { detail: String },
}

impl HookFailure {
    /// A stable code for metrics and scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Guest(HookError::Settings(_)) => "settings",
            Self::Guest(HookError::Unavailable(_)) => "unavailable",
            Self::Guest(HookError::Internal(_)) => "internal",
            Self::Deadline { .. } => "deadline",
            Self::Memory { .. } => "memory",
            Self::Limit { .. } => "limit",
            Self::Trap { .. } => "trap",
            Self::Host { .. } => "host",
        }
    }
}

/// What makes a call reproducible: the same call with the same answers of the host gives the same result.
#[derive(Clone)]
pub struct Call {
    /// Where the wall clock stands during the call.
    pub now: UnixMillis,
    /// Seeds every random number the guest can get.
    pub seed: u64,
    pub host: Arc<dyn HostServices>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    Person,
    Us,
}

/// One thing that was said in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    pub speaker: Speaker,
    pub name: Option<String>,
    pub text: String,
    pub at: UnixMillis,
}

/// Which key-value space a plugin writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KvSpace {
    /// (plugin, channel, chat)
    Chat,
    /// The whole plugin.
    Shared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum KvError {
    #[error("the plugin's quota is used up")]
    Quota,
    #[error("a key is at most 256 bytes, a value at most 64 KiB")]
    TooLarge,
}

/// The longest key and value of the key-value store, in bytes.
pub const MAX_KV_KEY: usize = 256;
pub const MAX_KV_VALUE: usize = 64 * 1024;

/// What a guest may ask of the host in one call. One value serves one call; it knows the plugin, the message and what
/// was granted. Counting, time and size limits are the plugin host's; scope and quota are this side's.
#[async_trait]
pub trait HostServices: Send + Sync {
    fn log(&self, level: LogLevel, text: &str);
    fn sender_in(&self, group: &str) -> bool;
    fn contains(&self, group: &str, party: &str) -> bool;
    async fn history(&self, max_turns: u32, max_bytes: u32) -> Vec<Turn>;
    async fn kv_get(&self, space: KvSpace, key: &str) -> Option<Vec<u8>>;
    async fn kv_set(&self, space: KvSpace, key: &str, value: Vec<u8>) -> Result<(), KvError>;
    async fn kv_delete(&self, space: KvSpace, key: &str);
    async fn kv_increment(&self, space: KvSpace, key: &str, by: i64) -> Result<i64, KvError>;
    async fn attachment(&self, handle: &str, offset: u64, length: u32) -> Option<Vec<u8>>;
}

#[async_trait]
pub trait PolicyHook: Send + Sync + 'static {
    async fn decide(&self, call: Call, message: &Message) -> Result<Verdict, HookFailure>;
}

#[async_trait]
pub trait ReplyHook: Send + Sync + 'static {
    async fn handle(&self, call: Call, message: &Message) -> Result<Outcome, HookFailure>;
}

#[async_trait]
pub trait PromptHook: Send + Sync + 'static {
    async fn compose(&self, call: Call, messages: &[Message]) -> Result<ModelRequest, HookFailure>;
    async fn read(&self, call: Call, state: &[u8], completion: &Completion) -> Result<Next, HookFailure>;
}

/// A prepared hook of whichever kind the component exports.
#[derive(Clone)]
pub enum Hook {
    Policy(Arc<dyn PolicyHook>),
    Reply(Arc<dyn ReplyHook>),
    Prompt(Arc<dyn PromptHook>),
}
