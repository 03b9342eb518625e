//! Calls of the Bot API, and what their failures mean.

use std::sync::Arc;
use std::time::Duration;

use reqwest::ClientBuilder;
use reqwest::multipart::Form;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use switchhook_http::Clients;

use crate::types::Envelope;

/// The server may close an idle connection at any time; a send on one that it is closing has an unknown fate.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// Finds a peer that is gone while a long poll waits.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// For calls that carry no file.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// For all bots: a token is in the URL, not in the client. The error says what is missing.
pub(crate) fn clients() -> Result<Clients, String> {
    // A connection for each call in flight: a long poll that dies takes no send with it.
    let configure = |builder: ClientBuilder| builder.http1_only().pool_idle_timeout(POOL_IDLE).tcp_keepalive(KEEPALIVE);
    Clients::new(configure).map_err(|error| format!("no HTTP client: {}", told(&error.without_url())))
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// The request never left: no address, refused, no connection in time.
    #[error("Telegram can't be reached: {0}")]
    NotSent(String),
    /// The request may have been carried out, and no answer came that says so.
    #[error("no answer from Telegram: {0}")]
    NoAnswer(String),
    /// An answer that is none of the Bot API's.
    #[error("an answer that is not the Bot API's (HTTP {status}): {reason}")]
    Malformed { status: u16, reason: String },
    /// The Bot API said no.
    #[error("Telegram says {code}: {description}")]
    Refused { code: u16, description: String, retry_after: Option<Duration>, migrated_to: Option<i64> },
}

/// A bot's access to the Bot API. The token is part of every URL, so no URL leaves this file.
pub(crate) struct Bot {
    http: Arc<Clients>,
    api_url: String,
    token: SecretString,
}

impl Bot {
    /// Touches no network. The error says what is wrong with the URL.
    pub(crate) fn new(http: Arc<Clients>, api_url: &str, token: SecretString) -> Result<Self, String> {
        let url = reqwest::Url::parse(api_url).map_err(|error| format!("{api_url:?} is no URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.query().is_some() {
            return Err(format!("{api_url:?} is no place to call: write `https://HOST` or `http://HOST:PORT`"));
        }
        Ok(Self { http, api_url: api_url.trim_end_matches('/').to_owned(), token })
    }

    /// Calls a method with JSON parameters.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &impl Serialize,
        timeout: Duration,
    ) -> Result<T, CallError> {
        let request = self.http.here().post(self.url(method)).json(params);
        self.answer(request.timeout(timeout)).await
    }

    /// Calls a method with a file among its parameters.
    pub(crate) async fn upload<T: DeserializeOwned>(
        &self,
        method: &str,
        form: Form,
        timeout: Duration,
    ) -> Result<T, CallError> {
        let request = self.http.here().post(self.url(method)).multipart(form);
        self.answer(request.timeout(timeout)).await
    }

    /// Asks for bytes of a file that `getFile` gave the path of.
    pub(crate) async fn file(&self, path: &str, from: u64, to: u64) -> Result<reqwest::Response, CallError> {
        let url = format!("{}/file/bot{}/{path}", self.api_url, self.token.expose_secret());
        let request = self.http.here().get(url).header("range", format!("bytes={from}-{to}"));
        request.timeout(CALL_TIMEOUT).send().await.map_err(|error| self.failure(error))
    }

    fn url(&self, method: &str) -> String {
        format!("{}/bot{}/{method}", self.api_url, self.token.expose_secret())
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, CallError> {
        let response = request.send().await.map_err(|error| self.failure(error))?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|error| CallError::NoAnswer(self.reason(error)))?;
        let malformed = |reason: String| CallError::Malformed { status, reason };
        let envelope: Envelope = serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))?;
        if envelope.ok {
            let result = envelope.result.unwrap_or(Value::Null);
            return serde_json::from_value(result).map_err(|error| malformed(error.to_string()));
        }
        let parameters = envelope.parameters.unwrap_or_default();
        Err(CallError::Refused {
            code: envelope.error_code.unwrap_or(status),
            description: envelope.description.unwrap_or_default(),
            retry_after: parameters.retry_after.map(Duration::from_secs),
            migrated_to: parameters.migrate_to_chat_id,
        })
    }

    pub(crate) fn failure(&self, error: reqwest::Error) -> CallError {
        // Building fails before anything is sent, and so does connecting, its time-out included.
        if error.is_connect() || error.is_builder() {
            CallError::NotSent(self.reason(error))
        } else {
            CallError::NoAnswer(self.reason(error))
        }
    }

    fn reason(&self, error: reqwest::Error) -> String {
        told(&error.without_url()).replace(self.token.expose_secret(), "…")
    }
}

/// An error with its causes: reqwest's own text says only that something failed.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
