//! The API of the provider.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde_json::{Value, json};

use crate::answer::{Answer, Writing, echo};
use crate::check::{self, Rejection};
use crate::fake::{Fake, now_ms};
use crate::fault::Fault;
use crate::ledger::{Outcome, Record};

pub(crate) fn routes() -> Router<Arc<Fake>> {
    Router::new().route("/v1/chat/completions", post(complete)).route("/v1/models", get(models)).fallback(unknown)
}

async fn unknown(method: Method, uri: Uri) -> Response {
    let message = format!("Invalid URL ({method} {})", uri.path());
    rejected(&Rejection { status: 404, message, param: None, code: Some("unknown_url") })
}

async fn models(State(fake): State<Arc<Fake>>, headers: HeaderMap) -> Response {
    if let Err(rejection) = check::key(fake.key.as_deref(), authorization(&headers)) {
        return rejected(&rejection);
    }
    let one = |name: &String| json!({ "id": name, "object": "model", "created": 0, "owned_by": "fake" });
    let data: Vec<_> = fake.models.iter().map(one).collect();
    Json(json!({ "object": "list", "data": data })).into_response()
}

async fn complete(State(fake): State<Arc<Fake>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let mut record = Record::open(&fake, &body);
    let checked = check::key(fake.key.as_deref(), authorization(&headers))
        .and_then(|()| is_json(&headers, &body))
        .and_then(|()| check::body(&body, &fake.models));
    if let Err(rejection) = checked {
        record.answers(rejection.status);
        record.end(Outcome::Completed);
        return rejected(&rejection);
    }
    let fault = fake.faults.lock().take();
    if let Some(fault) = &fault {
        record.met(fault.name());
    }
    match fault {
        Some(Fault::Hang) => std::future::pending::<Infallible>().await.into_response(),
        Some(Fault::Status { code, retry_after }) => {
            record.answers(code);
            record.end(Outcome::Completed);
            failed(code, retry_after)
        }
        fault => answer(record, &fake, &body, fault.as_ref()).await,
    }
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()
}

fn is_json(headers: &HeaderMap, body: &Value) -> Result<(), Rejection> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let named = content_type.is_some_and(|value| value.starts_with("application/json"));
    if named && !body.is_null() {
        return Ok(());
    }
    let message = "We could not parse the JSON body of your request.".into();
    Err(Rejection { status: 400, message, param: None, code: None })
}

fn rejected(rejection: &Rejection) -> Response {
    (status(rejection.status), Json(rejection.body())).into_response()
}

fn failed(code: u16, retry_after: Option<u64>) -> Response {
    let (kind, message) = match code {
        429 => ("rate_limit_exceeded", "Rate limit reached."),
        500.. => ("server_error", "The server had an error while processing your request."),
        _ => ("invalid_request_error", "This was asked for under /_control/faults."),
    };
    let error = json!({ "error": { "message": message, "type": kind, "param": null, "code": null } });
    let mut response = (status(code), Json(error)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What an answer consists of, in time.
#[derive(Debug, PartialEq)]
enum Step {
    Pause(Duration),
    /// Waits for the test to let it pass.
    Hold,
    Write(String),
    Cut,
}

async fn answer(mut record: Record, fake: &Arc<Fake>, request: &Value, fault: Option<&Fault>) -> Response {
    let answer = scripted(fake, fault).unwrap_or_else(|| echo(request));
    let writing = Writing { answer: &answer, number: fake.next_number(), created: now_ms() / 1000, request };
    let (content_type, steps) = if request["stream"] == true {
        ("text/event-stream", streamed(&writing, fault))
    } else {
        ("application/json", whole(&writing, fault))
    };
    record.answers(200);
    ([(CONTENT_TYPE, content_type)], played(steps, record, Arc::clone(fake))).into_response()
}

/// The script goes on only with an answer that arrives.
fn scripted(fake: &Fake, fault: Option<&Fault>) -> Option<Answer> {
    let mut script = fake.script.lock();
    if fault.is_none_or(Fault::lets_through) { script.pop_front() } else { script.front().cloned() }
}

fn streamed(writing: &Writing<'_>, fault: Option<&Fault>) -> Vec<Step> {
    let event = |chunk: Value| Step::Write(format!("data: {chunk}\n\n"));
    let mut steps = vec![event(writing.opening()), Step::Hold];
    let mut pieces = writing.pieces();
    match fault {
        Some(Fault::Cut { after_chunks }) => {
            pieces.truncate(*after_chunks);
            steps.extend(pieces.into_iter().map(event));
            steps.push(Step::Cut);
            return steps;
        }
        Some(Fault::Slow { first_token_ms, per_chunk_ms }) => {
            steps.push(Step::Pause(Duration::from_millis(*first_token_ms)));
            let pause = Duration::from_millis(*per_chunk_ms);
            for (index, piece) in pieces.into_iter().enumerate() {
                if index > 0 {
                    steps.push(Step::Pause(pause));
                }
                steps.push(event(piece));
            }
        }
        Some(Fault::Malformed) => {
            let rest = pieces.split_off(pieces.len().min(1));
            steps.extend(pieces.into_iter().map(event));
            steps.push(Step::Write("data: {\"id\":\"chatcmpl-0\",\"choices\":[{\"index\":0,\"del\n\n".into()));
            steps.extend(rest.into_iter().map(event));
        }
        _ => steps.extend(pieces.into_iter().map(event)),
    }
    steps.extend(writing.closing().into_iter().map(event));
    steps.push(Step::Write("data: [DONE]\n\n".into()));
    steps
}

fn whole(writing: &Writing<'_>, fault: Option<&Fault>) -> Vec<Step> {
    let mut text = writing.whole().to_string();
    let half = text.floor_char_boundary(text.len() / 2);
    match fault {
        Some(Fault::Slow { first_token_ms, .. }) => {
            vec![Step::Hold, Step::Pause(Duration::from_millis(*first_token_ms)), Step::Write(text)]
        }
        Some(Fault::Cut { .. }) => {
            text.truncate(half);
            vec![Step::Hold, Step::Write(text), Step::Cut]
        }
        Some(Fault::Malformed) => {
            text.truncate(half);
            vec![Step::Hold, Step::Write(text)]
        }
        _ => vec![Step::Hold, Step::Write(text)],
    }
}

/// Takes the steps one after another, as the client reads.
fn played(steps: Vec<Step>, record: Record, fake: Arc<Fake>) -> Body {
    let state = (steps.into_iter(), record, fake);
    Body::from_stream(stream::unfold(state, |(mut steps, mut record, fake)| async move {
        loop {
            let bytes = match steps.next()? {
                Step::Pause(pause) => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
                Step::Hold => {
                    fake.hold.pass().await;
                    continue;
                }
                Step::Cut => {
                    // Lets what was written before go out first.
                    tokio::task::yield_now().await;
                    record.end(Outcome::Cut);
                    Err(io::Error::other("cut on purpose"))
                }
                Step::Write(text) => Ok(Bytes::from(text)),
            };
            // Before the last bytes leave: a client may hang up as soon as it has them.
            if steps.len() == 0 {
                record.end(Outcome::Completed);
            }
            return Some((bytes, (steps, record, fake)));
        }
    }))
}
