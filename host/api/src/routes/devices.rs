//! The devices that channels are, and who did what to them.

use axum::Json;
use axum::extract::{Path, State};
use switchhook_runtime::link::Device;
use switchhook_store::AuditEntry;

use crate::caller::Asking;
use crate::error::ApiError;
use crate::routes::Api;

/// How many entries of the audit are shown.
const LISTED: u32 = 500;

pub(crate) async fn list(State(api): State<Api>) -> Json<Vec<Device>> {
    Json(api.host.devices())
}

pub(crate) async fn show(State(api): State<Api>, Path(channel): Path<String>) -> Result<Json<Device>, ApiError> {
    Ok(Json(api.host.device(&channel)?))
}

pub(crate) async fn refresh(
    State(api): State<Api>,
    Path(channel): Path<String>,
    Asking(caller): Asking,
) -> Result<Json<Device>, ApiError> {
    Ok(Json(api.host.refresh_device(&channel, caller).await?))
}

pub(crate) async fn unlink(
    State(api): State<Api>,
    Path(channel): Path<String>,
    Asking(caller): Asking,
) -> Result<Json<Device>, ApiError> {
    Ok(Json(api.host.unlink_device(&channel, caller).await?))
}

pub(crate) async fn reset(
    State(api): State<Api>,
    Path(channel): Path<String>,
    Asking(caller): Asking,
) -> Result<Json<Device>, ApiError> {
    Ok(Json(api.host.reset_device(&channel, caller).await?))
}

pub(crate) async fn audit(State(api): State<Api>) -> Result<Json<Vec<AuditEntry>>, ApiError> {
    Ok(Json(api.host.audit(LISTED).await?))
}
