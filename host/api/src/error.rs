//! How the API refuses: a status, a stable code, and a sentence for a person. Never a stack trace.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use switchhook_core::code::ErrorCode;
use switchhook_core::origin::Foreign;
use switchhook_runtime::link::LinkRefusal;
use switchhook_runtime::{RotationRefusal, SendRefusal};
use switchhook_store::{RotationError, StoreError};

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
    /// Something about a device, with its own stable code. `retry_after` is in seconds.
    #[error("{message}")]
    Device { code: ErrorCode, message: String, retry_after: Option<u32> },
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    DiskFull(String),
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
            Self::Device { code, .. } => device_status(*code),
            Self::Unavailable(_) | Self::DiskFull(_) => StatusCode::SERVICE_UNAVAILABLE,
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
            Self::Device { code, .. } => code.as_str(),
            Self::Unavailable(_) => "unavailable",
            Self::DiskFull(_) => "disk_full",
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
            Self::TooMany { retry_after, .. } | Self::Device { retry_after: Some(retry_after), .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
            }
            _ => {}
        }
        response
    }
}

/// C8: what the caller can change is 4xx, trouble upstream 502 or 503.
fn device_status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::QrExpired
        | ErrorCode::PairingCodeExpired
        | ErrorCode::InvalidRecipient
        | ErrorCode::MessageTooLarge => StatusCode::BAD_REQUEST,
        ErrorCode::DeviceAlreadyLinked
        | ErrorCode::DeviceDisconnected
        | ErrorCode::DeviceBanned
        | ErrorCode::SessionInvalid
        | ErrorCode::LinkingCancelled => StatusCode::CONFLICT,
        ErrorCode::AuthenticationFailed => StatusCode::BAD_GATEWAY,
        ErrorCode::ConnectionTimeout | ErrorCode::ConnectionClosed => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl From<LinkRefusal> for ApiError {
    fn from(refusal: LinkRefusal) -> Self {
        let message = refusal.to_string();
        if let Some(code) = refusal.code() {
            let retry_after = match refusal {
                LinkRefusal::TooMany { retry_after, .. } => {
                    Some(retry_after.as_secs().max(1).try_into().unwrap_or(u32::MAX))
                }
                _ => None,
            };
            return Self::Device { code, message, retry_after };
        }
        match refusal {
            LinkRefusal::NoChannel(_) | LinkRefusal::NoAttempt(_) | LinkRefusal::NotUnderWay(_) | LinkRefusal::NoQr => {
                Self::NotFound(message)
            }
            LinkRefusal::NotLinkable(_)
            | LinkRefusal::BadNumber(_)
            | LinkRefusal::NoNumber(_)
            | LinkRefusal::OtherNumber(_) => Self::BadRequest(message),
            LinkRefusal::Store(error) => error.into(),
            _ => Self::Conflict(message),
        }
    }
}

impl From<SendRefusal> for ApiError {
    fn from(refusal: SendRefusal) -> Self {
        let (message, code) = (refusal.to_string(), refusal.code());
        match (refusal, code) {
            (SendRefusal::Device(refusal), _) => refusal.into(),
            (SendRefusal::DayIsOver { retry_after, .. }, Some(code)) => {
                let retry_after = Some(retry_after.as_secs().max(1).try_into().unwrap_or(u32::MAX));
                Self::Device { code, message, retry_after }
            }
            (_, Some(code)) => Self::Device { code, message, retry_after: None },
            (SendRefusal::Store(error), None) => error.into(),
            (SendRefusal::OtherMessage(_) | SendRefusal::Forgotten, None) => Self::Conflict(message),
            (_, None) => Self::BadRequest(message),
        }
    }
}

impl From<RotationRefusal> for ApiError {
    fn from(refusal: RotationRefusal) -> Self {
        match refusal {
            RotationRefusal::Rotation(RotationError::Store(error)) => error.into(),
            // Where the key lies, and why it can't be changed there.
            refusal => Self::Conflict(refusal.to_string()),
        }
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
            StoreError::DiskFull => Self::DiskFull(error.to_string()),
            _ => {
                tracing::error!(%error, "the API could not do what it was asked for");
                Self::Internal
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use switchhook_core::id::ChannelName;
    use switchhook_core::link::LinkError;

    use super::*;

    fn check(refusal: LinkRefusal, status: u16, code: &str) {
        let error = ApiError::from(refusal);
        assert_eq!(error.code(), code);
        let response = error.into_response();
        assert_eq!(response.status().as_u16(), status, "{code}");
        let waits = response.headers().contains_key(header::RETRY_AFTER);
        assert_eq!(waits, status == 429, "{code}: Retry-After comes with 429 alone");
    }

    /// B11, C6, E1, E4: what the caller can mend is 4xx, trouble upstream 502 or 503, each with its stable code.
    #[test]
    fn refusals_have_their_status_and_code() {
        let mine = || ChannelName::new("mine").unwrap();
        check(LinkRefusal::NoChannel("x".to_owned()), 404, "not_found");
        check(LinkRefusal::NoAttempt(mine()), 404, "not_found");
        check(LinkRefusal::NoQr, 404, "not_found");
        check(LinkRefusal::QrExpired, 400, "QR_EXPIRED");
        check(LinkRefusal::NoNumber(mine()), 400, "bad_request");
        check(LinkRefusal::NotLinkable(mine()), 400, "bad_request");
        check(LinkRefusal::Busy(mine()), 409, "conflict");
        check(LinkRefusal::NotRunning(mine()), 409, "conflict");
        check(LinkRefusal::AlreadyLinked("linked".to_owned()), 409, "DEVICE_ALREADY_LINKED");
        check(LinkRefusal::NotLinked(mine()), 409, "SESSION_INVALID");
        check(LinkRefusal::TooMany { per_hour: 5, retry_after: Duration::from_secs(60) }, 429, "RATE_LIMITED");
        check(LinkRefusal::Link(LinkError::Unreachable { reason: "x".to_owned() }), 503, "CONNECTION_CLOSED");
    }

    #[test]
    fn every_device_code_has_a_status_of_an_error() {
        for code in ErrorCode::ALL {
            let status = device_status(code);
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
        }
        let wait =
            ApiError::from(LinkRefusal::TooMany { per_hour: 5, retry_after: Duration::from_secs(60) }).into_response();
        assert_eq!(wait.headers()[header::RETRY_AFTER], "60");
    }
}
