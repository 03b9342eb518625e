//! How the API refuses: a status, a stable code, and a sentence for a person. Never a stack trace.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use switchhook_core::origin::Foreign;
use switchhook_store::StoreError;

use crate::dto::{ErrorBody, ErrorDetail};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{0}")]
    BadRequest(String),
    #[error("this needs the header `Authorization: Bearer TOKEN`; the token is in `api.token` in the keys folder")]
    Unauthorized,
    #[error(transparent)]
    Foreign(#[from] Foreign),
    #[error("{0}")]
    NotFound(String),
    #[error("{method} is not possible here")]
    Method { method: String },
    /// What was asked for exists, in a state that does not allow it.
    #[error("{0}")]
    Conflict(String),
    #[error("{what}; try again in {retry_after} s")]
    TooMany { what: &'static str, retry_after: u32 },
    #[error("{0}")]
    Unavailable(String),
    /// The host's own fault. The cause is in the log.
    #[error("the host failed at this; its log says why")]
    Internal,
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Foreign(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
    /// For scripts; never changes its meaning.
    fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Foreign(Foreign::NoHost | Foreign::Host(_)) => "foreign_host",
            Self::Foreign(Foreign::Origin { .. }) => "foreign_origin",
            Self::NotFound(_) => "not_found",
            Self::Method { .. } => "method_not_allowed",
            Self::Conflict(_) => "conflict",
            Self::TooMany { .. } => "too_many",
            Self::Unavailable(_) => "unavailable",
            Self::Internal => "internal",
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let detail = ErrorDetail { code: self.code().to_owned(), message: self.to_string() };
        let mut response = (self.status(), Json(ErrorBody { error: detail })).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooMany { retry_after, .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
            }
            _ => {}
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { .. } => Self::NotFound(error.to_string()),
            StoreError::WrongState { .. } | StoreError::NotPending { .. } | StoreError::Erased { .. } => {
                Self::Conflict(error.to_string())
            }
            StoreError::Closed => Self::Unavailable(error.to_string()),
            _ => {
                tracing::error!(%error, "the API could not do what it was asked for");
                Self::Internal
            }
        }
    }
}
