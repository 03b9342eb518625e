//! How a test, or a person, drives the fake.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::answer::Answer;
use crate::fake::Fake;
use crate::fault::Order;
use crate::ledger::{Entry, Outcome};

/// How long a question with `at_least` waits before it is answered with what there is.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn routes() -> Router<Arc<Fake>> {
    Router::new()
        .route("/_control/ledger", get(ledger).delete(clear_ledger))
        .route("/_control/faults", post(add_fault).delete(clear_faults))
        .route("/_control/script", post(add_script).delete(clear_script))
        .route("/_control/hold", post(hold))
        .route("/_control/release", post(release))
        .route("/_control/waiting", get(waiting))
}

#[derive(Deserialize)]
struct Wanted {
    /// Wait until there are so many, instead of asking again and again.
    #[serde(default)]
    at_least: usize,
    /// Only requests that came to this.
    outcome: Option<Outcome>,
}

async fn ledger(State(fake): State<Arc<Fake>>, Query(wanted): Query<Wanted>) -> Json<Vec<Entry>> {
    let chosen = || {
        let mut entries = fake.ledger.entries();
        entries.retain(|entry| wanted.outcome.is_none_or(|outcome| outcome == entry.outcome));
        entries
    };
    let mut changes = fake.ledger.changes();
    let enough = changes.wait_for(|()| chosen().len() >= wanted.at_least);
    // Too few after all is for whoever asked to notice.
    let _ = timeout(PATIENCE, enough).await;
    Json(chosen())
}

async fn clear_ledger(State(fake): State<Arc<Fake>>) -> StatusCode {
    fake.ledger.clear();
    StatusCode::NO_CONTENT
}

async fn add_fault(State(fake): State<Arc<Fake>>, Json(order): Json<Order>) -> StatusCode {
    fake.faults.lock().add(order);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(fake): State<Arc<Fake>>) -> StatusCode {
    fake.faults.lock().clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Script {
    answers: VecDeque<Answer>,
}

async fn add_script(State(fake): State<Arc<Fake>>, Json(script): Json<Script>) -> StatusCode {
    fake.script.lock().extend(script.answers);
    StatusCode::NO_CONTENT
}

async fn clear_script(State(fake): State<Arc<Fake>>) -> StatusCode {
    fake.script.lock().clear();
    StatusCode::NO_CONTENT
}

async fn hold(State(fake): State<Arc<Fake>>) -> StatusCode {
    fake.hold.close();
    StatusCode::NO_CONTENT
}

async fn release(State(fake): State<Arc<Fake>>) -> StatusCode {
    fake.hold.open();
    StatusCode::NO_CONTENT
}

async fn waiting(State(fake): State<Arc<Fake>>, Query(wanted): Query<Wanted>) -> Json<Value> {
    let mut waiting = fake.hold.waiting();
    let enough = waiting.wait_for(|count| *count >= wanted.at_least);
    let _ = timeout(PATIENCE, enough).await;
    let count = *fake.hold.waiting().borrow();
    Json(json!({ "waiting": count }))
}
