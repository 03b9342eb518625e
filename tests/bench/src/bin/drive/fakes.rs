//! The fakes, as processes, and what the driver asks of them.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::process::Process;
use crate::talk::{Accepted, Written};

/// The bot everybody writes to.
pub(crate) const TOKEN: &str = "4242:SECRET";

/// Another one, for those who attack.
pub(crate) const ATTACKED: &str = "4343:SECRET";

/// How often it is looked whether all bots have been polled.
const GLANCE: Duration = Duration::from_millis(100);

/// A call of `getUpdates`.
#[derive(Debug, Deserialize)]
pub(crate) struct Poll {
    pub(crate) bot: i64,
    /// The connection it came on.
    pub(crate) connection: u64,
    pub(crate) at_us: u64,
    /// How long nobody had polled before.
    pub(crate) idle_us: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Ledger {
    pub(crate) accepted: Vec<Accepted>,
    pub(crate) polls: Vec<Poll>,
}

/// What was queued: the answer to a write.
#[derive(Debug, Deserialize)]
struct Queued {
    update_id: i64,
    at_us: u64,
}

impl Queued {
    fn written(self, chat: i64, text: String) -> Written {
        Written { chat, text, update: self.update_id, at_us: self.at_us }
    }
}

#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) http: Client,
    pub(crate) base: String,
}

impl Control {
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, format!("{}/_control/{path}", self.base));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let text = request.send().await?.error_for_status()?.text().await?;
        // Some commands have nothing to say.
        if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
    }
}

/// Somebody's message, as the control API takes it.
fn letter(chat: i64, text: &str) -> Value {
    json!({ "bot": 4242, "from": { "id": chat, "first_name": "Ann" }, "text": text })
}

/// A pen to write to the bot with; may be given to tasks.
#[derive(Clone)]
pub(crate) struct Pen(Control);

impl Pen {
    /// A person writes to the bot in their own chat.
    pub(crate) async fn write(&self, chat: i64, text: String) -> anyhow::Result<Written> {
        let told = self.0.call(Method::POST, "write", Some(letter(chat, &text))).await?;
        Ok(serde_json::from_value::<Queued>(told)?.written(chat, text))
    }

    /// Somebody writes to the other bot.
    pub(crate) async fn attack(&self, chat: i64, text: &str) -> anyhow::Result<()> {
        let from = json!({ "id": chat, "first_name": "Eve" });
        self.0.call(Method::POST, "write", Some(json!({ "bot": 4343, "from": from, "text": text }))).await.map(drop)
    }

    /// All of them at once.
    pub(crate) async fn write_all(&self, letters: Vec<(i64, String)>) -> anyhow::Result<Vec<Written>> {
        let body = letters.iter().map(|(chat, text)| letter(*chat, text)).collect();
        let told: Vec<Queued> = serde_json::from_value(self.0.call(Method::POST, "writes", Some(body)).await?)?;
        ensure!(told.len() == letters.len(), "{} of {} messages were queued", told.len(), letters.len());
        Ok(told.into_iter().zip(letters).map(|(queued, (chat, text))| queued.written(chat, text)).collect())
    }
}

pub(crate) struct Telegram {
    process: Process,
    control: Control,
}

impl Telegram {
    pub(crate) async fn start(
        binaries: &Path,
        folder: &Path,
        more_bots: &[String],
        http: &Client,
    ) -> anyhow::Result<Self> {
        let bots = [TOKEN].into_iter().chain(more_bots.iter().map(String::as_str));
        let arguments: Vec<&str> =
            ["--listen", "127.0.0.1:0"].into_iter().chain(bots.flat_map(|bot| ["--bot", bot])).collect();
        let (process, control) = start(binaries, "fake-telegram", &arguments, folder, http).await?;
        Ok(Self { process, control })
    }

    pub(crate) fn url(&self) -> &str {
        &self.control.base
    }
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
    pub(crate) fn pen(&self) -> Pen {
        Pen(self.control.clone())
    }

    pub(crate) async fn ledger(&self) -> anyhow::Result<Ledger> {
        Ok(serde_json::from_value(self.control.call(Method::GET, "ledger", None).await?)?)
    }

    /// Waits until so many bots have been polled.
    pub(crate) async fn all_polled(&self, bots: usize, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let polled: HashSet<i64> = self.ledger().await?.polls.iter().map(|poll| poll.bot).collect();
            if polled.len() >= bots {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{} of {bots} bots were polled within {patience:?}", polled.len());
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Forgets what happened, so that the ledger stays short.
    pub(crate) async fn forget(&self) -> anyhow::Result<()> {
        self.control.call(Method::DELETE, "ledger", None).await.map(drop)
    }

    /// Waits until so many messages were sent since the last `forget`.
    pub(crate) async fn sent(&self, count: usize, patience: Duration) -> anyhow::Result<()> {
        self.wait(&format!("sent={count}"), patience).await
    }

    /// Waits until the bot is polled for news.
    pub(crate) async fn polled(&self, patience: Duration) -> anyhow::Result<()> {
        self.wait("polling=true", patience).await
    }

    async fn wait(&self, what: &str, patience: Duration) -> anyhow::Result<()> {
        let path = format!("wait?{what}&timeout_ms={}", patience.as_millis());
        let told = self.control.call(Method::GET, &path, None).await?;
        ensure!(told["reached"] == true, "{what} was not reached within {patience:?}: {told}");
        Ok(())
    }
}

pub(crate) struct Model {
    process: Process,
    control: Control,
}

impl Model {
    pub(crate) async fn start(binaries: &Path, folder: &Path, http: &Client) -> anyhow::Result<Self> {
        let (process, control) = start(binaries, "fake-model", &["--listen", "127.0.0.1:0"], folder, http).await?;
        Ok(Self { process, control })
    }

    pub(crate) fn url(&self) -> &str {
        &self.control.base
    }
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) async fn forget(&self) -> anyhow::Result<()> {
        self.control.call(Method::DELETE, "ledger", None).await.map(drop)
    }

    /// How many messages the model was shown in the last request: what both programs ask must be alike.
    pub(crate) async fn shown(&self) -> anyhow::Result<usize> {
        let ledger = self.control.call(Method::GET, "ledger", None).await?;
        let last = ledger.as_array().and_then(|entries| entries.last());
        let messages = last.and_then(|entry| entry["messages"].as_array());
        Ok(messages.context("the model was asked nothing")?.len())
    }
}

async fn start(
    binaries: &Path,
    name: &str,
    arguments: &[&str],
    folder: &Path,
    http: &Client,
) -> anyhow::Result<(Process, Control)> {
    let log = folder.join(format!("{name}.log"));
    let mut process = Process::start(&binaries.join(name), arguments, &log)?;
    let base = process.address().await.with_context(|| name.to_owned())?;
    Ok((process, Control { http: http.clone(), base }))
}
