//! Advances the engine's epoch while calls are in flight, so that a guest that never returns is asked to yield.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use wasmtime::EngineWeak;

/// How often running guests are looked at. Deadlines are compared with the clock then, not counted in ticks.
///
/// It is also how long a guest that spins has the thread at a time, which an innocent message may wait for at each of its
/// steps: beside a hundred attacks a second on one core its p99 grew by 10.8 ms with a millisecond, and grows by 6 with half
/// of that. The first time it may have it for longer: see [`GLANCE`].
const TICK: Duration = Duration::from_micros(500);

/// How often it looks for a call while none is in flight, and how often in vain before it parks. A message makes several
/// calls, one after the other: to be woken for each of them, or by each of these, costs a message that comes alone as much as
/// a call does. A guest that begins to spin meanwhile is noticed as much later: the first of them that much, those that
/// follow soon less.
const GLANCE: Duration = Duration::from_millis(10);
const GLANCE_AT_SPINNERS: Duration = Duration::from_millis(2);
const GLANCES: u32 = 2;
/// A call that took as long as this, of the clock, may have been one that spins.
const LONG: Duration = Duration::from_millis(5);
/// For how long after such a call others like it are expected.
const EXPECTED: Duration = Duration::from_secs(10);

/// An OS thread of its own: workers that are all inside guests could not run a timer. Parked while idle.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

struct Shared {
    in_flight: AtomicUsize,
    stop: AtomicBool,
    parked: AtomicBool,
    started: Instant,
    /// When the last long call ended, in microseconds since the start; 0 for never.
    long_call: AtomicU64,
}

/// Keeps the ticker going.
pub(crate) struct Busy {
    shared: Arc<Shared>,
    since: Instant,
}

impl Shared {
    fn new() -> Self {
        let (in_flight, stop, parked) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicBool::new(false));
        Self { in_flight, stop, parked, started: Instant::now(), long_call: AtomicU64::new(0) }
    }

    fn ended(&self, took: Duration) {
        if took >= LONG {
            self.long_call.store(self.started.elapsed().as_micros() as u64, SeqCst);
        }
        // Last: who sees that none is in flight sees what kind it was.
        self.in_flight.fetch_sub(1, SeqCst);
    }

    /// Whether, so long after the start, a call that spins is to be expected.
    fn expects_spinners(&self, now: Duration) -> bool {
        let long_call = self.long_call.load(SeqCst);
        long_call > 0 && now < Duration::from_micros(long_call) + EXPECTED
    }

    /// How long to look away.
    fn glance(&self, now: Duration) -> Duration {
        if self.expects_spinners(now) { GLANCE_AT_SPINNERS } else { GLANCE }
    }
}

impl Ticker {
    pub(crate) fn start(engine: EngineWeak) -> io::Result<Self> {
        let shared = Arc::new(Shared::new());
        let for_thread = Arc::clone(&shared);
        let handle =
            thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || run(&for_thread, &engine))?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Whether a call took long lately: others like it are to be expected.
    pub(crate) fn expects_spinners(&self) -> bool {
        self.shared.expects_spinners(self.shared.started.elapsed())
    }

    pub(crate) fn busy(&self) -> Busy {
        if self.shared.in_flight.fetch_add(1, SeqCst) == 0 && self.shared.parked.load(SeqCst) {
            self.thread.unpark();
        }
        Busy { shared: Arc::clone(&self.shared), since: Instant::now() }
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
            thread::sleep(shared.glance(shared.started.elapsed()));
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
        self.shared.ended(self.since.elapsed());
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
    fn it_looks_more_often_after_a_long_call() {
        let shared = Shared::new();
        shared.in_flight.store(2, SeqCst);
        shared.ended(LONG / 2);
        assert_eq!(shared.glance(shared.started.elapsed()), GLANCE);
        // Within the first microsecond nothing long can have ended.
        wait_for(|| shared.started.elapsed() >= Duration::from_micros(1));
        shared.ended(LONG);
        let now = shared.started.elapsed();
        assert_eq!(shared.glance(now), GLANCE_AT_SPINNERS);
        assert_eq!(shared.glance(now + EXPECTED), GLANCE);
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
