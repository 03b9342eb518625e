//! The connector against a small scripted server: what is confirmed when, and what failures mean.

mod files;
mod receiving;
mod sending;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::{Value, json};
use switchhook_core::action::{Action, AttachmentSource, Button, Outgoing, OutgoingAttachment, TextFormat};
use switchhook_core::connector::{
    Connector, ConnectorContext, ConnectorError, Delivery, DeliveryError, Inbox, InboxError, Receipt, StatusReporter,
};
use switchhook_core::id::{ChannelName, OutboxId};
use switchhook_core::kind::{ChannelSettings, ConnectorKind, KeyValue};
use switchhook_core::message::{AttachmentKind, Chat, ChatKind, Inbound};
use switchhook_core::status::State as Connection;
use switchhook_core::time::SystemClock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::TelegramKind;

const TOKEN: &str = "4242:SECRET";

/// A server that gives the scripted answers of each method in turn, and keeps what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<BTreeMap<&'static str, VecDeque<(u16, Value)>>>,
    asked: Mutex<Vec<(String, Value)>>,
}

impl Script {
    fn then(&self, method: &'static str, status: u16, answer: Value) {
        self.answers.lock().entry(method).or_default().push_back((status, answer));
    }
    fn ok(&self, method: &'static str, result: Value) {
        self.then(method, 200, json!({ "ok": true, "result": result }));
    }
    fn refuse(&self, method: &'static str, code: u16, description: &str) {
        self.then(method, code, json!({ "ok": false, "error_code": code, "description": description }));
    }
    fn asked(&self, method: &str) -> Vec<Value> {
        self.asked.lock().iter().filter(|(m, _)| m == method).map(|(_, params)| params.clone()).collect()
    }

    async fn serve(self: &Arc<Self>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }
}

/// A method without an answer left never answers: a long poll with no news.
async fn answer(State(script): State<Arc<Script>>, uri: Uri, body: Bytes) -> (StatusCode, String) {
    let method = uri.path().strip_prefix(&format!("/bot{TOKEN}/")).expect("the token is in the path").to_owned();
    let params = serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)));
    script.asked.lock().push((method.clone(), params));
    let scripted = script.answers.lock().get_mut(method.as_str()).and_then(VecDeque::pop_front);
    match scripted {
        Some((status, Value::String(text))) => (StatusCode::from_u16(status).unwrap(), text),
        Some((status, answer)) => (StatusCode::from_u16(status).unwrap(), answer.to_string()),
        None => std::future::pending().await,
    }
}

fn connector(api_url: &str) -> Arc<dyn Connector> {
    let values = BTreeMap::from([
        ("token".to_owned(), KeyValue::Secret(TOKEN.into())),
        ("api_url".to_owned(), KeyValue::Text(api_url.to_owned())),
    ]);
    let settings = ChannelSettings { name: ChannelName::new("me").unwrap(), values };
    TelegramKind::default().build(settings).expect("it can be built").connector
}

/// Gives its scripted answers, then success.
#[derive(Default)]
struct Journal {
    answers: Mutex<VecDeque<InboxError>>,
    accepted: Mutex<Vec<String>>,
}

#[async_trait]
impl Inbox for Journal {
    async fn accept(&self, batch: Vec<Inbound>) -> Result<(), InboxError> {
        if let Some(error) = self.answers.lock().pop_front() {
            return Err(error);
        }
        self.accepted.lock().extend(batch.into_iter().map(|inbound| inbound.dedupe_key));
        Ok(())
    }
}

fn context(journal: &Arc<Journal>) -> ConnectorContext {
    ConnectorContext {
        inbox: journal.clone(),
        status: StatusReporter::new(Arc::new(SystemClock)),
        drain: CancellationToken::new(),
    }
}

fn update(id: i64) -> Value {
    json!({ "update_id": id, "message": { "message_id": id, "date": 1, "text": "x",
        "chat": { "id": 7, "type": "private" }, "from": { "id": 7, "first_name": "A" } } })
}

fn me(script: &Script) {
    script.ok("getMe", json!({ "id": 4242, "first_name": "Hook", "username": "hook_bot" }));
}

/// Runs until the server was asked so many times for updates, then drains.
async fn run_until_polls(script: &Arc<Script>, journal: &Arc<Journal>, polls: usize) -> ConnectorContext {
    let context = context(journal);
    let connector = connector(&script.serve().await);
    let drained = async {
        while script.asked("getUpdates").len() < polls {
            tokio::task::yield_now().await;
        }
        context.drain.cancel();
    };
    let (ran, ()) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(connector.run(context.clone()), drained) })
            .await
            .expect("it polls and drains");
    assert_eq!(ran, Ok(()));
    context
}

/// A port that was free a moment ago.
async fn nobody_there() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn delivery(action: Action) -> Delivery {
    Delivery {
        id: OutboxId(1),
        attempt: 1,
        chat: "7".to_owned(),
        thread: Some("3".to_owned()),
        action,
        answers: None,
        idempotency_key: "k".to_owned(),
    }
}

fn sent(script: &Script, method: &'static str, id: i64) {
    script.ok(method, json!({ "message_id": id, "chat": { "id": 7 } }));
}
