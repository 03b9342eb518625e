//! Every key of the file, once: the reader refuses what is not here, and the JSON Schema is made from it.

use std::time::Duration;

/// What may stand at a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Text,
    Flag,
    Url,
    /// Within bounds, both included.
    Duration(Duration, Duration),
    /// In bytes, within bounds.
    Size(u64, u64),
    /// A whole number within bounds.
    Number(i64, i64),
    Choice(&'static [&'static str]),
    /// A list of texts: names, hosts, chats.
    Texts,
    /// A list of people.
    People,
    /// `{ env = … }` or `{ file = … }`.
    Secret,
    Table(&'static [Key]),
    /// A table that somebody else understands.
    Free,
    /// Such tables by the plugin's name.
    FreeByName,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) need: Need,
    pub(crate) summary: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

const fn key(name: &'static str, shape: Shape, summary: &'static str) -> Key {
    Key { name, shape, need: Need::Optional, summary }
}

const fn required(name: &'static str, shape: Shape, summary: &'static str) -> Key {
    Key { name, shape, need: Need::Required, summary }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

pub(crate) const ROOT: [&str; 6] = ["host", "plugins", "groups", "models", "routes", "channels"];

pub(crate) const HOST: &[Key] = &[
    key("data_dir", Shape::Text, "Folder of everything that must survive. Default: `data`."),
    key(
        "keys_dir",
        Shape::Text,
        "Folder of the master key and the local token; never inside `data_dir`. Default: `keys`.",
    ),
    key("master_key", Shape::Secret, "The key that seals the data, where it does not live in `keys_dir`."),
    key("listen", Shape::Text, "Address and port of the web pages and the API. Default: `127.0.0.1:18789`."),
    key(
        "hosts",
        Shape::Texts,
        "Further names the pages and the API answer to, such as `chat.example.com` behind a proxy. Default: none.",
    ),
    key("durability", Shape::Choice(&["power", "process"]), "What a commit survives. Default: `power`."),
    key(
        "max_age",
        Shape::Duration(SECOND, DAY.saturating_mul(30)),
        "What is older on arrival is not answered. Default: `24h`.",
    ),
    key(
        "link_attempts_per_hour",
        Shape::Number(1, 1000),
        "Attempts to link a phone that one user may begin within an hour; WhatsApp counts them, too. Default: 5.",
    ),
    key(
        "max_connections",
        Shape::Number(1, 100_000),
        "How many channels may be enabled at once, for a machine that has room for no more. Default: no limit.",
    ),
    key(
        "time_zone",
        Shape::Text,
        "IANA name of the zone whose midnight daily limits count from, such as `Europe/Berlin`. Default: `UTC`.",
    ),
    key("log", Shape::Choice(&["pretty", "json"]), "How log lines look. Default: `pretty`."),
    key("drain", Shape::Duration(SECOND, MINUTE.saturating_mul(10)), "How long stopping may take. Default: `20s`."),
];

pub(crate) const LIMITS: &[Key] = &[
    key("memory", Shape::Size(MIB, GIB), "Linear memory. Default: `64MiB`."),
    key(
        "deadline",
        Shape::Duration(Duration::from_millis(1), MINUTE),
        "Wall-clock time of one call. Default: `50ms` for policies, else `1s`.",
    ),
    key("host_calls", Shape::Number(0, 100_000), "Calls of host functions. Default: 64."),
    key("output", Shape::Size(KIB, 16 * MIB), "What a call returns. Default: `256KiB`."),
];

pub(crate) const GRANTS: &[Key] = &[
    key("http", Shape::Texts, "Hosts the plugin may reach, such as `https://api.example.com`. Default: none."),
    key("kv", Shape::Size(0, GIB), "Key-value storage. Default: `1MiB`."),
    key("attachments", Shape::Flag, "Whether the plugin may read attachments. Default: false."),
];

pub(crate) const PLUGIN: &[Key] = &[
    required("source", Shape::Text, "`builtin:NAME`, or a path to a .wasm component."),
    key("settings", Shape::Free, "What the plugin's own schema says; at most 64 KiB as JSON."),
    key("limits", Shape::Table(LIMITS), "The bounds of one call."),
    key(
        "on_failure",
        Shape::Choice(&["skip", "apologise", "hold"]),
        "What happens when the plugin fails. Default: `skip` for replies, `apologise` for prompts.",
    ),
    key("grants", Shape::Table(GRANTS), "What the plugin may use beyond the message."),
];

pub(crate) const GROUP: &[Key] = &[required("members", Shape::People, "People and groups.")];

pub(crate) const MODEL: &[Key] = &[
    required("base_url", Shape::Url, "Of an OpenAI-compatible API, such as `http://127.0.0.1:11434/v1`."),
    required("model", Shape::Text, "The provider's name of the model."),
    key("api_key", Shape::Secret, "Sent as a bearer token."),
    key("fallback", Shape::Texts, "Models asked in this order when this one fails."),
    key(
        "timeout",
        Shape::Duration(Duration::from_millis(10), MINUTE.saturating_mul(60)),
        "To the first token; without `stream` for the whole answer. Default: `30s`.",
    ),
    key(
        "total_timeout",
        Shape::Duration(Duration::from_millis(10), MINUTE.saturating_mul(60)),
        "For the whole answer. Default: `5m`.",
    ),
    key("concurrency", Shape::Number(1, 1024), "Calls at once. Default: 8."),
    key(
        "stream",
        Shape::Flag,
        "Whether an answer is asked for piece by piece, so that one which does not begin is told from a long one. Default: true.",
    ),
];

pub(crate) const ROUTE: &[Key] = &[
    key("policies", Shape::Texts, "Plugins that decide whether a message comes in, in order."),
    key("replies", Shape::Texts, "Plugins that answer without a model, in order."),
    key("prompt", Shape::Text, "The plugin that frames messages for the model."),
    key("model", Shape::Text, "The model that is asked."),
    key(
        "while_busy",
        Shape::Choice(&["queue", "merge", "interrupt"]),
        "What a newer message does while the model works. Default: `queue`.",
    ),
];

/// The keys of every channel. Its kind adds more.
pub(crate) const CHANNEL: &[Key] = &[
    required("kind", Shape::Text, "The kind of connector."),
    required("route", Shape::Text, "Where messages go."),
    key("enabled", Shape::Flag, "Whether the channel runs. Default: true."),
    key("routes", Shape::Texts, "Further routes a policy may pick."),
    key("open", Shape::Flag, "Says that a route without policies, and so everybody, is meant. Default: false."),
    key("allow_from", Shape::People, "The channel's own group `allow_from`. An empty list means nobody."),
    key(
        "settings",
        Shape::FreeByName,
        "Laid over the settings of the plugin with that name: tables merge, arrays replace.",
    ),
    key("may_send_to", Shape::Texts, "Chats that answers may go to besides the one being answered; `*` means any."),
    key(
        "on_unknown",
        Shape::Choice(&["resend", "park"]),
        "What is done when nobody knows whether a send happened. Default: `resend`.",
    ),
    key(
        "send_limits",
        Shape::Choice(&["vendor", "off"]),
        "Whether the provider's sending limits are kept, where none of one's own are named here. Default: `vendor`.",
    ),
    key(
        "per_minute",
        Shape::Number(1, 60_000),
        "Messages of the account in any 60 seconds; what is more waits. Default: 30 on WhatsApp, else none.",
    ),
    key(
        "daily_limit",
        Shape::Number(1, 1_000_000_000),
        "Messages of the account a day, from midnight in `time_zone`. Default: 1000 on WhatsApp, else none.",
    ),
    key(
        "at_daily_limit",
        Shape::Choice(&["queue", "refuse"]),
        "Whether what is more waits for midnight, or is given up and listed as dead. Default: `queue`.",
    ),
    key(
        "max_reconnect_attempts",
        Shape::Number(1, 1_000_000),
        "After so many failures in a row the channel's health is critical; it goes on trying. Default: 5.",
    ),
    key("denial_notice", Shape::Flag, "Whether a denied sender is told, at most once a day. Default: false."),
];

/// `{ env = … }` or `{ file = … }`.
pub(crate) const SECRET: &[Key] = &[
    key("env", Shape::Text, "The name of an environment variable."),
    key("file", Shape::Text, "A path to a file that holds nothing else."),
];
