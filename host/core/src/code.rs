//! Error codes that scripts and pages of others rely on (B11). They never change their meaning.

use serde::{Deserialize, Serialize};

/// Why something about a device did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    ConnectionTimeout,
    ConnectionClosed,
    RateLimited,
    AuthenticationFailed,
    QrExpired,
    PairingCodeExpired,
    LinkingCancelled,
    DeviceAlreadyLinked,
    DeviceDisconnected,
    DeviceBanned,
    SessionInvalid,
    InvalidRecipient,
    MessageTooLarge,
}

impl ErrorCode {
    pub const ALL: [Self; 13] = [
        Self::ConnectionTimeout,
        Self::ConnectionClosed,
        Self::RateLimited,
        Self::AuthenticationFailed,
        Self::QrExpired,
        Self::PairingCodeExpired,
        Self::LinkingCancelled,
        Self::DeviceAlreadyLinked,
        Self::DeviceDisconnected,
        Self::DeviceBanned,
        Self::SessionInvalid,
        Self::InvalidRecipient,
        Self::MessageTooLarge,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionTimeout => "CONNECTION_TIMEOUT",
            Self::ConnectionClosed => "CONNECTION_CLOSED",
            Self::RateLimited => "RATE_LIMITED",
            Self::AuthenticationFailed => "AUTHENTICATION_FAILED",
            Self::QrExpired => "QR_EXPIRED",
            Self::PairingCodeExpired => "PAIRING_CODE_EXPIRED",
            Self::LinkingCancelled => "LINKING_CANCELLED",
            Self::DeviceAlreadyLinked => "DEVICE_ALREADY_LINKED",
            Self::DeviceDisconnected => "DEVICE_DISCONNECTED",
            Self::DeviceBanned => "DEVICE_BANNED",
            Self::SessionInvalid => "SESSION_INVALID",
            Self::InvalidRecipient => "INVALID_RECIPIENT",
            Self::MessageTooLarge => "MESSAGE_TOO_LARGE",
        }
    }

    /// Whether the same may well work later, with nothing changed.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::ConnectionTimeout | Self::ConnectionClosed | Self::RateLimited)
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B11: the names are those on the wire, and three of them are worth another try.
    #[test]
    fn names_are_those_on_the_wire() {
        for code in ErrorCode::ALL {
            let wire = serde_json::to_value(code).unwrap();
            assert_eq!(wire, code.as_str());
            assert_eq!(serde_json::from_value::<ErrorCode>(wire).unwrap(), code);
        }
        let retryable: Vec<_> = ErrorCode::ALL.into_iter().filter(|code| code.is_retryable()).collect();
        assert_eq!(retryable, [ErrorCode::ConnectionTimeout, ErrorCode::ConnectionClosed, ErrorCode::RateLimited]);
    }
}
