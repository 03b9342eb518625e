//! The phases, in the order in which they run.

mod clock;
mod disk;
mod edges;
mod files;
mod kills;
mod read_only;
mod whatsapp;

use std::pin::Pin;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;

use crate::table::Outcome;

/// What a phase has to spend.
pub(crate) struct Budget {
    pub(crate) until: Instant,
    /// Of a phase that counts its kills instead.
    pub(crate) kills: usize,
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

/// How long a phase goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Extent {
    /// Of the time, relative to the others. A phase does one round at least, whatever its share.
    Share(f64),
    /// Until it has killed often enough, however long that takes.
    Kills,
}

pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) extent: Extent,
    pub(crate) run: Run,
}

pub(crate) const PHASES: [Phase; 10] = [
    Phase { name: "kills", extent: Extent::Share(40.0), run: |budget| Box::pin(kills::under_load(budget)) },
    Phase { name: "edits", extent: Extent::Share(20.0), run: |budget| Box::pin(kills::under_edits(budget)) },
    Phase { name: "failpoints", extent: Extent::Share(15.0), run: |budget| Box::pin(edges::sweeps(budget)) },
    Phase { name: "disk", extent: Extent::Share(8.0), run: |budget| Box::pin(disk::fills(budget)) },
    Phase { name: "read-only", extent: Extent::Share(7.0), run: |budget| Box::pin(read_only::turns(budget)) },
    Phase { name: "files", extent: Extent::Share(5.0), run: |budget| Box::pin(files::run_out(budget)) },
    Phase { name: "clock", extent: Extent::Share(5.0), run: |budget| Box::pin(clock::jumps(budget)) },
    Phase { name: "linking", extent: Extent::Kills, run: |budget| Box::pin(whatsapp::linking(budget)) },
    Phase { name: "chatting", extent: Extent::Kills, run: |budget| Box::pin(whatsapp::chatting(budget)) },
    Phase { name: "rotating", extent: Extent::Kills, run: |budget| Box::pin(whatsapp::rotating(budget)) },
];
