//! A fake with its people, and a device that is a real client.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use switchhook_fake_whatsapp::{Fake, Options};
use tokio::sync::mpsc;
use whatsapp_rust::bot::BotHandle;
use whatsapp_rust::http::{HttpClient, HttpRequest, HttpResponse};
use whatsapp_rust::prelude::*;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::wacore::store::InMemoryBackend;

const PATIENCE: Duration = Duration::from_secs(60);
/// Events that a test has not looked at yet: more than any test here causes.
const EVENTS: usize = 1024;

/// The fake, driven as a person would drive it.
pub struct World {
    url: String,
    control: String,
    http: reqwest::Client,
}

impl World {
    pub async fn start() -> Result<Self> {
        let any = "127.0.0.1:0".parse()?;
        let fake = Fake::open(Options { listen: any, control: any, ledger: None }).await?;
        let world = Self { url: fake.url(), control: fake.control_url(), http: reqwest::Client::new() };
        tokio::spawn(fake.run());
        Ok(world)
    }

    pub async fn people(&self, account: &str, contacts: &[&str]) -> Result<()> {
        self.post("accounts", json!({ "number": account })).await?;
        for contact in contacts {
            self.post("contacts", json!({ "number": contact, "name": "Somebody" })).await?;
        }
        Ok(())
    }

    pub async fn post(&self, command: &str, body: Value) -> Result<Value> {
        let answer = self.http.post(format!("{}/_control/{command}", self.control)).json(&body).send().await?;
        let good = answer.status().is_success();
        let told: Value = answer.json().await?;
        ensure!(good, "{command}: {}", told["error"]);
        Ok(told)
    }

    async fn get(&self, query: &str) -> Result<Value> {
        Ok(self.http.get(format!("{}/_control/{query}", self.control)).send().await?.json().await?)
    }

    /// Waits for what the query says; gives the first entry, if it names an event.
    pub async fn entry(&self, query: &str) -> Result<Value> {
        let told = self.get(&format!("wait?timeout_ms=30000&{query}")).await?;
        if told["reached"] != true {
            bail!("{query} did not come; the ledger: {:#}", self.get("ledger").await?);
        }
        Ok(told["entries"][0].clone())
    }

    pub async fn no_violations(&self) -> Result<()> {
        let told = self.get("ledger?event=violation").await?;
        ensure!(told["entries"] == json!([]), "{told:#}");
        Ok(())
    }
}

/// Turns the host of the media into the fake's address.
struct Media(String, reqwest::Client);

#[whatsapp_rust::async_trait]
impl HttpClient for Media {
    async fn execute(&self, request: HttpRequest) -> Result<HttpResponse> {
        let url = request.url.replace("https://media.fake.invalid", &self.0);
        let sent = self.1.request(request.method.parse()?, url).body(request.body.unwrap_or_default()).send().await?;
        Ok(HttpResponse { status_code: sent.status().as_u16(), body: sent.bytes().await?.to_vec() })
    }
}

/// A real client that has not been linked yet.
pub struct Device {
    handle: BotHandle,
    events: mpsc::Receiver<Arc<Event>>,
}

impl Device {
    pub async fn start(world: &World) -> Result<Self> {
        let (out, events) = mpsc::channel(EVENTS);
        let bot = Bot::builder()
            .with_backend(InMemoryBackend::new())
            .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(world.url.clone()))
            .with_http_client(Media(world.control.clone(), reqwest::Client::new()))
            .with_version((2, 3000, 1_026_131_876))
            .with_push_name("Proof")
            .with_wanted_pre_key_count(30)
            .skip_history_sync()
            .on_event(move |event, _| {
                let out = out.clone();
                async move {
                    let _ = out.send(event).await;
                }
            })
            .build()
            .await?;
        Ok(Self { handle: bot.spawn(), events })
    }

    pub fn client(&self) -> Arc<Client> {
        self.handle.client()
    }

    pub async fn until<T>(&mut self, what: &str, mut found: impl FnMut(&Event) -> Option<T>) -> Result<T> {
        let search = async {
            loop {
                let event = self.events.recv().await.context("the client ended")?;
                if let Event::UndecryptableMessage(message) = &*event {
                    bail!("the client could not read {message:?}");
                }
                if let Some(found) = found(&event) {
                    return Ok(found);
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.with_context(|| format!("waiting for {what}"))?
    }

    pub async fn qr(&mut self) -> Result<String> {
        self.until("a QR code", |event| match event {
            Event::PairingQrCode(qr) => Some(qr.code.clone()),
            _ => None,
        })
        .await
    }

    pub async fn link_by_qr(&mut self, world: &World, account: &str) -> Result<()> {
        let qr = self.qr().await?;
        world.post("scan", json!({ "account": account, "qr": qr })).await?;
        self.logged_in(world, account).await
    }

    pub async fn logged_in(&mut self, world: &World, account: &str) -> Result<()> {
        self.until("the end of pairing", |event| matches!(event, Event::PairSuccess(_)).then_some(())).await?;
        self.until("a connection", |event| matches!(event, Event::Connected(_)).then_some(())).await?;
        world.entry(&format!("account={account}&ready=true&event=prekeys")).await?;
        Ok(())
    }

    /// Waits for a text, and gives its chat.
    pub async fn text(&mut self, wanted: &str) -> Result<Jid> {
        self.until(wanted, |event| match event {
            Event::Messages(_) => event
                .messages()
                .find_map(|m| (m.message.text_content() == Some(wanted)).then(|| m.info.source.chat.clone())),
            _ => None,
        })
        .await
    }

    /// The texts of the next event that has some; what waited comes several at once.
    pub async fn texts(&mut self) -> Result<Vec<String>> {
        self.until("texts", |event| match event {
            Event::Messages(_) => {
                let texts = event.messages().filter_map(|m| m.message.text_content().map(str::to_owned));
                Some(texts.collect::<Vec<_>>()).filter(|texts| !texts.is_empty())
            }
            _ => None,
        })
        .await
    }

    /// Waits for the client to end by itself.
    pub async fn ended(self) {
        let _ = self.handle.await;
    }

    pub async fn stop(self) {
        self.handle.shutdown().await;
    }
}
