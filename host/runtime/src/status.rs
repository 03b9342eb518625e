//! What `status` shows: how the host is, which generation runs, and what the last edit came to.

use serde::{Deserialize, Serialize};
use switchhook_config::{Change, Problem};
use switchhook_core::status::Status;
use switchhook_core::time::UnixMillis;

use crate::health::Health;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostStatus {
    pub version: String,
    pub generation: u64,
    pub started_at: UnixMillis,
    pub config_path: String,
    pub config_digest: String,
    pub last_attempt: Option<Attempt>,
    pub channels: Vec<ChannelStatus>,
    pub plugins: Vec<PluginStatus>,
    /// How many channels may be enabled at once, where that is limited.
    #[serde(default)]
    pub max_connections: Option<u32>,
    pub engine: serde_json::Value,
    pub models: serde_json::Value,
    /// What was scaled down, and what waits for the next start.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelStatus {
    pub name: String,
    pub kind: String,
    pub account: String,
    pub enabled: bool,
    pub status: Status,
    /// Messages accepted and not settled.
    pub waiting: usize,
    /// Deliveries on their way.
    pub outgoing: usize,
    pub health: Health,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PluginStatus {
    pub name: String,
    pub source: String,
    pub digest: String,
    pub kind: String,
    pub version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptOutcome {
    Applied,
    /// Nothing that the config names differs.
    Unchanged,
    /// The generation before stays in force, as a whole.
    Rejected,
}

/// One try to put a config in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    pub number: u64,
    /// The generation in force afterwards.
    pub generation: u64,
    pub cause: String,
    pub outcome: AttemptOutcome,
    /// What differs from the generation before; kept things are left out.
    pub changes: Vec<Change>,
    pub problems: Vec<Problem>,
    /// The problems as a person reads them, with place and caret.
    pub rendered: Option<String>,
    pub at: UnixMillis,
    pub took_ms: u64,
}
