//! The fakes, as processes, and their control APIs.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::eventually;
use super::programs::program;

/// A process that ends with the case.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a fake and reads where it listens.
pub(crate) fn start(name: &str, args: &[&str]) -> (Process, String) {
    let mut child = Command::new(program(name))
        .args(["--listen", "127.0.0.1:0"])
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the fake starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("its standard output is a pipe");
    BufReader::new(out).read_line(&mut line).expect("it says where it listens");
    let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{name} said {line:?}")).to_owned();
    (Process(child), url)
}

/// One call of a control API.
pub(crate) async fn call(method: reqwest::Method, url: String, body: Option<Value>) -> Value {
    let mut request = reqwest::Client::new().request(method, &url);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap_or_else(|e| panic!("{url}: {e}"));
    let status = answer.status();
    let text = answer.text().await.expect("a control API answers in text");
    assert!(status.is_success(), "{url}: {status} {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// A message that the fake Telegram accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub bot: i64,
    pub chat: i64,
    pub text: String,
}

pub struct Telegram {
    _process: Process,
    pub url: String,
}

impl Telegram {
    pub fn start(folder: &Path, bots: &[&str]) -> Self {
        let ledger = folder.join("telegram.ledger");
        let mut args = vec!["--ledger", ledger.to_str().expect("a plain path")];
        for bot in bots {
            args.extend(["--bot", bot]);
        }
        let (process, url) = start("fake-telegram", &args);
        Self { _process: process, url }
    }

    async fn get(&self, path: &str) -> Value {
        call(reqwest::Method::GET, format!("{}/_control/{path}", self.url), None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        call(reqwest::Method::POST, format!("{}/_control/{path}", self.url), Some(body)).await
    }

    /// Somebody writes to a bot in their private chat.
    pub async fn write(&self, bot: i64, from: i64, text: &str) {
        self.post("write", json!({ "bot": bot, "from": { "id": from, "first_name": "Annabel" }, "text": text })).await;
    }

    pub async fn write_all(&self, writes: Vec<Value>) {
        self.post("writes", Value::Array(writes)).await;
    }

    pub async fn fault(&self, fault: Value) {
        self.post("faults", fault).await;
    }

    /// What bots asked for and were given.
    pub async fn ledger(&self) -> Vec<Value> {
        self.get("ledger").await["accepted"].as_array().cloned().expect("a ledger has entries")
    }

    /// The connections of a bot that stand, of the fake's numbering.
    pub async fn open_connections(&self, bot: i64) -> BTreeSet<u64> {
        let connections =
            self.get("ledger").await["connections"].as_array().cloned().expect("a ledger has connections");
        let open = connections.iter().filter(|connection| connection["bot"] == bot && connection["open"] == true);
        open.map(|connection| connection["connection"].as_u64().expect("a number")).collect()
    }

    /// The calls of one method, however it was spelled.
    pub async fn calls(&self, method: &str) -> Vec<Value> {
        let named = |e: &Value| e["method"].as_str().is_some_and(|m| m.eq_ignore_ascii_case(method));
        self.ledger().await.into_iter().filter(named).collect()
    }

    /// Every message sent so far.
    pub async fn sent(&self) -> Vec<Sent> {
        let sent = |e: &Value| {
            let (bot, chat) = (e["bot"].as_i64()?, e["chat"].as_i64()?);
            Some(Sent { bot, chat, text: e["text"].as_str()?.to_owned() })
        };
        self.calls("sendMessage").await.iter().filter_map(sent).collect()
    }

    /// The texts sent to one chat, in order.
    pub async fn texts_to(&self, chat: i64) -> Vec<String> {
        self.sent().await.into_iter().filter(|s| s.chat == chat).map(|s| s.text).collect()
    }

    /// Waits for the nth message to a chat, and gives it.
    pub async fn nth_to(&self, chat: i64, n: usize) -> String {
        eventually(&format!("message {n} to chat {chat}"), || async {
            self.texts_to(chat).await.into_iter().nth(n - 1)
        })
        .await
    }

    /// Waits until a bot is being polled.
    pub async fn polled(&self, bot: i64) {
        eventually(&format!("bot {bot} is polled"), || async { self.is_polled(bot).await.then_some(()) }).await;
    }

    pub async fn is_polled(&self, bot: i64) -> bool {
        self.get(&format!("polling?bot={bot}")).await["polling"].as_bool().expect("polled or not")
    }

    /// How many updates no poll has confirmed yet.
    pub async fn unconfirmed(&self, bot: i64) -> u64 {
        let updates = self.get(&format!("unconfirmed?bot={bot}")).await["updates"].clone();
        updates.as_array().map(Vec::len).expect("a list") as u64
    }
}

pub struct Model {
    _process: Process,
    pub url: String,
}

impl Model {
    pub fn start(folder: &Path, name: &str) -> Self {
        let ledger = folder.join(format!("{name}.ledger"));
        let (process, url) = start("fake-model", &["--ledger", ledger.to_str().expect("a plain path")]);
        Self { _process: process, url }
    }

    pub async fn post(&self, path: &str, body: Value) {
        call(reqwest::Method::POST, format!("{}/_control/{path}", self.url), Some(body)).await;
    }

    pub async fn ledger(&self) -> Vec<Value> {
        let ledger = call(reqwest::Method::GET, format!("{}/_control/ledger", self.url), None).await;
        ledger.as_array().cloned().expect("a ledger is a list")
    }

    /// From now on nobody is answered until `release`.
    pub async fn hold(&self) {
        self.post("hold", json!({})).await;
    }

    pub async fn release(&self) {
        self.post("release", json!({})).await;
    }

    /// Waits until so many requests wait for an answer.
    pub async fn waiting(&self, count: u64) {
        eventually(&format!("{count} requests wait at the model"), || async {
            let answer = call(reqwest::Method::GET, format!("{}/_control/waiting", self.url), None).await;
            let waiting = answer["waiting"].as_u64().unwrap_or_default();
            (waiting >= count).then_some(())
        })
        .await;
    }
}
