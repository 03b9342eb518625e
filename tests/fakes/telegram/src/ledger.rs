//! What was accepted, in memory and in a file that outlives a kill.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::net::Peer;

pub(crate) fn now_ms() -> u64 {
    now_us() / 1000
}

/// Microseconds since 1970, like `at_ms`: whoever measures compares it with a clock of another process.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// A call that was carried out.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Accepted {
    pub(crate) at_ms: u64,
    pub(crate) at_us: u64,
    pub(crate) bot: i64,
    pub(crate) method: &'static str,
    pub(crate) chat: Option<i64>,
    pub(crate) thread: Option<i64>,
    /// The text as it is shown, without markup.
    pub(crate) text: Option<String>,
    pub(crate) message_id: Option<i64>,
    pub(crate) params: Map<String, Value>,
    pub(crate) connection: u64,
    pub(crate) port: u16,
}

impl Accepted {
    /// Whether it put a message into a chat.
    pub(crate) fn is_message(&self) -> bool {
        self.method.starts_with("send") && self.method != "sendChatAction" || self.method == "forwardMessage"
    }
}

/// A call of `getUpdates`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PollCall {
    pub(crate) at_ms: u64,
    pub(crate) at_us: u64,
    /// How long the bot was not polled before, in microseconds; none for its first poll and where polls overlap.
    pub(crate) idle_us: Option<u64>,
    pub(crate) bot: i64,
    pub(crate) offset: Option<i64>,
    pub(crate) timeout: i64,
    pub(crate) connection: u64,
    pub(crate) port: u16,
}

/// A connection that called a bot's methods.
#[derive(Debug, Clone, Serialize)]
struct Connection {
    connection: u64,
    port: u16,
    first_ms: u64,
    bot: i64,
    calls: u64,
    #[serde(rename = "open", serialize_with = "is_open")]
    gone: CancellationToken,
}

fn is_open<S: Serializer>(gone: &CancellationToken, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bool(!gone.is_cancelled())
}

pub(crate) struct Ledger {
    file: Option<File>,
    accepted: Vec<Accepted>,
    /// How many of those put a message into a chat: `wait` asks at every ring of the bell.
    messages: usize,
    polls: Vec<PollCall>,
    connections: BTreeMap<u64, Connection>,
}

impl Ledger {
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.with_context(|| format!("the ledger {} can't be written", path.display()))
        };
        let file = path.map(open).transpose()?;
        Ok(Self { file, accepted: Vec::new(), messages: 0, polls: Vec::new(), connections: BTreeMap::new() })
    }

    pub(crate) fn called(&mut self, bot: i64, peer: &Peer) {
        let first = || Connection {
            connection: peer.connection,
            port: peer.port,
            first_ms: now_ms(),
            bot,
            calls: 0,
            gone: peer.gone.clone(),
        };
        self.connections.entry(peer.connection).or_insert_with(first).calls += 1;
    }

    pub(crate) fn accept(&mut self, entry: Accepted) {
        self.append("accepted", &entry);
        self.messages += usize::from(entry.is_message());
        self.accepted.push(entry);
    }

    pub(crate) fn poll(&mut self, call: PollCall) {
        self.append("poll", &call);
        self.polls.push(call);
    }

    /// Written with one call, so that a kill leaves whole lines. The page cache outlives the process.
    fn append(&mut self, event: &str, entry: &impl Serialize) {
        let Some(file) = &mut self.file else { return };
        let mut line = json!(entry);
        line["event"] = event.into();
        // A ledger that can't be written proves nothing any more: better to fall over than to go on.
        file.write_all(format!("{line}\n").as_bytes()).expect("the ledger can be written");
    }

    /// Messages put into a chat, or into any.
    pub(crate) fn sent(&self, bot: Option<i64>, chat: Option<i64>) -> usize {
        if bot.is_none() && chat.is_none() {
            return self.messages;
        }
        let of_bot = |entry: &&Accepted| bot.is_none_or(|bot| entry.bot == bot);
        let in_chat = |entry: &&Accepted| chat.is_none() || entry.chat == chat;
        self.accepted.iter().filter(|e| e.is_message()).filter(of_bot).filter(in_chat).count()
    }

    /// Forgets what was accepted and polled; the file keeps its lines.
    pub(crate) fn forget(&mut self) {
        self.accepted.clear();
        self.messages = 0;
        self.polls.clear();
    }

    pub(crate) fn show(&self) -> Value {
        json!({
            "accepted": self.accepted,
            "polls": self.polls,
            "connections": self.connections.values().collect::<Vec<_>>(),
        })
    }
}
