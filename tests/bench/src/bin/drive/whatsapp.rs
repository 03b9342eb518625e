//! The fake WhatsApp, accounts whose devices are linked before the host starts, and somebody who writes to all of them.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::fakes::Control;
use crate::process::Process;
use crate::subject::Stage;

/// Who writes, to all of them.
const WRITER: &str = "15550000001";
/// Between two looks at the ledger.
const GLANCE: Duration = Duration::from_millis(250);
/// Before what the model repeats.
const ECHO: &str = "echo: ";

pub(crate) struct WhatsApp {
    /// What a channel's `ws_url` is.
    pub(crate) url: String,
    control: Control,
    seed: PathBuf,
    accounts: usize,
    _process: Process,
    // The process ends before its folder goes.
    _folder: TempDir,
}

/// A message on its way to an account.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) account: usize,
    /// Not the same as any other's.
    pub(crate) text: String,
}

/// The channel of the nth account.
pub(crate) fn channel(n: usize) -> String {
    format!("wa{n}")
}

fn number(n: usize) -> String {
    format!("1555{:07}", 1_000_000 + n)
}

/// The channel's table; it connects there.
pub(crate) fn table(n: usize, url: &str) -> String {
    format!(
        r#"
[channels.{}]
kind = "whatsapp"
ws_url = "{url}"
version = "2.3000.1026131876"
route = "personal"
send_limits = "off"
allow_from = ["+{WRITER}"]
"#,
        channel(n)
    )
}

impl WhatsApp {
    /// With so many accounts, which nobody has linked yet.
    pub(crate) async fn start(binaries: &Path, within: &Path, http: &Client, accounts: usize) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-whatsapp-").tempdir_in(within)?;
        let log = folder.path().join("fake-whatsapp.log");
        let mut process = Process::start(&binaries.join("fake-whatsapp"), ["--listen", "127.0.0.1:0"], &log)?;
        let said = process.address().await.context("fake-whatsapp")?;
        let (url, base) = said.split_once(" control ").context("the fake does not say where control is")?;
        let control = Control { http: http.clone(), base: base.to_owned() };
        let seed = binaries.join("seed-whatsapp");
        let own = Self { url: url.to_owned(), control, seed, accounts, _process: process, _folder: folder };
        own.post("contacts", json!({ "number": WRITER, "name": "Ann" })).await?;
        for n in 0..accounts {
            own.post("accounts", json!({ "number": number(n) })).await?;
        }
        Ok(own)
    }

    /// Links every account's device to its channel, in the data folder of a host that does not run.
    pub(crate) fn link_all(&self, stage: &Stage) -> anyhow::Result<()> {
        let links = (0..self.accounts).map(|n| format!("{}={}", channel(n), number(n)));
        let mut seed = Command::new(&self.seed);
        seed.arg("--data").arg(stage.path("data")).arg("--keys").arg(stage.path("keys"));
        let seeded = seed.args(["--control", &self.control.base]).args(links).output();
        let seeded = seeded.with_context(|| format!("{} can't be started", self.seed.display()))?;
        ensure!(seeded.status.success(), "seeding: {}", String::from_utf8_lossy(&seeded.stderr));
        Ok(())
    }

    async fn post(&self, command: &str, body: Value) -> anyhow::Result<Value> {
        self.control.call(Method::POST, command, Some(body)).await
    }

    /// Forgets what happened, so that the ledger stays short.
    pub(crate) async fn forget(&self) -> anyhow::Result<()> {
        self.control.call(Method::DELETE, "ledger", None).await.map(drop)
    }

    async fn entries(&self, event: &str) -> anyhow::Result<Vec<Value>> {
        let mut told = self.control.call(Method::GET, &format!("ledger?event={event}"), None).await?;
        serde_json::from_value(told["entries"].take()).context("a ledger has entries")
    }

    /// Waits until every account has had this event since the last `forget`; gives when the last of them had it first, in
    /// microseconds since 1970.
    pub(crate) async fn all(&self, event: &str, patience: Duration) -> anyhow::Result<u64> {
        let deadline = Instant::now() + patience;
        loop {
            let mut first: HashMap<String, u64> = HashMap::new();
            for entry in self.entries(event).await? {
                if let (Some(account), Some(at)) = (entry["account"].as_str(), entry["at_us"].as_u64()) {
                    first.entry(account.to_owned()).or_insert(at);
                }
            }
            if first.len() == self.accounts {
                return first.into_values().max().context("there are no accounts");
            }
            let (had, all) = (first.len(), self.accounts);
            ensure!(Instant::now() < deadline, "{had} of {all} accounts had `{event}` within {patience:?}");
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Somebody writes; gives when, in microseconds since 1970.
    pub(crate) async fn write(&self, letter: &Letter) -> anyhow::Result<()> {
        let body = json!({ "account": number(letter.account), "from": WRITER, "text": letter.text });
        self.post("write", body).await.map(drop)
    }

    /// Waits until all of them are answered, each by its own account and once; gives when they were written and when
    /// answered, in microseconds since 1970 and in the same order.
    pub(crate) async fn answered(&self, letters: &[Letter], patience: Duration) -> anyhow::Result<Vec<(u64, u64)>> {
        let deadline = Instant::now() + patience;
        loop {
            let sent = self.entries("sent").await?;
            let mut answers: HashMap<&str, Vec<&Value>> = HashMap::new();
            for entry in &sent {
                let text = entry["text"].as_str().and_then(|text| text.strip_prefix(ECHO));
                answers.entry(text.unwrap_or_default()).or_default().push(entry);
            }
            let open = letters.iter().filter(|letter| !answers.contains_key(letter.text.as_str())).count();
            if open == 0 {
                return times(letters, &answers, &self.entries("written").await?);
            }
            let all = letters.len();
            ensure!(Instant::now() < deadline, "{open} of {all} messages were not answered within {patience:?}");
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Nothing was done that the real server, or a real phone, would have refused.
    pub(crate) async fn no_violations(&self) -> anyhow::Result<()> {
        let violations = self.entries("violation").await?;
        ensure!(violations.is_empty(), "the fake would have refused: {violations:?}");
        Ok(())
    }
}

fn times(
    letters: &[Letter],
    answers: &HashMap<&str, Vec<&Value>>,
    written: &[Value],
) -> anyhow::Result<Vec<(u64, u64)>> {
    let at = |entry: &Value| entry["at_us"].as_u64().context("an entry has a time");
    let written: HashMap<&str, &Value> =
        written.iter().filter_map(|entry| Some((entry["content"]["text"].as_str()?, entry))).collect();
    let mut times = Vec::with_capacity(letters.len());
    for letter in letters {
        let text = letter.text.as_str();
        let answers = &answers[text];
        ensure!(answers.len() == 1, "\"{text}\" was answered {} times", answers.len());
        ensure!(answers[0]["account"] == number(letter.account), "\"{text}\" was answered by another account");
        times.push((at(written.get(text).context("it was never written")?)?, at(answers[0])?));
    }
    Ok(times)
}

/// The tables of so many channels, each of which connects where the fake is.
pub(crate) fn tables(count: usize, url: &str) -> String {
    let mut tables = String::new();
    for n in 0..count {
        // Writing to a text does not fail.
        let _ = tables.write_str(&table(n, url));
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_once_and_from_its_own_account() {
        let letters = [Letter { account: 3, text: "a".into() }];
        let written = [json!({ "at_us": 5, "content": { "text": "a" } })];
        let good = json!({ "at_us": 9, "account": number(3) });
        let foreign = json!({ "at_us": 9, "account": number(4) });
        let judge = |answers: Vec<&Value>| times(&letters, &HashMap::from([("a", answers)]), &written);
        assert_eq!(judge(vec![&good]).unwrap(), [(5, 9)]);
        assert!(judge(vec![&good, &good]).unwrap_err().to_string().contains("2 times"));
        assert!(judge(vec![&foreign]).unwrap_err().to_string().contains("another account"));
    }
}
