//! What a channel received and sent, and sending through it.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use switchhook_core::id::InvalidEntry;
use switchhook_runtime::{MessageLog, SendRequest, Sending};

use crate::caller::Asking;
use crate::error::ApiError;
use crate::routes::Api;

/// Entries of a page where nothing is said, and the most.
const PAGE: u32 = 50;
const LARGEST: u32 = 500;
/// By which a request is known that is made again.
const KEY: &str = "idempotency-key";

/// Which part of the log.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    limit: Option<u32>,
    /// What an answer calls `next`.
    before: Option<String>,
}

pub(crate) async fn list(
    State(api): State<Api>,
    Path(channel): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<MessageLog>, ApiError> {
    let Query(wanted) = wanted.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    let limit = wanted.limit.unwrap_or(PAGE);
    if !(1..=LARGEST).contains(&limit) {
        return Err(ApiError::BadRequest(format!("`limit` must be from 1 to {LARGEST}")));
    }
    let before = wanted.before.map(|place| place.parse()).transpose();
    let before = before.map_err(|error: InvalidEntry| ApiError::BadRequest(format!("`before`: {error}")))?;
    Ok(Json(api.host.messages(&channel, before, limit).await?))
}

pub(crate) async fn send(
    State(api): State<Api>,
    Path(channel): Path<String>,
    Asking(caller): Asking,
    headers: HeaderMap,
    request: Result<Json<SendRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<Sending>), ApiError> {
    let Json(request) = request.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    let key = headers.get(KEY).map(|key| key.to_str().map(str::to_owned)).transpose();
    let key = key.map_err(|_| ApiError::BadRequest(format!("`{KEY}` has visible characters only")))?;
    let sending = api.host.send(&channel, request, key, caller).await?;
    let status = match &sending {
        Sending::Accepted(_) => StatusCode::ACCEPTED,
        Sending::Before(_) => StatusCode::OK,
    };
    Ok((status, Json(sending)))
}
