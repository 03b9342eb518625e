//! What a failed call means for a delivery.

use std::time::Duration;

use switchhook_core::connector::DeliveryError;

use crate::api::CallError;

/// The token is refused: nothing goes out until a person mends it, and nothing is lost meanwhile.
const TOKEN_REFUSED: Duration = Duration::from_secs(30);

/// Sorts a failure by one question: may the message have been sent?
pub(super) fn class(error: CallError) -> DeliveryError {
    let reason = error.to_string();
    match error {
        CallError::NotSent(_) => DeliveryError::Retry { reason, after: None },
        // A gateway's error page says nothing of what happened behind it.
        CallError::NoAnswer(_) | CallError::Malformed { .. } => DeliveryError::Unknown { reason },
        CallError::Refused { code: 429, retry_after, .. } => DeliveryError::Retry { reason, after: retry_after },
        CallError::Refused { code: 401 | 404, .. } => DeliveryError::Retry { reason, after: Some(TOKEN_REFUSED) },
        CallError::Refused { code: 500.., retry_after, .. } => DeliveryError::Retry { reason, after: retry_after },
        CallError::Refused { code, description, .. } => {
            DeliveryError::Rejected { code: code.to_string(), reason: description }
        }
    }
}

/// An edit to what the message says already.
pub(super) fn not_modified(error: &CallError) -> bool {
    says(error, "message is not modified")
}

/// Telegram does not take a text as we marked it up: unreadable, nothing left to show, or longer than it was written
/// (markup may add line breaks). As it was written it may pass.
pub(super) fn markup_refused(error: &CallError) -> bool {
    ["can't parse entities", "text is empty", "text must be non-empty", "is too long"].iter().any(|w| says(error, w))
}

fn says(error: &CallError, words: &str) -> bool {
    matches!(error, CallError::Refused { code: 400, description, .. } if description.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16) -> CallError {
        CallError::Refused { code, description: "no".to_owned(), retry_after: None, migrated_to: None }
    }

    #[test]
    fn only_what_certainly_was_not_sent_is_tried_again() {
        assert!(matches!(class(CallError::NotSent(String::new())), DeliveryError::Retry { .. }));
        assert!(matches!(class(CallError::NoAnswer(String::new())), DeliveryError::Unknown { .. }));
        let page = CallError::Malformed { status: 502, reason: String::new() };
        assert!(matches!(class(page), DeliveryError::Unknown { .. }));
        assert!(matches!(class(refused(500)), DeliveryError::Retry { .. }));
        assert!(matches!(class(refused(401)), DeliveryError::Retry { after: Some(_), .. }));
    }

    #[test]
    fn a_refusal_is_final_and_says_why() {
        for code in [400, 403, 413] {
            let expect = DeliveryError::Rejected { code: code.to_string(), reason: "no".to_owned() };
            assert_eq!(class(refused(code)), expect);
        }
    }
}
