//! Asks the running host.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Method, Response};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use switchhook_api::LocalToken;
use switchhook_api::dto::ErrorBody;

use crate::failure::Failure;
use crate::places::Places;

/// A host on this machine takes a connection at once or not at all.
const CONNECT: Duration = Duration::from_secs(2);
/// A reload may compile plugins: the longest that one compilation may take, and some.
const ANSWER: Duration = Duration::from_secs(150);

/// A running host, as its API sees us.
pub(crate) struct Client {
    http: reqwest::Client,
    token: LocalToken,
    address: SocketAddr,
    places: Places,
}

impl Client {
    pub(crate) fn new(places: Places) -> Result<Self, Failure> {
        let address = places.api_address();
        let token =
            LocalToken::read(&places.keys_dir).map_err(|error| Failure::NoToken { reason: error.to_string() })?;
        let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT).timeout(ANSWER);
        // For the audit (B10).
        let http = http.user_agent(concat!("switchhook/", env!("CARGO_PKG_VERSION"))).build();
        let http = http.map_err(|error| Failure::other("the HTTP client can't be made", error))?;
        Ok(Self { http, token, address, places })
    }
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(Method::GET, path, None).await
    }
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(Method::POST, path, None).await
    }
    pub(crate) async fn post_with<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let body = serde_json::to_value(body).map_err(|error| Failure::other("the request can't be written", error))?;
        self.json(Method::POST, path, Some(body)).await
    }
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(Method::DELETE, path, None).await
    }
    /// For what answers with nothing but success.
    pub(crate) async fn act(&self, path: &str) -> Result<(), Failure> {
        self.send(Method::POST, path, None).await.map(drop)
    }
    /// The same for what is to be gone.
    pub(crate) async fn remove(&self, path: &str) -> Result<(), Failure> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }
    async fn json<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Value>) -> Result<T, Failure> {
        let answer = self.send(method, path, body).await?;
        answer
            .json()
            .await
            .map_err(|error| Failure::other("the host's answer can't be read: is it of another version?", error))
    }
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Response, Failure> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let mut request = self.http.request(method, url).bearer_auth(self.token.secret().expose_secret());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(refusal(answer).await)
    }
    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let reason = match error {
            e if e.is_connect() => "nothing listens there".to_owned(),
            e if e.is_timeout() => "it took too long".to_owned(),
            e => e.to_string(),
        };
        Failure::NoHost { address: self.address.to_string(), reason, config: self.places.config.clone() }
    }
}

async fn refusal(answer: Response) -> Failure {
    let status = answer.status();
    match answer.json::<ErrorBody>().await {
        Ok(body) => Failure::Refused { code: body.error.code, message: body.error.message },
        // Something else listens there.
        Err(_) => Failure::Refused { code: status.as_u16().to_string(), message: format!("it answered {status}") },
    }
}
