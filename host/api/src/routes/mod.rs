//! The paths, and what each of them asks the host.

mod config;
mod contacts;
mod devices;
mod journal;
mod key;
mod links;
mod messages;
mod metrics;

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use metrics_exporter_prometheus::PrometheusHandle;
use switchhook_core::origin::OwnNames;
use switchhook_runtime::{Health, Host, HostStatus, PluginStatus};
use tokio::sync::{Semaphore, watch};

use crate::error::ApiError;
use crate::events;
use crate::guard::{Guard, guard};
use crate::probes::{self, Readiness};
use crate::token::TokenHash;

/// How many streams of events may be open at once: a person watches one, a script another.
const STREAMS: usize = 32;

/// What the API is made of besides the host itself.
pub struct ApiOptions {
    pub token: TokenHash,
    /// What requests must name as their host.
    pub names: OwnNames,
    /// Renders the metrics of this process.
    pub metrics: PrometheusHandle,
    /// Streams of events end when it says that the host drains.
    pub readiness: watch::Receiver<Readiness>,
}

/// What every handler gets.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) host: Host,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) readiness: watch::Receiver<Readiness>,
    /// How many streams of events may be open at once.
    pub(crate) streams: Arc<Semaphore>,
}

/// `/api/v1`, `/metrics` and the probes.
pub fn router(host: Host, options: ApiOptions) -> Router {
    let guarded = Guard { names: options.names, token: options.token };
    let probes = probes::router(options.readiness.clone());
    let api = Api {
        host,
        metrics: options.metrics,
        readiness: options.readiness,
        streams: Arc::new(Semaphore::new(STREAMS)),
    };
    let guarded = middleware::from_fn_with_state(guarded, guard);
    let numbers = Router::new().route("/metrics", get(metrics::render)).layer(guarded.clone()).with_state(api.clone());
    Router::new().nest("/api/v1", v1().layer(guarded).with_state(api)).merge(numbers).merge(probes)
}

fn v1() -> Router<Api> {
    Router::new()
        .route("/status", get(status))
        .route("/plugins", get(plugins))
        .route("/events", get(events::stream))
        .route("/reload", post(config::reload))
        .route("/reload/dry-run", post(config::dry_run))
        .route("/generations", get(config::generations))
        .route("/messages/{id}", get(journal::explain))
        .route("/held", get(journal::held))
        .route("/held/{id}/approve", post(journal::approve))
        .route("/held/{id}/drop", post(journal::drop))
        .route("/dead", get(journal::dead))
        .route("/dead/{id}/replay", post(journal::replay))
        .route("/channels/{name}/health", get(health))
        .route("/channels/{name}/link", get(links::show).post(links::start).delete(links::cancel))
        .route("/channels/{name}/link/passkey", post(links::passkey))
        .route("/channels/{name}/link/passkey/confirm", post(links::confirm_passkey))
        .route("/channels/{name}/link/qr", get(links::qr))
        .route("/channels/{name}/messages", get(messages::list).post(messages::send))
        .route("/links", get(links::list))
        .route("/audit", get(devices::audit))
        .route("/key", get(key::show))
        .route("/key/rotate", post(key::rotate))
        .route("/devices", get(devices::list))
        .route("/devices/{channel}", get(devices::show).delete(devices::unlink))
        .route("/devices/{channel}/refresh", post(devices::refresh))
        .route("/devices/{channel}/reset", post(devices::reset))
        .route("/contacts", get(contacts::list))
        .route("/contacts/{person}/approve", post(contacts::approve))
        .route("/contacts/{person}/block", post(contacts::block))
        .route("/contacts/{person}/forget", post(contacts::forget))
        .fallback(async || ApiError::NotFound("there is nothing at this path".to_owned()))
        .method_not_allowed_fallback(async |request: Request| ApiError::Method { method: request.method().to_string() })
}

async fn status(State(api): State<Api>) -> Json<HostStatus> {
    Json(api.host.status().await)
}

async fn health(State(api): State<Api>, Path(channel): Path<String>) -> Result<Json<Health>, ApiError> {
    let health = api.host.health(&channel);
    health.map(Json).ok_or_else(|| ApiError::NotFound(format!("there is no channel `{channel}`")))
}

async fn plugins(State(api): State<Api>) -> Json<Vec<PluginStatus>> {
    Json(api.host.status().await.plugins)
}
