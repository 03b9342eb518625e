//! The fake WhatsApp, its phones, and the devices that are linked to them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::eventually;
use super::fakes::{Process, call, start};
use super::programs::program;

/// The number of the account whose device the host is.
pub const OWNER: &str = "15550001111";

pub struct WhatsApp {
    _process: Process,
    /// What a channel's `ws_url` is.
    pub url: String,
    control: String,
}

impl WhatsApp {
    /// Without anybody: the owner has a phone once there is an [`WhatsApp::account`] of that number.
    pub fn start(folder: &Path) -> Self {
        let ledger = folder.join("whatsapp.ledger");
        let (process, said) = start("fake-whatsapp", &["--ledger", ledger.to_str().expect("a plain path")]);
        let (url, control) = said.split_once(" control ").expect("it says where control is");
        Self { _process: process, url: url.to_owned(), control: control.to_owned() }
    }

    pub async fn post(&self, command: &str, body: Value) -> Value {
        call(reqwest::Method::POST, format!("{}/_control/{command}", self.control), Some(body)).await
    }

    /// The same where a refusal is what is looked for.
    pub async fn try_post(&self, command: &str, body: Value) -> Result<Value, String> {
        let url = format!("{}/_control/{command}", self.control);
        let answer = reqwest::Client::new().post(url).json(&body).send().await.expect("the fake answers");
        let good = answer.status().is_success();
        let told: Value = answer.json().await.expect("a control API answers in JSON");
        if good { Ok(told) } else { Err(told["error"].to_string()) }
    }

    async fn get(&self, query: &str) -> Value {
        call(reqwest::Method::GET, format!("{}/_control/{query}", self.control), None).await
    }

    /// A phone with an account.
    pub async fn account(&self, number: &str) {
        self.post("accounts", json!({ "number": number, "name": "Olive Owner" })).await;
    }

    /// Somebody who may write.
    pub async fn contact(&self, number: &str, name: &str) {
        self.post("contacts", json!({ "number": number, "name": name })).await;
    }

    /// Somebody writes to the owner; gives the message's id.
    pub async fn write(&self, from: &str, text: &str) -> String {
        self.say(from, json!({ "text": text })).await
    }

    /// The same with whatever the fake can write: `as`, `group`, `mentions`, `media`, `reaction`, `edit` …
    pub async fn say(&self, from: &str, mut what: Value) -> String {
        what["account"] = OWNER.into();
        what["from"] = from.into();
        self.post("write", what).await["id"].as_str().expect("a message has an id").to_owned()
    }

    pub async fn fault(&self, mut fault: Value) {
        fault["account"] = OWNER.into();
        self.post("faults", fault).await;
    }

    /// Whatever was to go wrong with the owner's account does so no more.
    pub async fn clear_faults(&self) {
        let url = format!("{}/_control/faults", self.control);
        call(reqwest::Method::DELETE, url, Some(json!({ "account": OWNER }))).await;
    }

    /// All entries of an event, in order.
    pub async fn entries(&self, event: &str) -> Vec<Value> {
        let ledger = self.get(&format!("ledger?event={event}")).await;
        ledger["entries"].as_array().cloned().expect("a ledger has entries")
    }

    /// Every message that the device sent to this person and the fake accepted, in order.
    pub async fn texts_to(&self, number: &str) -> Vec<String> {
        let to = |entry: &Value| entry["recipients"].as_array().is_some_and(|all| all.iter().any(|r| r == number));
        let sent = self.entries("sent").await;
        sent.iter().filter(|e| to(e)).filter_map(|e| Some(e["text"].as_str()?.to_owned())).collect()
    }

    /// Waits for the nth message to somebody, and gives it.
    pub async fn nth_to(&self, number: &str, n: usize) -> String {
        eventually(&format!("message {n} to {number}"), || async { self.texts_to(number).await.into_iter().nth(n - 1) })
            .await
    }

    /// Waits for an entry of this event that fits.
    pub async fn entry(&self, event: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("{event} in the ledger"), || async {
            self.entries(event).await.into_iter().find(|entry| fits(entry))
        })
        .await
    }

    /// Waits until the ledger has so many messages of the device; whether it has, within the time.
    pub async fn sent_within(&self, limit: Duration, count: usize) -> bool {
        let limit = limit.as_millis();
        self.get(&format!("wait?event=sent&at_least={count}&timeout_ms={limit}")).await["reached"] == true
    }

    /// How the owner's account is: `linked`, `connected`, `ready`, `waiting` …
    pub async fn owner(&self) -> Value {
        let accounts = self.get("accounts").await;
        let owner = accounts.as_array().and_then(|all| all.iter().find(|account| account["number"] == OWNER));
        owner.cloned().expect("the owner has a phone")
    }

    /// Waits until the device is logged in, has had what waited for it, and can be written to.
    pub async fn ready(&self) {
        eventually("the device is logged in", || async { is_ready(&self.owner().await).then_some(()) }).await;
    }

    /// The public key that a device pins for the server's.
    pub async fn server_key(&self) -> Vec<u8> {
        let server = self.get("server").await;
        from_hex(server["key"].as_str().expect("a key"))
    }

    /// Nothing was done that the real server, or a real phone, would have refused.
    pub async fn no_violations(&self) {
        assert_eq!(self.entries("violation").await, Vec::<Value>::new());
    }

    /// How many accounts' devices are, as in [`WhatsApp::ready`].
    pub async fn ready_accounts(&self) -> usize {
        let accounts = self.get("accounts").await;
        accounts.as_array().map_or(0, |all| all.iter().filter(|account| is_ready(account)).count())
    }

    /// Links a channel of a host that does not run, as if it had paired: its device pins the fake's key.
    /// Gives the private keys of the device.
    pub fn seed(&self, folder: &Path, channel: &str, number: &str) -> Vec<Vec<u8>> {
        let keys = self.seed_all(folder, [(channel.to_owned(), number.to_owned())]);
        assert_eq!(keys.len(), 4, "a device has as many");
        keys
    }

    /// The same for several channels, each with its number.
    pub fn seed_all(&self, folder: &Path, links: impl IntoIterator<Item = (String, String)>) -> Vec<Vec<u8>> {
        let path = |name: &str| folder.join(name).into_os_string();
        let seeded = Command::new(program("seed-whatsapp"))
            .arg("--data")
            .arg(path("data"))
            .arg("--keys")
            .arg(path("keys"))
            .args(["--show-keys", "--control", &self.control])
            .args(links.into_iter().map(|(channel, number)| format!("{channel}={number}")))
            .output()
            .expect("the program starts");
        assert!(seeded.status.success(), "{}", String::from_utf8_lossy(&seeded.stderr));
        String::from_utf8_lossy(&seeded.stdout).lines().map(from_hex).collect()
    }
}

fn is_ready(account: &Value) -> bool {
    account["ready"] == true && account["prekeys"].as_u64() > Some(0)
}

fn from_hex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(byte).collect()
}
