//! A config that has been read, checked and resolved: every name stands for something, every secret is at hand, every
//! plugin has described itself and taken its settings.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use switchhook_core::catalogue::{Description, Limits, PluginSource};
use switchhook_core::id::{AccountId, ChannelName, Digest, GroupName, ModelName, PluginName, RouteName};
use switchhook_core::kind::ChannelSettings;
use switchhook_core::person::People;
use switchhook_core::zone::Zone;

#[derive(Debug, Clone)]
pub struct Config {
    /// The config file, absolute.
    pub path: PathBuf,
    /// SHA-256 of its text and of every secret file and plugin file it names: equal digests, equal configs.
    pub digest: Digest,
    /// Every file whose change may change the config: itself, plugin files, secret files.
    pub files: Vec<PathBuf>,
    pub host: HostConfig,
    pub plugins: BTreeMap<PluginName, PluginConfig>,
    /// With nested groups resolved.
    pub groups: BTreeMap<GroupName, Arc<People>>,
    pub models: BTreeMap<ModelName, ModelConfig>,
    pub routes: BTreeMap<RouteName, RouteConfig>,
    pub channels: BTreeMap<ChannelName, ChannelConfig>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// What is acknowledged to a provider, and what is about to be sent, survives a power cut.
    Power,
    /// A commit survives a crash of the process, not of the machine (`synchronous=NORMAL`).
    Process,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Pretty,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    pub data_dir: PathBuf,
    pub keys_dir: PathBuf,
    /// The master key, where it does not live in `keys_dir`.
    pub master_key: Option<MasterKeySource>,
    pub listen: SocketAddr,
    /// Names the pages and the API answer to, besides loopback and the address they listen on. Without a port any
    /// port fits.
    pub hosts: Vec<String>,
    pub durability: Durability,
    /// What is older on arrival is not answered. Default 24 h.
    pub max_age: Duration,
    /// Whose midnight daily limits count from. Default UTC.
    pub time_zone: Zone,
    /// Attempts to link that one user may begin within an hour. Default 5 (B9).
    pub link_attempts_per_hour: u32,
    /// More channels than these can't be enabled. None means that there is no limit (B9).
    pub max_connections: Option<u32>,
    pub log: LogFormat,
    /// How long a drain may take. Default 20 s.
    pub drain: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeySource {
    Env(String),
    File(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Go on as if the plugin had passed (reply), or say nothing (prompt).
    Skip,
    /// Tell the sender that something went wrong.
    Apologise,
    /// Park the message.
    Hold,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// Hosts the plugin may reach, such as `https://api.example.com`.
    pub http: Vec<String>,
    /// Bytes of key-value storage.
    pub kv: u64,
    pub attachments: bool,
}

#[derive(Debug, Clone)]
pub struct PluginConfig {
    pub source: PluginSource,
    pub description: Arc<Description>,
    /// The plugin's own settings, before a channel's are laid over them. Always an object.
    pub settings: serde_json::Value,
    pub limits: Limits,
    pub on_failure: OnFailure,
    pub grants: Grants,
}

#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Such as `http://127.0.0.1:11434/v1`.
    pub base_url: String,
    /// The provider's name of the model.
    pub model: String,
    pub api_key: Option<SecretString>,
    /// Asked in this order when this one fails or gives no first token in time.
    pub fallback: Vec<ModelName>,
    /// To the first token; without `stream` for the whole answer. Default 30 s.
    pub timeout: Duration,
    /// For the whole answer. Default 5 min.
    pub total_timeout: Duration,
    /// Calls at once. Default 8.
    pub concurrency: usize,
    /// Whether an answer is asked for piece by piece. Default true.
    pub stream: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhileBusy {
    /// Newer messages wait their turn.
    Queue,
    /// What came while the model was busy is answered together.
    Merge,
    /// A newer message stops the call under way, and takes its messages along.
    Interrupt,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteConfig {
    pub policies: Vec<PluginName>,
    pub replies: Vec<PluginName>,
    pub prompt: Option<PluginName>,
    pub model: Option<ModelName>,
    pub while_busy: WhileBusy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknown {
    Resend,
    Park,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendLimitsMode {
    Vendor,
    Off,
}

/// What becomes of a message that is more than an account may send in a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtDailyLimit {
    /// It waits for midnight.
    Queue,
    /// It is given up, listed and replayable.
    Refuse,
}

/// A list of people as somebody wrote it: groups are named, not resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    pub people: People,
    pub groups: BTreeSet<GroupName>,
}

#[derive(Debug, Clone)]
pub struct ChannelConfig {
    pub kind: String,
    pub enabled: bool,
    /// The account this channel serves.
    pub account: AccountId,
    pub route: RouteName,
    /// Further routes a policy may pick.
    pub routes: Vec<RouteName>,
    pub open: bool,
    /// The channel's own group `allow_from`, with groups resolved; none where the key is absent.
    pub allow_from: Option<Arc<People>>,
    /// `allow_from` as it stands in the channel's table.
    pub listed: Option<Arc<Listed>>,
    /// For every plugin of every route the channel can reach: its settings with the channel's laid over.
    pub settings: BTreeMap<PluginName, serde_json::Value>,
    /// The channel's own layer of those settings, as it stands in its table.
    pub overrides: BTreeMap<PluginName, serde_json::Value>,
    /// Chats that answers may go to besides the one being answered; `*` means any.
    pub may_send_to: Vec<String>,
    pub on_unknown: OnUnknown,
    pub send_limits: SendLimitsMode,
    /// Messages in any 60 seconds; none where the kind's own default holds.
    pub per_minute: Option<u32>,
    /// Messages a day; none where the kind's own default holds.
    pub daily_limit: Option<u32>,
    pub at_daily_limit: AtDailyLimit,
    /// Failures in a row after which the channel is critical. Default 5.
    pub max_reconnect_attempts: u32,
    /// Whether a denied sender is told, at most once a day. Default false.
    pub denial_notice: bool,
    /// What the channel's kind added.
    pub connector: ChannelSettings,
    /// SHA-256 of kind, account and every identity key: when it changes, the connection is made anew.
    pub identity: Digest,
    /// SHA-256 of the kind's other keys: when it changes, the connector is handed the new ones.
    pub tuning: Digest,
}

impl Config {
    /// The routes a channel can reach, its own first.
    pub fn routes_of<'a>(
        &'a self,
        channel: &'a ChannelConfig,
    ) -> impl Iterator<Item = (&'a RouteName, &'a RouteConfig)> {
        std::iter::once(&channel.route)
            .chain(channel.routes.iter().filter(|r| **r != channel.route))
            .filter_map(|name| self.routes.get(name).map(|route| (name, route)))
    }
}
