//! `getUpdates`: the long poll.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Call;
use crate::ledger::{PollCall, now_us};
use crate::refusal::{Answer, Refusal};
use crate::world::Fake;

/// The longest Telegram lets a poll wait, in seconds.
const MAX_WAIT: i64 = 50;

/// A poll under way; dropped with the request, whether it was answered or the caller went away.
struct Open<'a> {
    fake: &'a Arc<Fake>,
    bot: i64,
    number: u64,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Ok(bot) = self.fake.world().bot(self.bot) {
            bot.poll_ends(self.number, now_us());
        }
        self.fake.ring();
    }
}

impl Call<'_> {
    pub(super) async fn get_updates(&self) -> Answer {
        let offset = self.params.number("offset");
        let limit = self.params.number("limit").unwrap_or(100);
        let wait = self.params.number("timeout").unwrap_or(0).clamp(0, MAX_WAIT);
        if !(1..=100).contains(&limit) {
            return Err(Refusal::bad_request("limit must be between 1 and 100"));
        }
        let allowed = self.allowed()?;
        let open = self.open(offset, wait)?;
        let deadline = Instant::now() + Duration::from_secs(wait as u64);
        let mut bell = self.fake.world().bot(self.bot)?.bell();
        loop {
            if let Some(updates) = self.look(&open, limit as usize, &allowed)? {
                return Ok(updates.into());
            }
            if tokio::time::timeout_at(deadline, bell.changed()).await.is_err() {
                // Whoever took over meanwhile ends this poll even now.
                return Ok(self.look(&open, limit as usize, &allowed)?.unwrap_or_default().into());
            }
        }
    }

    /// Confirms, and ends the poll that is open by somebody else.
    fn open(&self, offset: Option<i64>, timeout: i64) -> Answer<Open<'_>> {
        let mut world = self.fake.world();
        let (at_us, connection, port) = (now_us(), self.peer.connection, self.peer.port);
        let (at_ms, idle_us) = (at_us / 1000, world.bot(self.bot)?.idle_us(at_us));
        world.ledger.poll(PollCall { at_ms, at_us, idle_us, bot: self.bot, offset, timeout, connection, port });
        let bot = world.bot(self.bot)?;
        if let Some(offset) = offset.filter(|offset| *offset != 0) {
            bot.confirm(offset);
        }
        let number = bot.poll_starts(timeout);
        drop(world);
        self.fake.ring();
        Ok(Open { fake: self.fake, bot: self.bot, number })
    }

    /// What there is; none while there is nothing.
    fn look(&self, open: &Open<'_>, limit: usize, allowed: &[String]) -> Answer<Option<Vec<Value>>> {
        let mut world = self.fake.world();
        let bot = world.bot(self.bot)?;
        if !bot.poll_is_current(open.number) {
            return Err(Refusal::new(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            ));
        }
        let updates = bot.pending(limit, allowed);
        Ok((!updates.is_empty()).then_some(updates))
    }

    fn allowed(&self) -> Answer<Vec<String>> {
        match self.params.json("allowed_updates")? {
            None => Ok(Vec::new()),
            Some(list) => serde_json::from_value(list)
                .map_err(|_| Refusal::bad_request("can't parse allowed_updates: it must be an array of strings")),
        }
    }
}
