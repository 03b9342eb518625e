//! Why a session ended, and what that means: one table, the only one.

use std::time::Duration;

use switchhook_core::connector::ConnectorError;
use switchhook_core::status::State;

/// How a session of a linked device ended, in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// 401, 406, 516 or `device_removed`: the phone, or we, ended the link.
    LoggedOut,
    /// 402.
    TemporaryBan { why: String, wait: Duration },
    /// 403, with what WhatsApp says of it.
    Locked { detail: Option<String> },
    /// 405.
    Outdated,
    /// 409, or a stream that another one replaced.
    Replaced,
    /// 413, 414, 415, 418 and what is new: refused, and not to be tried again at once.
    Refused { code: i32, message: Option<String> },
    /// 500, 501, 503.
    Unavailable { code: i32 },
    /// A stream error without a meaning of its own.
    Stream { code: String },
    /// The network ended it, or the stream ended without a word (515 among them).
    Dropped,
    /// There was no session: no network, no handshake, no version.
    NoConnection,
    /// No login within the time for it.
    Silent,
    /// Connected, and yet what is sent goes unanswered.
    Deaf,
    /// The disk refused a write: memory is ahead of it, so the session must go.
    Store,
    /// What was received could not be kept; it is sent again on the next connection only.
    Journal { reason: String },
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Retry,
    /// Tried again after this long, not before.
    Wait(Duration),
    NeedsPerson,
}

/// The row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) class: Class,
    pub(crate) state: State,
    pub(crate) code: &'static str,
    /// For a person: what happened and what happens next.
    pub(crate) words: String,
}

/// A refusal that says nothing of how long it lasts.
const REFUSED_WAIT: Duration = Duration::from_secs(300);
/// A server that asks for a newer version knows it only after ours is fetched anew, at most this often.
const OUTDATED_WAIT: Duration = Duration::from_secs(60);
/// The shortest wait of a ban: one of no length would be asked about in a loop.
const BAN_LEAST: Duration = Duration::from_secs(60);

/// What an ending means.
pub(crate) fn verdict(ending: &Ending) -> Verdict {
    let row = |class, state, code, words: &str| Verdict { class, state, code, words: words.to_owned() };
    match ending {
        Ending::LoggedOut => row(
            Class::NeedsPerson,
            State::NeedsLink,
            "logged-out",
            "WhatsApp no longer knows this device: it was unlinked. Link it again",
        ),
        Ending::TemporaryBan { why, wait } => {
            let wait = (*wait).max(BAN_LEAST);
            let words = format!(
                "WhatsApp bans this account for {wait:?} ({why}). Do not link it again; it is tried after that"
            );
            Verdict { class: Class::Wait(wait), state: State::Restricted, code: "temporary-ban", words }
        }
        Ending::Locked { detail } => {
            let said = detail.as_deref().unwrap_or("no reason given");
            let words = format!("WhatsApp locked this account: {said}. Open WhatsApp on the phone and follow it there");
            Verdict { class: Class::NeedsPerson, state: State::Restricted, code: "locked", words }
        }
        Ending::Outdated => row(
            Class::Wait(OUTDATED_WAIT),
            State::Reconnecting,
            "client-outdated",
            "WhatsApp asks for a newer version of the client. It is fetched anew; where `version` is set, raise it",
        ),
        Ending::Replaced => row(
            Class::NeedsPerson,
            State::Failed,
            "replaced",
            "another program uses the same link. Stop that one, then restart this channel",
        ),
        Ending::Refused { code, message } => {
            let said = message.as_deref().map(|text| format!(", {text}")).unwrap_or_default();
            let words = format!("WhatsApp refused the connection ({code}{said})");
            Verdict { class: Class::Wait(REFUSED_WAIT), state: State::Reconnecting, code: "refused", words }
        }
        Ending::Unavailable { code } => Verdict {
            words: format!("WhatsApp is not available ({code})"),
            ..row(Class::Retry, State::Reconnecting, "unavailable", "")
        },
        Ending::Stream { code } => Verdict {
            words: format!("WhatsApp ended the stream ({code})"),
            ..row(Class::Retry, State::Reconnecting, "stream-error", "")
        },
        Ending::Dropped => row(Class::Retry, State::Reconnecting, "dropped", "the connection to WhatsApp ended"),
        Ending::NoConnection => row(Class::Retry, State::Reconnecting, "no-connection", "WhatsApp can't be reached"),
        Ending::Silent => row(Class::Retry, State::Reconnecting, "silent", "WhatsApp does not answer the login"),
        Ending::Deaf => row(
            Class::Retry,
            State::Reconnecting,
            "deaf",
            "WhatsApp keeps the connection and answers nothing that is sent on it: it is made anew",
        ),
        Ending::Journal { reason } => Verdict {
            words: format!("what was received is not kept yet, and asked for again: {reason}"),
            ..row(Class::Retry, State::Reconnecting, "journal", "")
        },
        Ending::Store => row(
            Class::Retry,
            State::Reconnecting,
            "store",
            "the device's keys could not be written to disk: it starts again from what is there. See the log, and the disk",
        ),
    }
}

impl Verdict {
    pub(crate) fn into_error(self) -> ConnectorError {
        let Self { class, code, words: reason, .. } = self;
        match class {
            Class::Retry => ConnectorError::Retry { code, reason },
            Class::Wait(wait) => ConnectorError::WaitFor { code, reason, wait },
            Class::NeedsPerson => ConnectorError::NeedsPerson { code, reason },
        }
    }
}

/// From the number in `<failure reason=…>`.
pub(crate) fn of_failure(code: i32, message: Option<String>) -> Ending {
    match code {
        401 | 406 => Ending::LoggedOut,
        // Without its length, which has an event of its own.
        402 => {
            Ending::TemporaryBan { why: message.unwrap_or_else(|| "no length given".to_owned()), wait: REFUSED_WAIT }
        }
        403 => Ending::Locked { detail: message },
        405 => Ending::Outdated,
        500 | 501 | 503 => Ending::Unavailable { code },
        _ => Ending::Refused { code, message },
    }
}

/// What a refused delivery means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nack {
    /// The account may not write to people it does not know, for a while: its session looks healthy all the same.
    TimeLock,
    TooFast,
    Refused,
}

/// From the number in the `error` of an ack.
pub(crate) fn of_nack(code: &str) -> Nack {
    match code {
        "463" => Nack::TimeLock,
        "429" => Nack::TooFast,
        _ => Nack::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ending: Ending, class: Class, state: State, code: &str) {
        let verdict = verdict(&ending);
        assert_eq!((verdict.class, verdict.state, verdict.code), (class, state, code), "{ending:?}");
        assert!(verdict.words.len() > 10, "{ending:?} has words for a person");
    }

    /// B11, C3
    #[test]
    fn every_ending_has_its_class_state_and_code() {
        let hour = Duration::from_secs(3600);
        check(Ending::LoggedOut, Class::NeedsPerson, State::NeedsLink, "logged-out");
        let ban = |wait| Ending::TemporaryBan { why: "too many".to_owned(), wait };
        check(ban(hour), Class::Wait(hour), State::Restricted, "temporary-ban");
        check(ban(Duration::ZERO), Class::Wait(BAN_LEAST), State::Restricted, "temporary-ban");
        check(Ending::Locked { detail: None }, Class::NeedsPerson, State::Restricted, "locked");
        check(Ending::Outdated, Class::Wait(OUTDATED_WAIT), State::Reconnecting, "client-outdated");
        check(Ending::Replaced, Class::NeedsPerson, State::Failed, "replaced");
        check(Ending::Unavailable { code: 503 }, Class::Retry, State::Reconnecting, "unavailable");
        check(Ending::Stream { code: "999".to_owned() }, Class::Retry, State::Reconnecting, "stream-error");
        check(Ending::Dropped, Class::Retry, State::Reconnecting, "dropped");
        check(Ending::NoConnection, Class::Retry, State::Reconnecting, "no-connection");
        check(Ending::Silent, Class::Retry, State::Reconnecting, "silent");
        check(Ending::Deaf, Class::Retry, State::Reconnecting, "deaf");
        let journal = Ending::Journal { reason: "full".to_owned() };
        check(journal, Class::Retry, State::Reconnecting, "journal");
        check(Ending::Store, Class::Retry, State::Reconnecting, "store");
        let refused = Ending::Refused { code: 418, message: None };
        check(refused, Class::Wait(REFUSED_WAIT), State::Reconnecting, "refused");
    }

    #[test]
    fn failures_are_read_by_number() {
        let table = [
            (401, Ending::LoggedOut),
            (406, Ending::LoggedOut),
            (403, Ending::Locked { detail: None }),
            (405, Ending::Outdated),
            (500, Ending::Unavailable { code: 500 }),
            (503, Ending::Unavailable { code: 503 }),
            (409, Ending::Refused { code: 409, message: None }),
            (0, Ending::Refused { code: 0, message: None }),
        ];
        for (code, ending) in table {
            assert_eq!(of_failure(code, None), ending);
        }
    }

    #[test]
    fn what_whatsapp_says_reaches_the_person() {
        let locked = verdict(&Ending::Locked { detail: Some("spam".to_owned()) });
        assert!(locked.words.contains("spam"), "{}", locked.words);
        let refused = verdict(&Ending::Refused { code: 418, message: Some("who".to_owned()) });
        assert!(refused.words.contains("418, who"), "{}", refused.words);
    }

    #[test]
    fn nacks_are_told_apart() {
        assert_eq!(of_nack("463"), Nack::TimeLock);
        assert_eq!(of_nack("429"), Nack::TooFast);
        assert_eq!(of_nack("479"), Nack::Refused);
    }
}
