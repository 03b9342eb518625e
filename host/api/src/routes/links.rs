//! Attempts to link a channel to a phone.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use switchhook_runtime::link::{Attempt, Begun, LinkRequest, PasskeyAnswer};
use switchhook_store::LinkRecord;

use crate::caller::Asking;
use crate::error::ApiError;
use crate::qr::{self, Format};
use crate::routes::Api;

/// How many attempts the list shows.
const LISTED: u32 = 200;

pub(crate) async fn start(
    State(api): State<Api>,
    Path(channel): Path<String>,
    Asking(caller): Asking,
    request: Result<Json<LinkRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(request) = request.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    Ok(match api.host.link(&channel, request, caller).await? {
        Begun::New(attempt) => shown(StatusCode::ACCEPTED, attempt),
        Begun::Joined(attempt) => shown(StatusCode::OK, attempt),
    })
}

pub(crate) async fn show(State(api): State<Api>, Path(channel): Path<String>) -> Result<Response, ApiError> {
    Ok(shown(StatusCode::OK, api.host.link_attempt(&channel).await?))
}

pub(crate) async fn cancel(
    State(api): State<Api>,
    Path(channel): Path<String>,
    Asking(caller): Asking,
) -> Result<Response, ApiError> {
    Ok(shown(StatusCode::OK, api.host.cancel_link(&channel, caller).await?))
}

pub(crate) async fn passkey(
    State(api): State<Api>,
    Path(channel): Path<String>,
    answer: Result<Json<PasskeyAnswer>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(answer) = answer.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    Ok(shown(StatusCode::OK, api.host.answer_passkey(&channel, answer).await?))
}

pub(crate) async fn confirm_passkey(State(api): State<Api>, Path(channel): Path<String>) -> Result<Response, ApiError> {
    Ok(shown(StatusCode::OK, api.host.confirm_passkey(&channel).await?))
}

#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    format: Format,
}

pub(crate) async fn qr(
    State(api): State<Api>,
    Path(channel): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(wanted) = wanted.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    qr::render(&api.host.link_qr(&channel)?.payload, wanted.format)
}

pub(crate) async fn list(State(api): State<Api>) -> Result<Json<Vec<LinkRecord>>, ApiError> {
    Ok(Json(api.host.link_attempts(LISTED).await?))
}

/// An attempt holds what links the account: nothing on the way may keep it.
fn shown(status: StatusCode, attempt: Attempt) -> Response {
    let mut response = (status, Json(attempt)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
