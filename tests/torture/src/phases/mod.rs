//! The phases, in the order in which they run.

mod clock;
mod disk;
mod edges;
mod files;
mod kills;
mod read_only;

use std::pin::Pin;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;

use crate::table::Outcome;

/// What a phase has to spend.
pub(crate) struct Budget {
    pub(crate) until: Instant,
    pub(crate) chance: StdRng,
}

impl Budget {
    pub(crate) fn left(&self) -> bool {
        Instant::now() < self.until
    }

    /// Lets a random time pass: the moment at which something happens is what is random, nothing is waited for.
    pub(crate) async fn moment(&mut self, most: Duration) {
        tokio::time::sleep(most.mul_f64(self.chance.random())).await;
    }
}

type Run = fn(Budget) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// Of the time, relative to the others. A phase does one round at least, whatever its share.
    pub(crate) share: f64,
    pub(crate) run: Run,
}

pub(crate) const PHASES: [Phase; 7] = [
    Phase { name: "kills", share: 40.0, run: |budget| Box::pin(kills::under_load(budget)) },
    Phase { name: "edits", share: 20.0, run: |budget| Box::pin(kills::under_edits(budget)) },
    Phase { name: "failpoints", share: 15.0, run: |budget| Box::pin(edges::sweeps(budget)) },
    Phase { name: "disk", share: 8.0, run: |budget| Box::pin(disk::fills(budget)) },
    Phase { name: "read-only", share: 7.0, run: |budget| Box::pin(read_only::turns(budget)) },
    Phase { name: "files", share: 5.0, run: |budget| Box::pin(files::run_out(budget)) },
    Phase { name: "clock", share: 5.0, run: |budget| Box::pin(clock::jumps(budget)) },
];
