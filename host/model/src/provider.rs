//! One provider: an HTTP endpoint with its cap, its time limits and its counters.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use switchhook_core::id::ModelName;
use switchhook_core::model::Completion;
use switchhook_http::Clients;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use crate::body::Body;
use crate::failure::{Failure, Next};
use crate::reading::{FirstToken, read};
use crate::refusal;
use crate::spec::{BuildError, ModelSpec};
use crate::usage::{Counters, ModelUsage};

pub(crate) struct Provider {
    name: ModelName,
    clients: Arc<Clients>,
    url: Url,
    model: String,
    stream: bool,
    key: Option<SecretString>,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    total_timeout: Duration,
    concurrency: usize,
    gate: Arc<Semaphore>,
    counters: Arc<Counters>,
}

impl Provider {
    /// `previous` is the provider that had this name before.
    pub(crate) fn new(
        clients: Arc<Clients>,
        spec: &ModelSpec,
        previous: Option<&Provider>,
    ) -> Result<Self, BuildError> {
        if spec.concurrency == 0 {
            return Err(BuildError::NoConcurrency { name: spec.name.clone() });
        }
        let url = endpoint(&spec.base_url)
            .map_err(|reason| BuildError::BadUrl { name: spec.name.clone(), reason: reason.to_owned() })?;
        let authorization = spec.api_key.as_ref().map(bearer).transpose();
        let same = previous
            .filter(|old| old.url == url && old.model == spec.model && old.concurrency == spec.concurrency)
            .map(|old| Arc::clone(&old.gate));
        Ok(Self {
            name: spec.name.clone(),
            clients,
            url,
            model: spec.model.clone(),
            stream: spec.stream,
            key: spec.api_key.clone(),
            authorization: authorization.map_err(|()| BuildError::BadKey { name: spec.name.clone() })?,
            timeout: spec.timeout,
            total_timeout: spec.total_timeout,
            concurrency: spec.concurrency,
            gate: same.unwrap_or_else(|| Arc::new(Semaphore::new(spec.concurrency.min(Semaphore::MAX_PERMITS)))),
            counters: previous.map(|old| Arc::clone(&old.counters)).unwrap_or_default(),
        })
    }

    pub(crate) fn name(&self) -> &ModelName {
        &self.name
    }

    pub(crate) fn usage(&self) -> ModelUsage {
        self.counters.read(&self.name)
    }

    /// Asks until `deadline` or this provider's own limit, whichever comes first.
    pub(crate) async fn ask(
        &self,
        body: &Map<String, Value>,
        next: Next,
        deadline: Instant,
    ) -> Result<Completion, Failure> {
        let deadline = deadline.min(Instant::now() + self.total_timeout);
        let answer = timeout_at(deadline, self.ask_in_turn(body, next)).await;
        answer.unwrap_or_else(|_| {
            self.counters.failed(Failure::TotalTime.kind());
            Err(Failure::TotalTime)
        })
    }

    async fn ask_in_turn(&self, body: &Map<String, Value>, next: Next) -> Result<Completion, Failure> {
        let _place = self.gate.acquire().await.expect("nobody closes the gate");
        let first_token = FirstToken { by: Instant::now() + self.timeout, limit: self.timeout };
        let failure = match self.call(body, first_token).await {
            Ok(completion) => return Ok(completion),
            Err(failure) => failure,
        };
        match failure.pause(next) {
            Some(pause) if Instant::now() + pause < first_token.by => {
                sleep(pause).await;
                self.call(body, first_token).await
            }
            _ => Err(failure),
        }
    }

    async fn call(&self, body: &Map<String, Value>, first_token: FirstToken) -> Result<Completion, Failure> {
        let _in_flight = self.counters.begin();
        let answer = self.exchange(body, first_token).await;
        match &answer {
            Ok(completion) => self.counters.answered(completion.usage),
            Err(failure) => self.counters.failed(failure.kind()),
        }
        answer.map_err(|failure| failure.presentable(self.key.as_ref().map(ExposeSecret::expose_secret)))
    }

    async fn exchange(&self, body: &Map<String, Value>, first_token: FirstToken) -> Result<Completion, Failure> {
        let sent = timeout_at(first_token.by, self.request(body).send()).await;
        let response = sent.map_err(|_| first_token.late())?.map_err(unsent)?;
        if !response.status().is_success() {
            return Err(refusal::of(response, first_token.by).await);
        }
        if is_html(&response) {
            return Err(Failure::Malformed("an HTML page: is `base_url` where the API starts, as in `…/v1`?".into()));
        }
        let bytes = response.bytes_stream().map_err(|_| Failure::Cut);
        read(Box::pin(bytes), first_token).await?.complete(&self.name)
    }

    fn request(&self, body: &Map<String, Value>) -> RequestBuilder {
        let body = Body::new(&self.model, self.stream, body);
        let accept = if self.stream { "text/event-stream" } else { "application/json" };
        let request = self.clients.here().post(self.url.clone()).header(ACCEPT, accept).json(&body);
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }
}

/// `/chat/completions` below the base; a query, which some providers want, stays.
fn endpoint(base: &str) -> Result<Url, &'static str> {
    let mut url = Url::parse(base).map_err(|_| "not a URL: write it like `https://api.example.com/v1`")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("only `http://` and `https://` are spoken");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a name or a password is in it: give the key as `api_key`");
    }
    url.set_fragment(None);
    url.path_segments_mut().map_err(|()| "not a base for paths")?.pop_if_empty().extend(["chat", "completions"]);
    Ok(url)
}

fn bearer(key: &SecretString) -> Result<HeaderValue, ()> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())).map_err(|_| ())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Why no response came. The URL is left out: its query may hold what is nobody's business.
fn unsent(error: reqwest::Error) -> Failure {
    if !error.is_connect() {
        return Failure::Cut;
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Failure::Connect(cause.to_string())
}

fn is_html(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_lies_below_the_base() {
        let check = |base: &str, expected: &str| assert_eq!(endpoint(base).unwrap().as_str(), expected);
        check("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1/chat/completions");
        check("https://api.example.com/v1/", "https://api.example.com/v1/chat/completions");
        check("https://example.com", "https://example.com/chat/completions");
        check("https://example.com/a?api-version=1#x", "https://example.com/a/chat/completions?api-version=1");
        for bad in ["", "example.com", "file:///v1", "https://me:secret@example.com/v1"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }
}
