//! A provider that does as it is told, and the ways to ask it.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use switchhook_core::id::ModelName;
use switchhook_core::model::{Completion, LanguageModel, ModelError, ModelRequest, PromptMessage, Role};
use switchhook_model::{ModelSpec, Models};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// What the server does next within an answer.
#[derive(Clone)]
pub(crate) enum Step {
    Send(String),
    Pause(Duration),
    /// Waits for a permit.
    Await(Arc<Semaphore>),
    /// Says nothing more and keeps the connection.
    Hang,
    /// Breaks the connection.
    Cut,
}

#[derive(Clone)]
pub(crate) enum Reply {
    Stream(Vec<Step>),
    Status(u16, Vec<(&'static str, &'static str)>, String),
    Json(Value),
    /// Not even a status.
    Silence,
}

pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Clone)]
struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    arrived: watch::Sender<usize>,
    abandoned: watch::Sender<usize>,
    connections: Arc<Mutex<HashSet<SocketAddr>>>,
}

pub(crate) struct Server {
    pub(crate) base_url: String,
    script: Script,
}

/// Counts an answer that is dropped before its end.
struct Unfinished(Option<watch::Sender<usize>>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(abandoned) = &self.0 {
            abandoned.send_modify(|count| *count += 1);
        }
    }
}

impl Server {
    /// Gives these replies in order; the last one again and again.
    pub(crate) async fn start(replies: Vec<Reply>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let script = Script {
            replies: Arc::new(Mutex::new(replies.into())),
            seen: Arc::default(),
            arrived: watch::Sender::new(0),
            abandoned: watch::Sender::new(0),
            connections: Arc::default(),
        };
        let app = Router::new().fallback(answer).with_state(script.clone());
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Server { base_url, script }
    }

    pub(crate) fn asked(&self) -> usize {
        self.script.seen.lock().unwrap().len()
    }

    pub(crate) fn first(&self) -> Seen {
        self.script.seen.lock().unwrap().remove(0)
    }

    pub(crate) fn connections(&self) -> usize {
        self.script.connections.lock().unwrap().len()
    }

    pub(crate) async fn arrived(&self, count: usize) {
        reaches(&self.script.arrived, count).await;
    }

    /// Until the server saw so many answers being dropped by their reader.
    pub(crate) async fn abandoned(&self, count: usize) {
        reaches(&self.script.abandoned, count).await;
    }
}

async fn reaches(counter: &watch::Sender<usize>, count: usize) {
    let mut counter = counter.subscribe();
    let reached = counter.wait_for(|seen| *seen >= count);
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("it never came").unwrap();
}

async fn answer(
    State(script): State<Script>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    script.connections.lock().unwrap().insert(peer);
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap();
    script.seen.lock().unwrap().push(Seen { path: parts.uri.to_string(), headers: parts.headers, body });
    script.arrived.send_modify(|count| *count += 1);
    let reply = {
        let mut replies = script.replies.lock().unwrap();
        if replies.len() > 1 { replies.pop_front().unwrap() } else { replies[0].clone() }
    };
    match reply {
        Reply::Stream(steps) => streamed(steps, Unfinished(Some(script.abandoned.clone()))),
        Reply::Status(code, headers, body) => {
            let mut response = (StatusCode::from_u16(code).unwrap(), body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Reply::Json(json) => axum::Json(json).into_response(),
        Reply::Silence => {
            let _unfinished = Unfinished(Some(script.abandoned.clone()));
            std::future::pending::<Infallible>().await;
            unreachable!()
        }
    }
}

fn streamed(steps: Vec<Step>, unfinished: Unfinished) -> Response {
    let steps = stream::unfold((steps.into_iter(), unfinished), |(mut steps, mut unfinished)| async move {
        let Some(step) = steps.next() else {
            drop(unfinished.0.take());
            return None;
        };
        let bytes = match step {
            Step::Send(text) => Ok(Bytes::from(text)),
            Step::Await(gate) => {
                gate.acquire().await.unwrap().forget();
                Ok(Bytes::new())
            }
            Step::Pause(pause) => {
                tokio::time::sleep(pause).await;
                Ok(Bytes::new())
            }
            Step::Hang => std::future::pending().await,
            Step::Cut => {
                // Lets what was sent before go out first.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut"))
            }
        };
        Some((bytes, (steps, unfinished)))
    });
    // An empty chunk would end the body.
    let bytes = steps.filter(|bytes| std::future::ready(bytes.as_ref().map_or(true, |bytes| !bytes.is_empty())));
    ([("content-type", "text/event-stream")], Body::from_stream(bytes)).into_response()
}

pub(crate) fn chunk(value: Value) -> Step {
    Step::Send(format!("data: {value}\n\n"))
}

pub(crate) fn delta(delta: Value) -> Step {
    chunk(json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] }))
}

pub(crate) fn text(text: &str) -> Step {
    delta(json!({ "content": text }))
}

pub(crate) fn finish(reason: &str) -> Vec<Step> {
    vec![
        chunk(json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })),
        chunk(json!({ "choices": [], "usage": { "prompt_tokens": 7, "completion_tokens": 2 } })),
        Step::Send("data: [DONE]\n\n".into()),
    ]
}

/// A stream that says `words` in two pieces.
pub(crate) fn says(words: &str) -> Reply {
    let (first, second) = words.split_at(words.len() / 2);
    let role = delta(json!({ "role": "assistant", "content": "" }));
    Reply::Stream([vec![role, text(first), text(second)], finish("stop")].concat())
}

pub(crate) fn fails(code: u16, message: &str) -> Reply {
    Reply::Status(code, vec![], json!({ "error": { "message": message } }).to_string())
}

pub(crate) fn name(text: &str) -> ModelName {
    ModelName::new(text).unwrap()
}

pub(crate) fn spec(model: &str, server: &Server, fallback: &[&str]) -> ModelSpec {
    ModelSpec {
        name: name(model),
        base_url: server.base_url.clone(),
        model: format!("{model}-7b"),
        api_key: None,
        timeout: Duration::from_secs(20),
        total_timeout: Duration::from_secs(20),
        concurrency: 8,
        stream: true,
        fallback: fallback.iter().map(|fallback| name(fallback)).collect(),
    }
}

pub(crate) fn question() -> ModelRequest {
    let message = PromptMessage {
        role: Role::User,
        text: "hello?".into(),
        attachments: vec![],
        tool_calls: vec![],
        tool_call_id: None,
    };
    ModelRequest { messages: vec![message], ..ModelRequest::default() }
}

pub(crate) fn main_of(models: &Models) -> Arc<dyn LanguageModel> {
    models.get(&name("main")).unwrap()
}

/// Asks `main` of these.
pub(crate) async fn ask(specs: Vec<ModelSpec>) -> Result<Completion, ModelError> {
    main_of(&Models::build(specs).unwrap()).complete(&question()).await
}

/// Asks `main`, which is this server and nothing else.
pub(crate) async fn ask_one(reply: Reply) -> Result<Completion, ModelError> {
    let server = Server::start(vec![reply]).await;
    ask(vec![spec("main", &server, &[])]).await
}
