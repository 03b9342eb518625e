//! Linking: how an account becomes a device of somebody's phone, told without any vendor.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::person::PersonId;

/// How the phone is to learn of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkMethod {
    /// The phone scans what we show.
    Qr,
    /// A person types on the phone what we show; the number is the phone's own.
    Code { number: PersonId },
}

impl LinkMethod {
    pub fn name(&self) -> LinkMethodName {
        match self {
            Self::Qr => LinkMethodName::Qr,
            Self::Code { .. } => LinkMethodName::Code,
        }
    }
    /// The number asked for; none where whoever scans is linked.
    pub fn number(&self) -> Option<&PersonId> {
        match self {
            Self::Qr => None,
            Self::Code { number } => Some(number),
        }
    }
}

/// The same without what belongs to one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkMethodName {
    Qr,
    Code,
}

/// How an attempt stands (B3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkStatus {
    /// Something is shown, or about to be.
    Pending,
    /// The phone has read it, or asks its owner for a proof.
    Scanned,
    /// The phone agreed; the device logs in for the first time.
    Pairing,
    Success,
    Failed,
    /// Nobody answered in time.
    Expired,
    Cancelled,
}

impl LinkStatus {
    /// Whether nothing comes after it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Expired | Self::Cancelled)
    }
}

/// How far an attempt has come (B3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkProgress {
    /// The phone has read what was shown, scanned or typed.
    pub qr_scanned: bool,
    /// The account is a device of the phone, and that is on disk.
    pub device_linked: bool,
    /// The device has logged in and receives.
    pub sync_complete: bool,
}

/// What happens during an attempt, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// Show this, and nothing shown before. It holds a secret: never log it.
    Qr { payload: String, expires_in: Duration },
    /// Show this to be typed on the phone; it holds a secret as well.
    Code { code: String, expires_in: Duration },
    /// The code shown is dead; another follows.
    CodeWithdrawn,
    /// The phone agreed; what remains is ours.
    Scanned,
    /// The phone's owner must prove themselves with a passkey. `options` is the request for it, as JSON.
    PasskeyRequired { options: String },
    /// Compare this with what the phone shows, and say so with [`Linkable::confirm_passkey`]; none where there is nothing
    /// to compare, and nothing to say.
    PasskeyConfirmation { code: Option<String> },
}

/// What an attempt is given. Dropping the future of an attempt is as good as cancelling it.
pub struct LinkAttempt {
    pub method: LinkMethod,
    /// An attempt waits while nobody takes its events.
    pub events: mpsc::Sender<LinkEvent>,
    pub cancel: CancellationToken,
}

/// Whose device an account is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedDevice {
    /// Every id the phone's owner is known by, the phone number first.
    pub owner: Vec<PersonId>,
    /// What the owner calls themselves.
    pub name: Option<String>,
    /// What the phone says it is, such as `iphone`; none where it does not.
    pub platform: Option<String>,
}

impl LinkedDevice {
    /// The phone's number, as `+15551234567`.
    pub fn number(&self) -> Option<&PersonId> {
        self.owner.iter().find(|id| id.as_str().starts_with('+'))
    }
}

/// Why an attempt, or an end of a link, came to nothing. `code` is for scripts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("linking was cancelled")]
    Cancelled,
    #[error("an attempt is under way already: cancel it first")]
    Busy,
    #[error("this account is linked already: unlink it first")]
    AlreadyLinked,
    #[error("nobody scanned in time: start again")]
    Expired,
    #[error("the phone that answered is not {expected}: it was not linked")]
    NumberMismatch { expected: PersonId },
    #[error("too many attempts: wait {after:?} and start again, or scan the QR code")]
    Throttled { after: Duration },
    #[error("{reason}")]
    Refused { code: &'static str, reason: String },
    #[error("no connection: {reason}")]
    Unreachable { reason: String },
    #[error("{what} did not come within {limit:?}: try again")]
    TimedOut { what: &'static str, limit: Duration },
    #[error("the link can't be kept: {reason}")]
    Store { reason: String },
}

impl LinkError {
    /// A stable code for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Busy => "busy",
            Self::AlreadyLinked => "already-linked",
            Self::Expired => "expired",
            Self::NumberMismatch { .. } => "number-mismatch",
            Self::Throttled { .. } => "throttled",
            Self::Refused { code, .. } => code,
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed-out",
            Self::Store { .. } => "store",
        }
    }
}

/// A connector whose account is a device of a phone. Not called while the connector runs, but for `unlink`.
#[async_trait]
pub trait Linkable: Send + Sync + 'static {
    /// The number that the config names for this account: another phone is refused.
    fn expected(&self) -> Option<PersonId> {
        None
    }
    /// Whose device the account is, as far as is known by now; none while it is nobody's.
    async fn linked(&self) -> Result<Option<LinkedDevice>, LinkError>;
    /// Tries once to become a device. The future is the attempt: it starts nothing that outlives it.
    async fn link(&self, attempt: LinkAttempt) -> Result<LinkedDevice, LinkError>;
    /// Answers [`LinkEvent::PasskeyRequired`] of the attempt under way with an assertion, as JSON.
    async fn passkey(&self, assertion: String) -> Result<(), LinkError>;
    /// Says for the attempt under way that the phone shows the code of [`LinkEvent::PasskeyConfirmation`].
    async fn confirm_passkey(&self) -> Result<(), LinkError>;
    /// Where the owner's picture can be had, for a while; none where there is none, or no connection to ask on.
    async fn picture(&self) -> Option<String> {
        None
    }
    /// Says to the phone that the device is gone, as far as there is a connection, and forgets everything about it.
    async fn unlink(&self) -> Result<(), LinkError>;
    /// Forgets everything about the device without saying so.
    async fn reset(&self) -> Result<(), LinkError>;
}
