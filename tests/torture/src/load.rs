//! Steady load and bursts on Telegram and the web chat at once, whatever the host does meanwhile.

use std::sync::Arc;
use std::time::Duration;

use harness::Telegram;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ledger::Line;
use crate::page::{Page, Said};

/// The people who write on Telegram.
const PEOPLE: std::ops::Range<i64> = 3000..3010;
/// A message each, by turns, this often.
const EVERY: Duration = Duration::from_millis(50);
/// A burst instead of a message: one time in this many.
const RARELY: u32 = 40;
const BURST: usize = 60;

pub(crate) struct Load {
    stop: CancellationToken,
    telegram: JoinHandle<Vec<Line>>,
    page: Page,
}

/// Everything that was written.
pub(crate) struct Written {
    /// On Telegram: who, and what.
    pub(crate) telegram: Vec<Line>,
    pub(crate) page: Page,
}

/// What the config's allowlist must hold.
pub(crate) fn people() -> String {
    PEOPLE.map(|id| format!("\"tg:{id}\"")).collect::<Vec<_>>().join(", ")
}

impl Load {
    pub(crate) fn start(telegram: Arc<Telegram>, port: u16, chance: &mut StdRng) -> Self {
        let stop = CancellationToken::new();
        let chance = StdRng::seed_from_u64(chance.random());
        let page = Page::open(port, stop.clone());
        Self { telegram: tokio::spawn(write(telegram, stop.clone(), chance)), page, stop }
    }

    pub(crate) async fn stop(self) -> Written {
        self.stop.cancel();
        Written { telegram: self.telegram.await.expect("the writers end"), page: self.page }
    }
}

impl Written {
    pub(crate) fn said(&self) -> Said {
        self.page.said()
    }
}

async fn write(telegram: Arc<Telegram>, stop: CancellationToken, mut chance: StdRng) -> Vec<Line> {
    let mut pace = tokio::time::interval(EVERY);
    let mut written: Vec<Line> = Vec::new();
    let mut people = PEOPLE.cycle();
    while !stop.is_cancelled() {
        pace.tick().await;
        let count = if chance.random_ratio(1, RARELY) { BURST } else { 1 };
        let first = written.len();
        written.extend((first..first + count).zip(&mut people).map(|(n, person)| (person, format!("t{n}"))));
        telegram.write_all(written[first..].iter().map(update).collect()).await;
    }
    written
}

fn update((person, text): &Line) -> Value {
    json!({ "bot": 4242, "from": { "id": person, "first_name": "P" }, "text": text })
}
