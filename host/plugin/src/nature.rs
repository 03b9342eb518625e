//! Time and chance as a guest sees them: a function of the call alone, so that the same call gives the same answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;

use parking_lot::Mutex;
use switchhook_core::time::UnixMillis;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::breach::Breach;
use crate::state::State;

/// How far a reading moves the monotonic clock, in nanoseconds: loops that wait for it end.
const STEP: u64 = 1_000;
/// How far it moves when a guest looks whether it has slept enough: one that does nothing else is done in time.
const LOOK: u64 = 1_000_000;
/// Where the monotonic clock starts, so that a guest can look back a little.
const START: u64 = 1_000_000_000;
/// The most random bytes one request may ask for.
const MAX_RANDOM: u64 = 64 * 1024;

pub(crate) struct Nature {
    wall: UnixMillis,
    monotonic: Arc<AtomicU64>,
    waiting: Waiting,
    chance: SplitMix,
}

impl Nature {
    pub(crate) fn new(wall: UnixMillis, seed: u64) -> Self {
        Self { wall, monotonic: Arc::new(AtomicU64::new(START)), waiting: Waiting::default(), chance: SplitMix(seed) }
    }

    fn bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        if len > MAX_RANDOM {
            return Err(
                Breach::Limit(format!("it asked for {len} random bytes at once; {MAX_RANDOM} is the most")).into()
            );
        }
        let mut bytes = Vec::with_capacity(len as usize + 8);
        while bytes.len() < len as usize {
            bytes.extend_from_slice(&self.chance.next().to_le_bytes());
        }
        bytes.truncate(len as usize);
        Ok(bytes)
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014). Statistically sound and reproducible; no secret may come from it.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// What a guest waits for when it sleeps: over as soon as nothing ends before it, and then the clock has moved.
struct Sleep {
    until: u64,
    monotonic: Arc<AtomicU64>,
    waiting: Waiting,
}

/// When the sleeps end that are being waited for together.
type Waiting = Arc<Mutex<Vec<u64>>>;

/// One of them, until nobody waits for it any more.
struct Awaited<'a>(&'a Sleep);

impl<'a> Awaited<'a> {
    fn new(sleep: &'a Sleep) -> Self {
        sleep.waiting.lock().push(sleep.until);
        Self(sleep)
    }
    fn is_next(&self) -> bool {
        self.0.waiting.lock().iter().all(|other| self.0.until <= *other)
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        if let Some(at) = waiting.iter().position(|until| *until == self.0.until) {
            waiting.swap_remove(at);
        }
    }
}

#[async_trait]
impl Pollable for Sleep {
    async fn ready(&mut self) {
        // A guest that only looks, again and again, sees time pass.
        if self.monotonic.fetch_add(LOOK, Relaxed).saturating_add(LOOK) >= self.until {
            return;
        }
        let awaited = Awaited::new(self);
        // A guest that waits for several sleeps asks for all of them before it asks for one of them again.
        let mut asked = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut asked, true) && awaited.is_next() {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        self.monotonic.fetch_max(self.until, Relaxed);
    }
}

/// The guest's view: time, chance, and the table that handles live in.
pub(crate) struct NatureView<'a> {
    nature: &'a mut Nature,
    table: &'a mut ResourceTable,
}

struct HasNature;

impl HasData for HasNature {
    type Data<'a> = NatureView<'a>;
}

/// Puts ours in the place of WASI's own clocks and generators.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    fn view(state: &mut State) -> NatureView<'_> {
        NatureView { nature: &mut state.nature, table: &mut state.table }
    }
    linker.allow_shadowing(true);
    wall_clock::add_to_linker::<State, HasNature>(linker, view)?;
    monotonic_clock::add_to_linker::<State, HasNature>(linker, view)?;
    random::add_to_linker::<State, HasNature>(linker, view)?;
    insecure::add_to_linker::<State, HasNature>(linker, view)?;
    insecure_seed::add_to_linker::<State, HasNature>(linker, view)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl NatureView<'_> {
    fn read(&self) -> u64 {
        self.nature.monotonic.fetch_add(STEP, Relaxed).saturating_add(STEP)
    }
    fn sleep(&mut self, until: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let Nature { monotonic, waiting, .. } = &*self.nature;
        let sleep = Sleep { until, monotonic: Arc::clone(monotonic), waiting: Arc::clone(waiting) };
        let sleep = self.table.push(sleep)?;
        subscribe(self.table, sleep)
    }
}

impl wall_clock::Host for NatureView<'_> {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let UnixMillis(millis) = self.nature.wall;
        Ok(wall_clock::Datetime { seconds: millis / 1_000, nanoseconds: (millis % 1_000) as u32 * 1_000_000 })
    }
    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}

impl monotonic_clock::Host for NatureView<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.read())
    }
    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(STEP)
    }
    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.sleep(when)
    }
    fn subscribe_duration(&mut self, nanos: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let until = self.read().saturating_add(nanos);
        self.sleep(until)
    }
}

impl random::Host for NatureView<'_> {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.nature.bytes(len)
    }
    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.nature.chance.next())
    }
}

impl insecure::Host for NatureView<'_> {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.nature.bytes(len)
    }
    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.nature.chance.next())
    }
}

impl insecure_seed::Host for NatureView<'_> {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.nature.chance.next(), self.nature.chance.next()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // First outputs for seed 1234567, from the reference implementation.
        let mut chance = SplitMix(1_234_567);
        assert_eq!(chance.next(), 6_457_827_717_110_365_317);
        assert_eq!(chance.next(), 3_203_168_211_198_807_973);
    }

    fn sleep(nature: &Nature, until: u64) -> Sleep {
        Sleep { until, monotonic: Arc::clone(&nature.monotonic), waiting: Arc::clone(&nature.waiting) }
    }

    /// Of several sleeps the shortest ends first, and the clock is not past the end of the others.
    #[tokio::test]
    async fn sleeps_end_in_order() {
        let nature = Nature::new(UnixMillis(0), 1);
        let hour = 3_600_000_000_000;
        let (mut late, mut early) = (sleep(&nature, START + 2 * hour), sleep(&nature, START + hour));
        tokio::select! {
            biased;
            () = late.ready() => panic!("the later one was first"),
            () = early.ready() => {}
        }
        assert_eq!(nature.monotonic.load(Relaxed), START + hour);
        late.ready().await;
        assert_eq!(nature.monotonic.load(Relaxed), START + 2 * hour);
    }

    /// A guest that looks instead of waiting gets there, too.
    #[test]
    fn looking_makes_time_pass() {
        let nature = Nature::new(UnixMillis(0), 1);
        let mut sleep = sleep(&nature, START + 3 * LOOK);
        let mut looks = 0;
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        while sleep.ready().as_mut().poll(&mut context).is_pending() {
            looks += 1;
        }
        assert_eq!(looks, 2);
        assert!(nature.waiting.lock().is_empty());
    }
}
