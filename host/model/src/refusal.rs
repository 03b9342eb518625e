//! What a provider means by a status that is no success.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::failure::Failure;
use crate::wire::message_of;

/// Error bodies are short; of a longer one nothing is read for a message.
const MAX_BODY: usize = 64 << 10;

/// A provider that asks for a longer wait is believed no more than this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads the provider's message, until `by` at the latest, and classes the status.
pub(crate) async fn of(response: Response, by: Instant) -> Failure {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let message = timeout_at(by, message(response)).await.ok().flatten();
    classed(status, message, retry_after)
}

fn classed(status: StatusCode, message: Option<String>, retry_after: Option<Duration>) -> Failure {
    let code = status.as_u16();
    match code {
        300..=399 => Failure::Refused { status: code, message: Some(MOVED.into()) },
        // Timeout, conflict, too early, too many: all pass.
        408 | 409 | 425 | 429 => Failure::Busy { status: code, message, retry_after },
        400..=499 => Failure::Refused { status: code, message },
        _ => Failure::Server { status: code, message, retry_after },
    }
}

const MOVED: &str = "it redirects, which is not followed: put the address it moved to into `base_url`";

/// Seconds, as providers send it, or OpenAI's milliseconds. The form with a date is not used by any we know.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(MAX_RETRY_AFTER))
}

async fn message(mut response: Response) -> Option<String> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.ok()? {
        body.extend_from_slice(&bytes);
        if body.len() > MAX_BODY {
            return None;
        }
    }
    message_of(&serde_json::from_slice::<Value>(&body).ok()?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;

    #[test]
    fn statuses_are_classed() {
        let kind = |code: u16| classed(StatusCode::from_u16(code).unwrap(), None, None).kind();
        for code in [302, 400, 401, 403, 404, 422] {
            assert_eq!(kind(code), FailureKind::Refused, "{code}");
        }
        assert_eq!(kind(429), FailureKind::Busy);
        for code in [500, 502, 503, 529] {
            assert_eq!(kind(code), FailureKind::Server, "{code}");
        }
    }

    #[test]
    fn waits_are_read_in_seconds_or_milliseconds() {
        let read = |name: &'static str, value: &'static str| {
            retry_after(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))
        };
        assert_eq!(read("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(read("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(read("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(read("retry-after", "1e300"), None);
        assert_eq!(read("retry-after", "9999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(read("retry-after", "-1"), None);
        assert_eq!(read("retry-after", "Fri, 21 Nov 2026 00:00:00 GMT"), None);
    }
}
