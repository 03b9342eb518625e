//! How well a channel can do its work: what it has sent of what it may, and how its connection is (C3, C4).

use serde::{Deserialize, Serialize};
use switchhook_core::status::{State, Status};
use switchhook_core::time::UnixMillis;
use switchhook_pipeline::wiring::{AtDailyLimit, Limits};
use switchhook_store::Traffic;

/// The shares of the daily limit at which a warning begins, and beyond which it is critical, in percent.
const WARNING: u64 = 70;
const CRITICAL: u64 = 90;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Healthy,
    Warning,
    Critical,
}

/// One reason why a channel is not healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For scripts: `usage`, `daily-limit`, `connecting`, `reconnect-attempts` or `connection`. Never changes its meaning.
    pub code: String,
    /// For a person, with what happens next.
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    pub level: Level,
    /// What was sent today as a share of the daily limit, from 0 to 1 and beyond where the limit was lowered; none
    /// without a limit.
    pub usage: Option<f64>,
    /// Messages since the last midnight in the host's zone.
    pub sent_today: u64,
    pub received_today: u64,
    pub daily_limit: Option<u32>,
    /// When the day ends and both counts begin anew.
    pub resets_at: UnixMillis,
    /// Why it is not healthy; empty where it is.
    pub reasons: Vec<Reason>,
}

/// What is known of a channel.
pub(crate) struct Vitals<'a> {
    pub(crate) status: &'a Status,
    pub(crate) limits: Limits,
    pub(crate) max_reconnect_attempts: u32,
    pub(crate) today: Traffic,
    pub(crate) resets_at: UnixMillis,
}

impl Vitals<'_> {
    pub(crate) fn judge(&self) -> Health {
        let found: Vec<(Level, Reason)> = self.usage().into_iter().chain(self.connection()).collect();
        let limit = self.limits.per_day;
        Health {
            level: found.iter().map(|(level, _)| *level).max().unwrap_or(Level::Healthy),
            usage: limit.map(|limit| self.today.sent as f64 / f64::from(limit)),
            sent_today: self.today.sent,
            received_today: self.today.received,
            daily_limit: limit,
            resets_at: self.resets_at,
            reasons: found.into_iter().map(|(_, reason)| reason).collect(),
        }
    }

    fn usage(&self) -> Option<(Level, Reason)> {
        let (sent, limit) = (self.today.sent, u64::from(self.limits.per_day?));
        if sent >= limit {
            let next = match self.limits.at_daily_limit {
                AtDailyLimit::Queue => "what is more waits for midnight",
                AtDailyLimit::Refuse => "what is more is refused until midnight",
            };
            let message = format!("all {limit} messages of today are sent: {next}");
            return Some((Level::Critical, reason("daily-limit", message)));
        }
        let level = match sent * 100 {
            share if share > CRITICAL * limit => Level::Critical,
            share if share >= WARNING * limit => Level::Warning,
            _ => return None,
        };
        Some((level, reason("usage", format!("{sent} of today's {limit} messages are sent"))))
    }

    fn connection(&self) -> Option<(Level, Reason)> {
        let Status { state, failures, detail, .. } = self.status;
        let detail = detail.clone().unwrap_or_else(|| format!("it is {}", name(*state)));
        match state {
            State::Connected | State::Disabled | State::Draining => None,
            State::Failed | State::NeedsLink | State::Restricted => {
                Some((Level::Critical, reason("connection", detail)))
            }
            _ if *failures >= self.max_reconnect_attempts => {
                let message = format!("{failures} failed attempts in a row, and it goes on trying: {detail}");
                Some((Level::Critical, reason("reconnect-attempts", message)))
            }
            State::Linking | State::PasskeyRequired | State::Connecting | State::Reconnecting => {
                Some((Level::Warning, reason("connecting", detail)))
            }
        }
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Linking => "being linked",
        State::PasskeyRequired => "being linked: the phone asks for a passkey",
        State::Connecting => "connecting",
        State::Reconnecting => "reconnecting",
        State::Restricted => "restricted by the provider",
        State::NeedsLink => "not linked",
        State::Connected => "connected",
        State::Disabled | State::Draining => "stopped",
        State::Failed => "stopped by an error",
    }
}

fn reason(code: &str, message: String) -> Reason {
    Reason { code: code.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(state: State, failures: u32, sent: u64, limits: Limits) -> (Level, Vec<String>) {
        let status = Status { failures, ..Status::new(state, UnixMillis(0)) };
        let today = Traffic { sent, received: 3 };
        let vitals = Vitals { status: &status, limits, max_reconnect_attempts: 5, today, resets_at: UnixMillis(9) };
        let health = vitals.judge();
        assert_eq!((health.sent_today, health.received_today, health.resets_at), (sent, 3, UnixMillis(9)));
        assert_eq!(health.daily_limit, limits.per_day);
        assert!(health.reasons.iter().all(|reason| reason.message.len() > 10), "{health:?}");
        (health.level, health.reasons.into_iter().map(|reason| reason.code).collect())
    }

    fn check(state: State, failures: u32, sent: u64, level: Level, codes: &[&str]) {
        let limits = Limits { per_day: Some(1000), ..Limits::default() };
        let expect = (level, codes.iter().map(|code| (*code).to_owned()).collect());
        assert_eq!(judge(state, failures, sent, limits), expect, "{state:?}, {failures} failures, {sent} sent");
    }

    /// C3: healthy under 70 %, a warning to 90 %, critical above.
    #[test]
    fn levels_follow_what_is_sent_of_the_limit() {
        use {Level::*, State::Connected};
        for (sent, level, codes) in [
            (0, Healthy, [].as_slice()),
            (699, Healthy, &[]),
            (700, Warning, &["usage"]),
            (900, Warning, &["usage"]),
            (901, Critical, &["usage"]),
            (1000, Critical, &["daily-limit"]),
            (1200, Critical, &["daily-limit"]),
        ] {
            check(Connected, 0, sent, level, codes);
        }
        assert_eq!(judge(Connected, 0, 1 << 40, Limits::default()), (Healthy, vec![]), "no limit, no usage");
    }

    /// C3, C4: the connection counts, too; after so many attempts in a row, or where only a person can help, it is critical.
    #[test]
    fn levels_follow_the_connection() {
        use {Level::*, State::*};
        for (state, failures, level, codes) in [
            (Connected, 0, Healthy, [].as_slice()),
            (Disabled, 0, Healthy, &[]),
            (Draining, 0, Healthy, &[]),
            (Connecting, 0, Warning, &["connecting"]),
            (Linking, 0, Warning, &["connecting"]),
            (Reconnecting, 4, Warning, &["connecting"]),
            (Reconnecting, 5, Critical, &["reconnect-attempts"]),
            (Connecting, 7, Critical, &["reconnect-attempts"]),
            (Failed, 1, Critical, &["connection"]),
            (NeedsLink, 1, Critical, &["connection"]),
            (Restricted, 9, Critical, &["connection"]),
        ] {
            check(state, failures, 0, level, codes);
        }
        check(Reconnecting, 1, 950, Critical, &["usage", "connecting"]);
    }

    #[test]
    fn usage_is_a_share_of_the_limit() {
        let limits = Limits { per_day: Some(8), ..Limits::default() };
        let status = Status::new(State::Connected, UnixMillis(0));
        let today = Traffic { sent: 2, received: 0 };
        let vitals = Vitals { status: &status, limits, max_reconnect_attempts: 5, today, resets_at: UnixMillis(0) };
        assert_eq!(vitals.judge().usage, Some(0.25));
        assert_eq!(Vitals { limits: Limits::default(), ..vitals }.judge().usage, None);
    }
}
