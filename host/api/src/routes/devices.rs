//! The devices that channels are, and who did what to them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
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
    Ok(Json(api.host.device(&channel).await?))
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

/// Whose acts are asked for.
#[derive(Deserialize)]
pub(crate) struct Audited {
    #[serde(default)]
    of: Of,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Of {
    #[default]
    All,
    /// Without what is written of every message that was sent.
    People,
}

pub(crate) async fn audit(
    State(api): State<Api>,
    audited: Result<Query<Audited>, QueryRejection>,
) -> Result<Json<Vec<AuditEntry>>, ApiError> {
    let Query(audited) = audited.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    Ok(Json(match audited.of {
        Of::All => api.host.audit(LISTED).await?,
        Of::People => api.host.audit_of_people(LISTED).await?,
    }))
}
