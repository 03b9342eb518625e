//! Two ways of doing the same, measured in turn: short runs of each, A B B A A B …, so that what the machine does
//! meanwhile falls on both. What counts is the ratio within a pair.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::Samples;

/// What one run took for each thing it did.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// By the clock.
    pub wall: Duration,
    /// Of all threads of this process, whoever they worked for.
    pub cpu: Duration,
}

impl Run {
    /// Runs something that does `count` things.
    ///
    /// # Errors
    /// Those of `work`, and where the kernel does not tell what a thread used.
    pub fn of(count: u32, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Self> {
        let (cpu, started) = (thread_time()?, Instant::now());
        work()?;
        let wall = started.elapsed();
        Ok(Self { wall: wall / count, cpu: thread_time()?.saturating_sub(cpu) / count })
    }
}

/// Runs of both, pair by pair.
#[derive(Debug, Default)]
pub struct Pairs(Vec<(Run, Run)>);

impl Pairs {
    /// Measures pairs, after one that is not counted.
    ///
    /// # Errors
    /// Those of `floor` and `ours`, each of which makes one run.
    pub fn measure(
        count: usize,
        mut floor: impl FnMut() -> anyhow::Result<Run>,
        mut ours: impl FnMut() -> anyhow::Result<Run>,
    ) -> anyhow::Result<Self> {
        floor()?;
        ours()?;
        let mut pairs = Vec::with_capacity(count);
        for n in 0..count {
            pairs.push(if n % 2 == 0 {
                let floor = floor()?;
                (floor, ours()?)
            } else {
                let ours = ours()?;
                (floor()?, ours)
            });
        }
        Ok(Self(pairs))
    }

    /// One row of a table: `what | floor | ours | ratio | kept or missed`. The ratio is the median of the pairs', with
    /// the middle half of them behind it; `most` is what it may be.
    ///
    /// # Errors
    /// Where there are no pairs.
    pub fn row(&self, what: &str, most: Option<f64>, of: impl Fn(&Run) -> Duration) -> anyhow::Result<String> {
        let micros = |run: &Run| of(run).as_secs_f64() * 1e6;
        let column = |pick: &dyn Fn(&(Run, Run)) -> f64| Samples::new(self.0.iter().map(pick).collect());
        let (floor, ours) = (column(&|pair| micros(&pair.0))?, column(&|pair| micros(&pair.1))?);
        let ratios = column(&|pair| micros(&pair.1) / micros(&pair.0))?;
        let ratio = ratios.median();
        let verdict = most.map_or("–".to_owned(), |most| {
            format!("{} (at most {most})", if ratio <= most { "kept" } else { "MISSED" })
        });
        let (low, high) = (ratios.percentile(25.0), ratios.percentile(75.0));
        let (floor, ours) = (floor.median(), ours.median());
        Ok(format!("| {what} | {floor:.1} µs | {ours:.1} µs | {ratio:.2} ({low:.2}–{high:.2}) | {verdict} |"))
    }
}

/// The processor time of all threads of this process so far, to the nanosecond. Threads that have ended are not in it.
///
/// # Errors
/// Where the kernel has no `schedstat`.
fn thread_time() -> anyhow::Result<Duration> {
    let mut total = 0;
    for entry in std::fs::read_dir("/proc/self/task").context("this needs Linux")? {
        // A thread may end between the listing and the reading.
        let Ok(text) = std::fs::read_to_string(entry?.path().join("schedstat")) else { continue };
        let nanos: u64 = text.split_whitespace().next().and_then(|first| first.parse().ok()).context("no schedstat")?;
        total += nanos;
    }
    anyhow::ensure!(total > 0, "the kernel does not tell what a thread used (CONFIG_SCHED_INFO)");
    Ok(Duration::from_nanos(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(micros: u64) -> anyhow::Result<Run> {
        let time = Duration::from_micros(micros);
        Ok(Run { wall: time, cpu: time * 2 })
    }

    #[test]
    fn ratios_are_of_pairs_and_the_first_is_not_counted() {
        let (mut floor, mut ours) = ([9, 10, 20, 40].into_iter(), [9000, 15, 30, 60].into_iter());
        let pairs = Pairs::measure(3, || run(floor.next().unwrap()), || run(ours.next().unwrap())).unwrap();
        let row = pairs.row("x", Some(1.4), |run| run.wall).unwrap();
        assert_eq!(row, "| x | 20.0 µs | 30.0 µs | 1.50 (1.50–1.50) | MISSED (at most 1.4) |");
        assert!(pairs.row("x", Some(1.5), |run| run.cpu).unwrap().contains("| 40.0 µs | 60.0 µs | 1.50"));
    }

    #[test]
    fn the_order_within_pairs_alternates() {
        let order = std::cell::RefCell::new(String::new());
        let note = |name| {
            order.borrow_mut().push(name);
            run(1)
        };
        Pairs::measure(3, || note('a'), || note('b')).unwrap();
        assert_eq!(order.into_inner(), "ababbaab");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn work_takes_time() {
        let spin = || {
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(20) {}
            Ok(())
        };
        let run = Run::of(2, spin).unwrap();
        assert!(run.wall >= Duration::from_millis(10));
        assert!(run.cpu > Duration::ZERO);
    }
}
