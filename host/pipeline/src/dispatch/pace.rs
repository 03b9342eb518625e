//! How fast an account and each of its chats may send: token buckets, and a window for what is counted by the minute.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use switchhook_core::connector::Bucket;
use switchhook_core::message::ChatKind;
use tokio::time::Instant;

use crate::wiring::Limits;

/// Chats whose bucket has been full this long are forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(120);

const MINUTE: Duration = Duration::from_secs(60);

/// The buckets of one account.
#[derive(Default)]
pub(super) struct Pace {
    account: Option<Level>,
    chats: HashMap<String, Level>,
    /// When what left in the last minute left, oldest first.
    minute: VecDeque<Instant>,
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
    pub(super) fn take(&mut self, limits: &Limits, chat: &str, kind: ChatKind, now: Instant) -> Duration {
        let mut wait = Duration::ZERO;
        if let Some(bucket) = limits.account {
            let (level, account_wait) = self.account.unwrap_or(Level(now)).take(bucket, now);
            self.account = Some(level);
            wait = account_wait;
        }
        let bucket = if kind == ChatKind::Direct { limits.direct_chat } else { limits.group_chat };
        if let Some(bucket) = bucket {
            let level = self.chats.get(chat).copied().unwrap_or(Level(now));
            let (level, chat_wait) = level.take(bucket, now);
            if self.chats.len() > 10_000 {
                self.chats.retain(|_, level| level.0 + FORGET_AFTER > now);
            }
            self.chats.insert(chat.to_owned(), level);
            wait = wait.max(chat_wait);
        }
        wait
    }

    /// Takes one of the places that any 60 seconds have, for what leaves now. Where there is none, says when to ask again.
    pub(super) fn take_of_minute(&mut self, per_minute: u32, now: Instant) -> Option<Duration> {
        while self.minute.front().is_some_and(|left| now >= *left + MINUTE) {
            self.minute.pop_front();
        }
        // The one that must be a minute old before another may leave.
        let taken = self.minute.len().checked_sub(per_minute as usize).map(|last| self.minute[last]);
        if let Some(taken) = taken {
            return Some(taken + MINUTE - now);
        }
        self.minute.push_back(now);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(burst: u32, ms: u64) -> Option<Bucket> {
        Some(Bucket { burst, every: Duration::from_millis(ms) })
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_is_spaced() {
        let (account, direct_chat, group_chat) = (bucket(100, 1), bucket(3, 1000), bucket(1, 3000));
        let limits = Limits { account, direct_chat, group_chat, ..Limits::default() };
        let now = Instant::now();
        let mut pace = Pace::default();
        let waits: Vec<u64> =
            (0..5).map(|_| pace.take(&limits, "a", ChatKind::Direct, now).as_millis() as u64).collect();
        assert_eq!(waits, [0, 0, 0, 1000, 2000]);
        assert_eq!(pace.take(&limits, "b", ChatKind::Direct, now), Duration::ZERO, "another chat has its own");
        assert_eq!(pace.take(&Limits::default(), "a", ChatKind::Direct, now), Duration::ZERO, "no limit is none");
    }

    /// B9: never more than so many in any 60 seconds, however they come.
    #[test]
    fn a_minute_has_so_many_places() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let mut left = Vec::new();
        let mut now = start;
        for n in 0..100_u64 {
            now += Duration::from_millis(n * 37 % 900);
            while let Some(wait) = pace.take_of_minute(30, now) {
                assert!(wait > Duration::ZERO && wait <= MINUTE, "{wait:?}");
                now += wait;
            }
            left.push(now);
        }
        let most = left.iter().map(|at| left.iter().filter(|other| *at <= **other && **other < *at + MINUTE).count());
        assert_eq!(most.max(), Some(30));
        assert!(now - start < MINUTE * 4, "and no fewer than there may be: {:?}", now - start);
    }

    /// The limit may be edited while something waits.
    #[test]
    fn a_lower_limit_counts_what_has_left() {
        let now = Instant::now();
        let mut pace = Pace::default();
        assert!((0..10).all(|_| pace.take_of_minute(10, now).is_none()));
        let later = now + Duration::from_secs(20);
        assert_eq!(pace.take_of_minute(5, later), Some(Duration::from_secs(40)));
        assert_eq!(pace.take_of_minute(11, later), None);
    }
}
