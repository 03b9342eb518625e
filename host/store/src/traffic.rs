//! How much each account sent and received, by quarters of an hour: the midnights of all zones lie between two of them, so
//! that a day can be counted in whatever zone somebody asks for.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, params};
use switchhook_core::id::AccountId;
use switchhook_core::time::UnixMillis;

use crate::error::StoreError;
use crate::memory::Effect;
use crate::store::Store;
use crate::tag::Tag;
use crate::writer::Batch;

/// In milliseconds.
const QUARTER: u64 = 15 * 60 * 1000;

/// Quarters kept of an account: three days, so that today is whole in every zone and after a clock was set.
pub(crate) const KEPT: i64 = 3 * 24 * 4;

/// What went through an account in some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages that a provider took. A reaction, an edit or a read mark is none.
    pub sent: u64,
    /// Messages taken into the journal, those included that nobody answers.
    pub received: u64,
}

/// The traffic of one account over the last days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<i64, Traffic>);

impl Tally {
    /// From a moment up to another, which is not part of it; both to the quarter of an hour.
    pub fn within(&self, from: UnixMillis, until: UnixMillis) -> Traffic {
        let (from, until) = (quarter(from), quarter(until));
        if from >= until {
            return Traffic::default();
        }
        self.0.range(from..until).fold(Traffic::default(), |sum, (_, traffic)| sum.plus(*traffic))
    }

    /// One more message left.
    pub fn sent(&mut self, at: UnixMillis) {
        self.add(quarter(at), Traffic { sent: 1, received: 0 });
    }

    pub(crate) fn add(&mut self, quarter: i64, traffic: Traffic) {
        let sum = self.0.entry(quarter).or_default();
        *sum = sum.plus(traffic);
        // By number, not by age: a clock that was far ahead for a moment must not take today along.
        while self.0.len() > KEPT as usize {
            self.0.pop_first();
        }
    }
}

impl Traffic {
    fn plus(self, more: Self) -> Self {
        Self { sent: self.sent + more.sent, received: self.received + more.received }
    }
}

pub(crate) fn quarter(at: UnixMillis) -> i64 {
    // Fits: a quarter of an hour has more than two milliseconds.
    (at.0 / QUARTER) as i64
}

impl Store {
    /// What is on disk of an account's traffic.
    pub fn tally(&self, account: &AccountId) -> Tally {
        let account = self.vault().account(account);
        self.shared().memory.traffic.lock().get(&account).cloned().unwrap_or_default()
    }
}

const ADD: &str = "INSERT INTO traffic (account, quarter, sent, received) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (account, quarter) DO UPDATE SET sent = sent + excluded.sent, received = received + excluded.received";

/// Writes what the writes of a transaction have counted: one row an account, however many they were.
pub(crate) fn write(batch: &Batch<'_>) -> Result<(), StoreError> {
    let mut sums: HashMap<(Tag, i64), Traffic> = HashMap::new();
    for effect in batch.effects() {
        if let Effect::Traffic { account, quarter, traffic } = effect {
            let sum = sums.entry((*account, *quarter)).or_default();
            *sum = sum.plus(*traffic);
        }
    }
    for ((account, quarter), Traffic { sent, received }) in sums {
        batch.execute(ADD, params![account, quarter, sent as i64, received as i64])?;
    }
    Ok(())
}

/// What earlier processes counted.
pub(crate) fn load(conn: &Connection) -> Result<HashMap<Tag, Tally>, StoreError> {
    let mut statement = conn.prepare("SELECT account, quarter, sent, received FROM traffic")?;
    let mut rows = statement.query([])?;
    let mut tallies: HashMap<Tag, Tally> = HashMap::new();
    while let Some(row) = rows.next()? {
        let traffic = Traffic { sent: row.get::<_, i64>(2)? as u64, received: row.get::<_, i64>(3)? as u64 };
        tallies.entry(row.get(0)?).or_default().add(row.get(1)?, traffic);
    }
    Ok(tallies)
}
