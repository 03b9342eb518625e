//! What is known of a plugin before any message comes: its description, and whether it takes its settings.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Digest, GroupName};
use crate::message::ContentKind;

/// Where a plugin comes from: `builtin:allowlist`, or a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginSource {
    Builtin(String),
    /// Absolute.
    File(PathBuf),
}

impl std::fmt::Display for PluginSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Builtin(name) => write!(f, "builtin:{name}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What a component exports besides `about`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookKind {
    Policy,
    Reply,
    Prompt,
}

impl std::fmt::Display for HookKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::Reply => "reply",
            Self::Prompt => "prompt",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    History,
    Kv,
    KvShared,
    Attachments,
    Http,
}

/// A plugin as it describes itself, together with what the host found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    pub digest: Digest,
    pub kind: HookKind,
    /// The version of the contract it was built against, such as `0.1`.
    pub contract: String,
    pub name: String,
    pub version: String,
    pub summary: String,
    /// JSON Schema of the settings; none where there are no settings.
    pub settings_schema: Option<serde_json::Value>,
    pub content: BTreeSet<ContentKind>,
    pub groups: Vec<GroupName>,
    pub capabilities: BTreeSet<Capability>,
}

/// Something wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsProblem {
    /// JSON Pointer; empty for the whole.
    pub path: String,
    pub message: String,
}

/// Why a plugin can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    #[error("there is no builtin plugin `{name}`; there are {known}")]
    NoSuchBuiltin { name: String, known: String },
    #[error("{path} can't be read: {reason}")]
    Unreadable { path: String, reason: String },
    /// Not a component, truncated, too large, compiled for something else.
    #[error("{source_name} is no plugin that can run here: {reason}")]
    NotAPlugin { source_name: String, reason: String },
    #[error("{source_name} was built against contract {found}; this host speaks {supported}")]
    Contract { source_name: String, found: String, supported: String },
    #[error("{source_name} failed in `{function}`: {reason}")]
    Failed { source_name: String, function: &'static str, reason: String },
}

/// The bounds of one call of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory, in bytes.
    pub memory: usize,
    /// Wall-clock time of one call, host calls included.
    pub deadline: Duration,
    /// Calls of host functions.
    pub host_calls: u32,
    /// Bytes of what a call returns.
    pub output: usize,
}

/// The largest settings a plugin may be given, as JSON, in bytes.
pub const MAX_SETTINGS: usize = 64 * 1024;

/// Looks plugins up. Runs `describe` and `configure` sandboxed, and remembers the answers by digest, so that asking
/// twice costs nothing. Blocking: call it off the message path.
pub trait Catalogue: Send + Sync {
    fn describe(&self, source: &PluginSource) -> Result<Description, CatalogueError>;
    /// Whether the plugin takes these settings (merged, as JSON). An empty list means yes.
    fn configure(
        &self,
        source: &PluginSource,
        settings: &serde_json::Value,
        limits: &Limits,
    ) -> Result<Vec<SettingsProblem>, CatalogueError>;
}
