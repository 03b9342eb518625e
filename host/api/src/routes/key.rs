//! The master key: how it stands, and another one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use switchhook_runtime::KeyStatus;

use crate::caller::Asking;
use crate::error::ApiError;
use crate::routes::Api;

pub(crate) async fn show(State(api): State<Api>) -> Json<KeyStatus> {
    Json(api.host.key())
}

/// What comes back is how it stands now; it goes on by itself.
pub(crate) async fn rotate(
    State(api): State<Api>,
    Asking(caller): Asking,
) -> Result<(StatusCode, Json<KeyStatus>), ApiError> {
    Ok((StatusCode::ACCEPTED, Json(api.host.rotate_key(caller).await?)))
}
