//! The two APIs, as far as they are needed.

use anyhow::{Context, ensure};
use reqwest::Client;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Seconds a poll waits for news: what the host takes, too, unless told otherwise.
const POLL: u64 = 25;

#[derive(Debug, Deserialize)]
pub(crate) struct Update {
    pub(crate) update_id: i64,
    pub(crate) message: Option<Message>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) from: Id,
    pub(crate) chat: Id,
    #[serde(default)]
    pub(crate) text: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Id {
    pub(crate) id: i64,
}

#[derive(Debug, Deserialize)]
struct Answer<T> {
    result: T,
}

#[derive(Clone)]
pub(crate) struct Telegram {
    http: Client,
    base: String,
}

impl Telegram {
    pub(crate) fn new(http: Client, url: &str, token: &str) -> Self {
        Self { http, base: format!("{url}/bot{token}") }
    }

    pub(crate) async fn updates(&self, offset: Option<i64>) -> anyhow::Result<Vec<Update>> {
        let mut params = json!({ "timeout": POLL, "allowed_updates": ["message"] });
        if let Some(offset) = offset {
            params["offset"] = offset.into();
        }
        self.call("getUpdates", &params).await
    }

    pub(crate) async fn send(&self, chat: i64, text: &str) -> anyhow::Result<()> {
        self.call::<Value>("sendMessage", &json!({ "chat_id": chat, "text": text })).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(&self, method: &str, params: &Value) -> anyhow::Result<T> {
        let response = self.http.post(format!("{}/{method}", self.base)).json(params).send().await;
        let response = response.map_err(reqwest::Error::without_url)?;
        ensure!(response.status().is_success(), "{method}: {}", response.status());
        Ok(response.json::<Answer<T>>().await.map_err(reqwest::Error::without_url)?.result)
    }
}

/// One line of a conversation, as the model takes it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    role: &'static str,
    content: String,
}

impl Line {
    pub(crate) fn user(content: String) -> Self {
        Self { role: "user", content }
    }
    pub(crate) fn assistant(content: String) -> Self {
        Self { role: "assistant", content }
    }
}

pub(crate) struct Model {
    http: Client,
    url: String,
    system: Line,
}

impl Model {
    pub(crate) fn new(http: Client, url: &str, system: String) -> Self {
        Self { http, url: format!("{url}/v1/chat/completions"), system: Line { role: "system", content: system } }
    }

    pub(crate) async fn ask(&self, said: &[Line], new: &str) -> anyhow::Result<String> {
        let new = Line::user(new.to_owned());
        let messages: Vec<&Line> = std::iter::once(&self.system).chain(said).chain([&new]).collect();
        let body = json!({ "model": "test", "messages": messages });
        let response = self.http.post(&self.url).json(&body).send().await?.error_for_status()?;
        let answer: Value = response.json().await?;
        let text = answer["choices"][0]["message"]["content"].as_str();
        Ok(text.context("the model answered without a text")?.to_owned())
    }
}
