//! Advances the engine's epoch while calls are in flight, so that a guest that never returns is asked to yield.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::EngineWeak;

/// How often running guests are looked at. Deadlines are compared with the clock then, not counted in ticks.
///
/// It is also how long a guest that spins has the thread at a time, which an innocent message may wait for at each of its
/// steps: beside a hundred attacks a second on one core its p99 grew by 10.8 ms with a millisecond, and grows by 6 with half
/// of that.
const TICK: Duration = Duration::from_micros(500);

/// An OS thread of its own: a runtime whose workers are all inside guests could not run a timer. Parked while idle.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    in_flight: AtomicUsize,
    stop: AtomicBool,
    parked: AtomicBool,
}

/// Keeps the ticker going.
pub(crate) struct Busy(Arc<Shared>);

impl Ticker {
    pub(crate) fn start(engine: EngineWeak) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let handle =
            thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || run(&for_thread, &engine))?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    pub(crate) fn busy(&self) -> Busy {
        if self.shared.in_flight.fetch_add(1, SeqCst) == 0 {
            self.thread.unpark();
        }
        Busy(Arc::clone(&self.shared))
    }
}

fn run(shared: &Shared, engine: &EngineWeak) {
    while !shared.stop.load(SeqCst) {
        if shared.in_flight.load(SeqCst) == 0 {
            // An `unpark` that came in between is kept: `park` then returns at once.
            shared.parked.store(true, SeqCst);
            thread::park();
            shared.parked.store(false, SeqCst);
            continue;
        }
        thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::Engine;

    use super::*;

    fn wait_for(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    #[test]
    fn it_parks_while_nothing_runs() {
        let engine = Engine::default();
        let ticker = Ticker::start(engine.weak()).unwrap();
        wait_for(|| ticker.shared.parked.load(SeqCst));
        let busy = ticker.busy();
        wait_for(|| !ticker.shared.parked.load(SeqCst));
        drop(busy);
        wait_for(|| ticker.shared.parked.load(SeqCst));
    }
}
