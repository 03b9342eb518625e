//! What an account may still send today. What is leaving counts before it has left, so that no two take the last place.

use std::sync::Arc;
use std::time::Duration;

use switchhook_core::action::Action;
use switchhook_core::time::UnixMillis;
use switchhook_core::zone::Day;
use switchhook_store::{DeliveryEnd, DeliveryState, StoredDelivery, Tally};

use super::{AccountState, Dispatcher};
use crate::event::EventKind;
use crate::wiring::{AtDailyLimit, ChannelWiring};

/// The longest sleep of what waits for midnight: a clock that was set forward is noticed within it.
const NAP: Duration = Duration::from_secs(30);

/// The code of what is given up at the limit. It never changes.
pub(super) const DAILY_LIMIT: &str = "daily-limit";

/// The day of one account.
#[derive(Default)]
pub(super) struct Quota {
    /// What has left, that of earlier processes included; none until somebody asks.
    left: Option<Tally>,
    leaving: u64,
    /// The end of the day of which was said that it is used up.
    said: UnixMillis,
}

/// A place in the day of an account, taken by what is about to leave. Given back where it does not.
pub(super) struct Place(Option<Arc<AccountState>>);

impl Place {
    /// What no limit counts needs none.
    fn free() -> Self {
        Self(None)
    }
    /// It has left: the place is used.
    pub(super) fn used(mut self, at: UnixMillis) {
        if let Some(account) = self.0.take() {
            let mut quota = account.quota.lock();
            quota.leaving -= 1;
            if let Some(left) = &mut quota.left {
                left.sent(at);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(account) = self.0.take() {
            account.quota.lock().leaving -= 1;
        }
    }
}

/// Why there is no place.
pub(super) enum NoPlace {
    /// The host is draining: the row stays in the journal.
    Hurry,
    /// It is given up.
    Refused(DeliveryEnd),
}

/// How a look at the limit went.
enum Look {
    Place(Place),
    /// The day is used up.
    Full {
        limit: u32,
        day: Day,
    },
}

impl Dispatcher {
    /// Takes a place in the account's day for a row, waiting for midnight where the config says so.
    pub(super) async fn place(&self, account: &Arc<AccountState>, row: &mut StoredDelivery) -> Result<Place, NoPlace> {
        let mut waits = false;
        loop {
            let edited = self.rewired.notified();
            tokio::pin!(edited);
            // Before the look: an edit that comes after it must not be missed.
            edited.as_mut().enable();
            let wiring = self.desk.wiring.load_full();
            let Some(channel) = wiring.channel(&row.account) else { return Ok(Place::free()) };
            let (limit, day) = match self.look(account, channel, row) {
                Look::Place(place) => return Ok(place),
                Look::Full { limit, day } => (limit, day),
            };
            self.say_once(account, channel, limit, day);
            if channel.limits.at_daily_limit == AtDailyLimit::Refuse {
                self.desk.tell(&channel.name, EventKind::DeliveryFailed { delivery: row.id, code: DAILY_LIMIT });
                return Err(NoPlace::Refused(DeliveryEnd::Dead { reason: refusal(limit) }));
            }
            if !std::mem::replace(&mut waits, true) {
                self.wait_for_midnight(row, limit).await;
            }
            let nap = day.until.since(self.desk.clock.now()).min(NAP);
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                () = edited => {}
                () = self.hurry.cancelled() => return Err(NoPlace::Hurry),
            }
        }
    }

    /// Writes down why it waits. What was armed is not leaving after all: a crash must not make it unknown.
    async fn wait_for_midnight(&self, row: &mut StoredDelivery, limit: u32) {
        let reason = format!("{DAILY_LIMIT}: all {limit} messages of the day are sent; it waits for midnight");
        self.desk.store.end_delivery_later(row.id, DeliveryEnd::Waits { reason }).await;
        if row.state == DeliveryState::Armed {
            row.state = DeliveryState::Ready;
            row.attempts -= 1;
        }
    }

    fn look(&self, account: &Arc<AccountState>, channel: &ChannelWiring, row: &StoredDelivery) -> Look {
        let counts = row.action.as_ref().is_some_and(Action::is_message);
        let mut quota = account.quota.lock();
        // Also without a limit: one may be edited in, and what is leaving then has to count.
        let left = quota.left.get_or_insert_with(|| self.desk.store.tally(&row.account));
        if !counts {
            return Look::Place(Place::free());
        }
        if let Some(limit) = channel.limits.per_day {
            let day = channel.time_zone.day(self.desk.clock.now());
            if left.within(day.from, day.until).sent + quota.leaving >= u64::from(limit) {
                return Look::Full { limit, day };
            }
        }
        quota.leaving += 1;
        Look::Place(Place(Some(account.clone())))
    }

    fn say_once(&self, account: &AccountState, channel: &ChannelWiring, limit: u32, day: Day) {
        let mut quota = account.quota.lock();
        if quota.said != day.until {
            quota.said = day.until;
            let at_limit = channel.limits.at_daily_limit;
            tracing::warn!(channel = %channel.name, limit, ?at_limit, "all messages of today are sent");
        }
    }
}

fn refusal(limit: u32) -> String {
    format!("{DAILY_LIMIT}: all {limit} messages of the day are sent; replay it after midnight")
}
