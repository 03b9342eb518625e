//! How one provider fails, and what a chain of failures amounts to.

use std::time::Duration;

use serde::Serialize;
use switchhook_core::id::ModelName;
use switchhook_core::model::ModelError;

use crate::wire::excerpt;

/// The longest pause a provider may ask for and still be asked again by the same call; after a longer one a fallback is
/// quicker.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The same where nobody else can be asked: a later answer is better than none.
const MAX_PAUSE_OF_LAST: Duration = Duration::from_secs(10);

/// Who is asked when a provider fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Fallback,
    Nobody,
}

/// How a call failed, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// No connection came about.
    Connect,
    /// No first token in time.
    FirstToken,
    /// The stream stopped moving.
    Stalled,
    /// The whole answer took too long, waiting for a free place included.
    TotalTime,
    /// The provider asked to come back later (429 and its kin).
    Busy,
    /// The provider failed (5xx, or an error inside the stream).
    Server,
    /// The provider refused the request (the other 4xx).
    Refused,
    /// The connection ended before the answer did.
    Cut,
    /// What came was no answer.
    Malformed,
    /// The answer was longer than is accepted.
    TooLarge,
}

/// How a call failed. A `message` is what the provider said: [`Failure::presentable`] before anybody reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no connection: {0}")]
    Connect(String),
    #[error("no first token within {0:?}")]
    FirstToken(Duration),
    #[error("the answer stalled for {0:?}")]
    Stalled(Duration),
    #[error("no whole answer in time")]
    TotalTime,
    #[error("busy, HTTP {status}{}", said(.message))]
    Busy { status: u16, message: Option<String>, retry_after: Option<Duration> },
    #[error("HTTP {status}{}", said(.message))]
    Server { status: u16, message: Option<String>, retry_after: Option<Duration> },
    #[error("an error in place of the answer{}", said(.message))]
    InStream { message: Option<String> },
    #[error("refused, HTTP {status}{}", said(.message))]
    Refused { status: u16, message: Option<String> },
    #[error("the connection ended before the answer did")]
    Cut,
    #[error("not an answer: {0}")]
    Malformed(String),
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
}

fn said(message: &Option<String>) -> String {
    message.as_ref().map(|text| format!(": {text}")).unwrap_or_default()
}

impl Failure {
    pub(crate) fn kind(&self) -> FailureKind {
        match self {
            Self::Connect(_) => FailureKind::Connect,
            Self::FirstToken(_) => FailureKind::FirstToken,
            Self::Stalled(_) => FailureKind::Stalled,
            Self::TotalTime => FailureKind::TotalTime,
            Self::Busy { .. } => FailureKind::Busy,
            Self::Server { .. } | Self::InStream { .. } => FailureKind::Server,
            Self::Refused { .. } => FailureKind::Refused,
            Self::Cut => FailureKind::Cut,
            Self::Malformed(_) => FailureKind::Malformed,
            Self::TooLarge(_) => FailureKind::TooLarge,
        }
    }

    /// With what the provider said cut short, and `key` taken out of it.
    pub(crate) fn presentable(mut self, key: Option<&str>) -> Self {
        if let Self::Busy { message, .. }
        | Self::Server { message, .. }
        | Self::InStream { message }
        | Self::Refused { message, .. } = &mut self
        {
            *message = message.take().map(|text| excerpt(&text, key));
        }
        self
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } | Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// How long to wait before the one retry; nothing when a retry would not help soon. A fallback is quicker than a
    /// retry of most failures; the last of a chain is asked again after all that may pass.
    pub(crate) fn pause(&self, next: Next) -> Option<Duration> {
        let longest = if next == Next::Nobody { MAX_PAUSE_OF_LAST } else { MAX_PAUSE };
        if let Some(asked_for) = self.retry_after() {
            return (asked_for <= longest).then_some(asked_for);
        }
        // Jitter, so that everybody whose connection broke at once does not come back at once.
        match (self, next) {
            (Self::Connect(_), _) => Some(Duration::from_millis(rand::random_range(50..250))),
            (
                Self::Busy { .. } | Self::Server { .. } | Self::InStream { .. } | Self::Cut | Self::Malformed(_),
                Next::Nobody,
            ) => Some(Duration::from_millis(rand::random_range(250..750))),
            _ => None,
        }
    }
}

/// What to tell the caller when everybody who was asked failed.
pub(crate) fn verdict(failures: &[(ModelName, Failure)]) -> ModelError {
    let reasons: Vec<String> = failures.iter().map(|(name, failure)| format!("{name}: {failure}")).collect();
    let reason = reasons.join("; ");
    if failures.iter().all(|(_, failure)| failure.kind() == FailureKind::Refused) {
        return ModelError::Refused { reason };
    }
    let retry_after = failures.iter().filter_map(|(_, failure)| failure.retry_after()).min();
    ModelError::Unavailable { reason, retry_after }
}
