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
/// of that. The first time it may have it for longer: see [`GLANCE`].
const TICK: Duration = Duration::from_micros(500);

/// How often it looks for a call while none is in flight, and how often in vain before it parks. A message makes several
/// calls, one after the other: to be woken for each of them cost a message that comes alone a tenth of its time. A guest that
/// begins to spin meanwhile is noticed as much later.
const GLANCE: Duration = Duration::from_millis(2);
const GLANCES: u32 = 2;

/// An OS thread of its own: workers that are all inside guests could not run a timer. Parked while idle.
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
        if self.shared.in_flight.fetch_add(1, SeqCst) == 0 && self.shared.parked.load(SeqCst) {
            self.thread.unpark();
        }
        Busy(Arc::clone(&self.shared))
    }
}

fn run(shared: &Shared, engine: &EngineWeak) {
    let mut glances = 0;
    while !shared.stop.load(SeqCst) {
        if shared.in_flight.load(SeqCst) > 0 {
            glances = 0;
            thread::sleep(TICK);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        } else if glances < GLANCES {
            glances += 1;
            thread::sleep(GLANCE);
        } else {
            park(shared);
            glances = 0;
        }
    }
}

/// Parks until a call is in flight. Whoever begins one counts it and then looks whether to wake us; we say that we park and
/// then look at the count: one of the two always sees the other.
fn park(shared: &Shared) {
    shared.parked.store(true, SeqCst);
    while shared.in_flight.load(SeqCst) == 0 && !shared.stop.load(SeqCst) {
        // An `unpark` that came in between is kept: `park` then returns at once.
        thread::park();
    }
    shared.parked.store(false, SeqCst);
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
