//! Whether what a message has nothing to do with costs it anything: channels, people, plugins. Two hosts are up at once,
//! a small and a large one, and take the same messages in turn.

use std::time::Duration;

use anyhow::Context;
use switchhook_bench::Samples;

use crate::effort::Effort;
use crate::load::Load;
use crate::more::{More, Size};
use crate::round::Grounds;
use crate::subject::{Running, Stage, Subject};

const SMALL: Size = Size { channels: 1, people: 50, plugins: 1 };
/// What is grown in turn, everything else left small.
const LARGE: [(&str, Size); 4] = [
    ("100 channels", Size { channels: 100, ..SMALL }),
    ("1,000 channels", Size { channels: 1_000, ..SMALL }),
    ("100,000 people in a group", Size { people: 100_000, ..SMALL }),
    ("50 more plugins", Size { plugins: 51, ..SMALL }),
];
/// A ratio up to this is flat: two runs of the same differ as much on a machine that others use, too.
const FLAT: f64 = 1.15;
/// Messages written one at a time in one run, and in how many bursts others come.
const ALONE: usize = 200;
const BURSTS: usize = 4;
/// How long a large host may take until all its channels are connected.
const PATIENCE: Duration = Duration::from_secs(180);

/// What one run found of one host.
struct Found {
    p50: f64,
    /// Milliseconds of processor time for each message of the bursts.
    cpu: f64,
}

pub(crate) async fn run(grounds: &Grounds<'_>, effort: &Effort) -> anyhow::Result<()> {
    println!("| beside a message | p50, small | p50, large | ratio | CPU, small | CPU, large | ratio | |");
    println!("|---|---:|---:|---:|---:|---:|---:|---|");
    let (small_stage, small) = start(grounds, SMALL).await?;
    for (name, size) in LARGE {
        eprintln!("{name}");
        let (large_stage, large) = start(grounds, size).await?;
        let pairs = pairs((&small_stage, &small), (&large_stage, &large), effort.pairs).await;
        let pairs = pairs.with_context(|| format!("{name}; the host said:\n{}", large.last_words()))?;
        println!("{}", row(name, &pairs)?);
        large.end().await?;
    }
    println!();
    small.end().await
}

async fn start(grounds: &Grounds<'_>, size: Size) -> anyhow::Result<(Stage, Running)> {
    let stage = grounds.stage(Subject::Switchhook, More::sized(size)?).await?;
    let running = stage.start().await?;
    stage.telegram.all_polled(size.channels, PATIENCE).await?;
    Ok((stage, running))
}

type Host<'a> = (&'a Stage, &'a Running);

async fn pairs(small: Host<'_>, large: Host<'_>, count: u32) -> anyhow::Result<Vec<(Found, Found)>> {
    // What only the first messages pay is not counted.
    once(small).await?;
    once(large).await?;
    let mut pairs = Vec::new();
    for n in 0..count {
        pairs.push(if n % 2 == 0 {
            let small = once(small).await?;
            (small, once(large).await?)
        } else {
            let large = once(large).await?;
            (once(small).await?, large)
        });
    }
    Ok(pairs)
}

async fn once((stage, running): Host<'_>) -> anyhow::Result<Found> {
    let load = Load { stage, pid: running.pid() };
    let alone = Samples::new(load.one_by_one(ALONE).await?.times)?;
    let (mut cpu, mut messages) = (Duration::ZERO, 0);
    for number in 0..BURSTS {
        let burst = load.burst(number, 500).await?;
        cpu += burst.cpu.subject;
        messages += burst.times.len();
    }
    Ok(Found { p50: alone.median(), cpu: cpu.as_secs_f64() * 1e3 / messages as f64 })
}

fn row(name: &str, pairs: &[(Found, Found)]) -> anyhow::Result<String> {
    let median = |of: &dyn Fn(&(Found, Found)) -> f64| Samples::new(pairs.iter().map(of).collect()).map(|s| s.median());
    let [p50, cpu] = [median(&|(s, l)| l.p50 / s.p50)?, median(&|(s, l)| l.cpu / s.cpu)?];
    let [small, large] = [median(&|(s, _)| s.p50)?, median(&|(_, l)| l.p50)?];
    let [small_cpu, large_cpu] = [median(&|(s, _)| s.cpu)?, median(&|(_, l)| l.cpu)?];
    let verdict = if p50.max(cpu) <= FLAT { "kept" } else { "MISSED" };
    Ok(format!(
        "| {name} | {small:.2} ms | {large:.2} ms | {p50:.2} | {small_cpu:.2} ms | {large_cpu:.2} ms | {cpu:.2} | \
         {verdict} (at most {FLAT}) |"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_median_of_the_pairs_ratios() {
        let pair = |small, large| (Found { p50: small, cpu: 0.5 }, Found { p50: large, cpu: 0.55 });
        let row = row("x", &[pair(1.0, 1.1), pair(10.0, 9.0), pair(2.0, 2.4)]).unwrap();
        assert_eq!(row, "| x | 2.00 ms | 2.40 ms | 1.10 | 0.50 ms | 0.55 ms | 1.10 | kept (at most 1.15) |");
    }
}
