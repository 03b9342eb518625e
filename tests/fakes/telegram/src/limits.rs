//! Telegram's sending limits, enforced only when asked for.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// At most `count` in any time of this length.
#[derive(Debug, Clone, Copy)]
struct Rate {
    count: usize,
    within: Duration,
}

/// The FAQ for bots: 30 messages a second over all; one a second in a chat, "short bursts" allowed, taken here as 3
/// within 3 seconds and at most 3 at once; 20 a minute in a group.
const ACCOUNT: Rate = Rate { count: 30, within: Duration::from_secs(1) };
const GROUP: Rate = Rate { count: 20, within: Duration::from_secs(60) };
const DIRECT_BURST: f64 = 3.0;

#[derive(Debug, Default)]
pub(crate) struct Limits {
    enforced: bool,
    account: VecDeque<Instant>,
    groups: HashMap<i64, VecDeque<Instant>>,
    /// Messages each direct chat may take at once, and since when.
    direct: HashMap<i64, (f64, Instant)>,
}

impl Limits {
    /// Limits that hold from now on; the default ones let everything pass.
    pub(crate) fn enforced() -> Self {
        Self { enforced: true, ..Self::default() }
    }

    /// Counts a message. The error is how many seconds to wait.
    pub(crate) fn count(&mut self, chat: i64, now: Instant) -> Result<(), u64> {
        if !self.enforced {
            return Ok(());
        }
        room(&mut self.account, ACCOUNT, now)?;
        if chat < 0 {
            let sent = self.groups.entry(chat).or_default();
            room(sent, GROUP, now)?;
            sent.push_back(now);
        } else {
            let (tokens, since) = self.direct.entry(chat).or_insert((DIRECT_BURST, now));
            *tokens = (*tokens + now.duration_since(*since).as_secs_f64()).min(DIRECT_BURST);
            *since = now;
            if *tokens < 1.0 {
                return Err(1);
            }
            *tokens -= 1.0;
        }
        self.account.push_back(now);
        Ok(())
    }
}

fn room(sent: &mut VecDeque<Instant>, rate: Rate, now: Instant) -> Result<(), u64> {
    while sent.front().is_some_and(|at| now.duration_since(*at) >= rate.within) {
        sent.pop_front();
    }
    match sent.front() {
        Some(first) if sent.len() >= rate.count => {
            Err((rate.within - now.duration_since(*first)).as_secs_f64().ceil().max(1.0) as u64)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chat: i64, gap_ms: u64, expect_accepted: usize) {
        let mut limits = Limits::enforced();
        let start = Instant::now();
        let at = |n: u64| start + Duration::from_millis(gap_ms * n);
        let accepted = (0..100).take_while(|n| limits.count(chat, at(*n)).is_ok()).count();
        assert_eq!(accepted, expect_accepted, "chat {chat}, one each {gap_ms} ms");
    }

    #[test]
    fn direct_chats_take_one_a_second_and_a_short_burst() {
        check(7, 0, 3);
        check(7, 1000, 100);
    }

    #[test]
    fn groups_take_twenty_a_minute() {
        check(-7, 100, 20);
        check(-7, 3000, 100);
    }

    #[test]
    fn all_chats_together_take_thirty_a_second() {
        let mut limits = Limits::enforced();
        let now = Instant::now();
        let accepted = (1..100).take_while(|chat| limits.count(*chat, now).is_ok()).count();
        assert_eq!(accepted, 30);
    }
}
