//! Token buckets: how fast an account and each of its chats may send.

use std::collections::HashMap;
use std::time::Duration;

use switchhook_core::connector::{Bucket, SendLimits};
use switchhook_core::message::ChatKind;
use tokio::time::Instant;

/// Chats whose bucket has been full this long are forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(120);

/// The buckets of one account.
#[derive(Default)]
pub(super) struct Pace {
    account: Option<Level>,
    chats: HashMap<String, Level>,
}

/// When a bucket will be full again: all there is to know of it.
#[derive(Debug, Clone, Copy)]
struct Level(Instant);

impl Level {
    /// Takes one token, and says how long to wait for it.
    fn take(self, bucket: Bucket, now: Instant) -> (Self, Duration) {
        let full_at = self.0.max(now) + bucket.every;
        let depth = bucket.every * bucket.burst;
        let wait = full_at.checked_duration_since(now + depth).unwrap_or_default();
        (Self(full_at), wait)
    }
}

impl Pace {
    /// Takes a token of the account and one of the chat, and says how long to wait before sending.
    pub(super) fn take(&mut self, limits: SendLimits, chat: &str, kind: ChatKind, now: Instant) -> Duration {
        let (account, account_wait) = self.account.unwrap_or(Level(now)).take(limits.account, now);
        self.account = Some(account);
        let bucket = if kind == ChatKind::Direct { limits.direct_chat } else { limits.group_chat };
        let level = self.chats.get(chat).copied().unwrap_or(Level(now));
        let (level, chat_wait) = level.take(bucket, now);
        if self.chats.len() > 10_000 {
            self.chats.retain(|_, level| level.0 + FORGET_AFTER > now);
        }
        self.chats.insert(chat.to_owned(), level);
        account_wait.max(chat_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_is_spaced() {
        let bucket = |burst, ms| Bucket { burst, every: Duration::from_millis(ms) };
        let limits = SendLimits { account: bucket(100, 1), direct_chat: bucket(3, 1000), group_chat: bucket(1, 3000) };
        let now = Instant::now();
        let mut pace = Pace::default();
        let waits: Vec<u64> =
            (0..5).map(|_| pace.take(limits, "a", ChatKind::Direct, now).as_millis() as u64).collect();
        assert_eq!(waits, [0, 0, 0, 1000, 2000]);
        assert_eq!(pace.take(limits, "b", ChatKind::Direct, now), Duration::ZERO, "another chat has its own");
    }
}
