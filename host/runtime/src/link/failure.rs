//! The one table from what went wrong to a stable code and words that a person can act on (B11, E6).

use std::time::Duration;

use switchhook_core::code::ErrorCode;
use switchhook_core::id::ChannelName;
use switchhook_core::link::{LinkError, LinkMethodName, LinkStatus};
use switchhook_core::person::InvalidPerson;
use switchhook_core::status::{State, Status};
use switchhook_store::{LinkProblem, StoreError};

/// Why something is not done to a device. What was asked for had no effect.
#[derive(Debug, thiserror::Error)]
pub enum LinkRefusal {
    #[error("there is no channel `{0}`")]
    NoChannel(String),
    #[error("channel `{0}` is not linked to a phone: its credentials are in the config")]
    NotLinkable(ChannelName),
    #[error("channel `{0}` does not run: set `enabled = true`, and start the host if it drains")]
    NotRunning(ChannelName),
    #[error("{0}")]
    BadNumber(#[from] InvalidPerson),
    #[error(
        "a pairing code needs the phone's number: give it as `+15551234567`, name it as `number` in \
         `[channels.{0}]`, or scan a QR code instead"
    )]
    NoNumber(ChannelName),
    #[error("`number` in `[channels.{0}]` is another one: change it there, or leave it out here")]
    OtherNumber(ChannelName),
    #[error("another attempt to link `{0}` is under way: cancel it first")]
    Busy(ChannelName),
    #[error("{0}")]
    AlreadyLinked(String),
    #[error("no phone is linked to `{0}`: run `switchhook link {0}`")]
    NotLinked(ChannelName),
    #[error(
        "too many attempts: {per_hour} an hour are allowed (`link_attempts_per_hour`); the next one is in {} s",
        retry_after.as_secs()
    )]
    TooMany { per_hour: u32, retry_after: Duration },
    #[error("nobody has asked to link `{0}` yet")]
    NoAttempt(ChannelName),
    #[error("no attempt to link `{0}` is under way")]
    NotUnderWay(ChannelName),
    #[error("the attempt shows no QR code")]
    NoQr,
    #[error("this QR code is dead: wait for the next one, or start again")]
    QrExpired,
    #[error("the phone asks for no passkey now")]
    NoPasskey,
    #[error("there is no code to compare now")]
    NothingToCompare,
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl LinkRefusal {
    /// The stable code, where there is one for it.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::AlreadyLinked(_) => Some(ErrorCode::DeviceAlreadyLinked),
            Self::NotLinked(_) => Some(ErrorCode::SessionInvalid),
            Self::TooMany { .. } => Some(ErrorCode::RateLimited),
            Self::QrExpired => Some(ErrorCode::QrExpired),
            // An attempt that shows nothing has no method that matters.
            Self::Link(error) => Some(code_of(error, LinkMethodName::Qr)),
            _ => None,
        }
    }
}

/// What an attempt that came to nothing is remembered with.
pub(crate) fn of_attempt(error: &LinkError, method: LinkMethodName) -> (LinkStatus, LinkProblem) {
    let status = match error {
        LinkError::Cancelled => LinkStatus::Cancelled,
        LinkError::Expired => LinkStatus::Expired,
        _ => LinkStatus::Failed,
    };
    let message = match (error, method) {
        (LinkError::Expired, LinkMethodName::Code) => {
            "nobody typed the code on the phone in time: ask for a new one".to_owned()
        }
        _ => error.to_string(),
    };
    (status, problem(code_of(error, method), message))
}

fn code_of(error: &LinkError, method: LinkMethodName) -> ErrorCode {
    match error {
        LinkError::Cancelled => ErrorCode::LinkingCancelled,
        LinkError::AlreadyLinked => ErrorCode::DeviceAlreadyLinked,
        LinkError::Expired if method == LinkMethodName::Code => ErrorCode::PairingCodeExpired,
        LinkError::Expired => ErrorCode::QrExpired,
        LinkError::NumberMismatch { .. } => ErrorCode::AuthenticationFailed,
        LinkError::Throttled { .. } => ErrorCode::RateLimited,
        LinkError::Refused { code, .. } => of_refusal(code),
        LinkError::TimedOut { .. } => ErrorCode::ConnectionTimeout,
        LinkError::Busy | LinkError::Unreachable { .. } => ErrorCode::ConnectionClosed,
        LinkError::Store { .. } => ErrorCode::SessionInvalid,
    }
}

fn of_refusal(code: &str) -> ErrorCode {
    match code {
        "locked" | "temporary-ban" => ErrorCode::DeviceBanned,
        _ => ErrorCode::AuthenticationFailed,
    }
}

/// What is wrong with a channel's device; nothing while its status has no code.
pub(crate) fn of_status(status: &Status) -> Option<LinkProblem> {
    let code = status.code.as_deref()?;
    let code = match (status.state, code) {
        (State::Restricted, _) | (_, "locked" | "temporary-ban") => ErrorCode::DeviceBanned,
        (State::NeedsLink, _) | (_, "logged-out" | "needs-link") => ErrorCode::SessionInvalid,
        (_, "no-connection" | "silent") => ErrorCode::ConnectionTimeout,
        (State::Reconnecting | State::Connecting, _) => ErrorCode::ConnectionClosed,
        _ => ErrorCode::DeviceDisconnected,
    };
    Some(problem(code, status.detail.clone().unwrap_or_else(|| code.to_string())))
}

pub(crate) fn problem(code: ErrorCode, message: String) -> LinkProblem {
    LinkProblem { code, message, retryable: code.is_retryable() }
}

#[cfg(test)]
mod tests {
    use switchhook_core::person::PersonId;
    use switchhook_core::time::UnixMillis;

    use super::*;

    fn check(error: LinkError, method: LinkMethodName, status: LinkStatus, code: ErrorCode) {
        let (found, problem) = of_attempt(&error, method);
        assert_eq!((found, problem.code, problem.retryable), (status, code, code.is_retryable()), "{error:?}");
        assert!(problem.message.len() > 15, "{error:?} has words for a person");
    }

    /// B11, E6: every end of an attempt has its status and code, and words of its own.
    #[test]
    fn every_end_of_an_attempt_has_its_code() {
        use {LinkMethodName::*, LinkStatus::*};
        check(LinkError::Cancelled, Qr, Cancelled, ErrorCode::LinkingCancelled);
        check(LinkError::Busy, Qr, Failed, ErrorCode::ConnectionClosed);
        check(LinkError::AlreadyLinked, Qr, Failed, ErrorCode::DeviceAlreadyLinked);
        check(LinkError::Expired, Qr, Expired, ErrorCode::QrExpired);
        check(LinkError::Expired, Code, Expired, ErrorCode::PairingCodeExpired);
        let expected = PersonId::from_number("+15551234567").unwrap();
        check(LinkError::NumberMismatch { expected }, Code, Failed, ErrorCode::AuthenticationFailed);
        check(LinkError::Throttled { after: Duration::from_secs(9) }, Code, Failed, ErrorCode::RateLimited);
        let refused = |code| LinkError::Refused { code, reason: "the phone said no to it".to_owned() };
        check(refused("passkey-refused"), Qr, Failed, ErrorCode::AuthenticationFailed);
        check(refused("locked"), Qr, Failed, ErrorCode::DeviceBanned);
        check(LinkError::Unreachable { reason: "reset".to_owned() }, Qr, Failed, ErrorCode::ConnectionClosed);
        let late = LinkError::TimedOut { what: "a pairing code", limit: Duration::from_secs(20) };
        check(late, Code, Failed, ErrorCode::ConnectionTimeout);
        check(LinkError::Store { reason: "disk full".to_owned() }, Qr, Failed, ErrorCode::SessionInvalid);
    }

    /// B4, B11
    #[test]
    fn the_trouble_of_a_device_has_its_code() {
        let of = |state, code: &str| {
            let status = Status { code: Some(code.to_owned()), ..Status::new(state, UnixMillis(0)) };
            of_status(&status).map(|problem| problem.code)
        };
        assert_eq!(of(State::NeedsLink, "logged-out"), Some(ErrorCode::SessionInvalid));
        assert_eq!(of(State::Restricted, "temporary-ban"), Some(ErrorCode::DeviceBanned));
        assert_eq!(of(State::Reconnecting, "dropped"), Some(ErrorCode::ConnectionClosed));
        assert_eq!(of(State::Reconnecting, "silent"), Some(ErrorCode::ConnectionTimeout));
        assert_eq!(of(State::Failed, "replaced"), Some(ErrorCode::DeviceDisconnected));
        assert_eq!(of_status(&Status::new(State::Connected, UnixMillis(0))), None);
    }
}
