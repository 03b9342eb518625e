//! Messages while a component as large as an interpreter is compiled for another channel: the same at the same rate with
//! it and without it, in turn.

use std::time::Duration;

use anyhow::{Context, ensure};
use switchhook_bench::Samples;
use tokio::time::Instant;

use crate::effort::Effort;
use crate::load::Load;
use crate::more::{LARGE_FILE, More, large_version};
use crate::round::Grounds;
use crate::subject::{Running, Stage, Subject};

/// p99 may grow by its own again, or by so many milliseconds where that is more.
const ROOM: f64 = 10.0;
/// How long a compilation may take, and how often it is looked whether it is over.
const PATIENCE: Duration = Duration::from_secs(120);
const GLANCE: Duration = Duration::from_millis(20);

pub(crate) async fn run(grounds: &Grounds<'_>, effort: &Effort) -> anyhow::Result<()> {
    let stage = grounds.stage(Subject::Switchhook, More::large()?).await?;
    let running = stage.start().await?;
    let played = pairs(&stage, &running, effort).await;
    played.with_context(|| format!("the host said:\n{}", running.last_words()))?;
    running.end().await
}

async fn pairs(stage: &Stage, running: &Running, effort: &Effort) -> anyhow::Result<()> {
    let load = Load { stage, pid: running.pid() };
    let window = compilation(stage, 1).await?;
    println!(
        "| pair | compiled in | p50 without | p50 beside | p99 without | p99 beside |\n|---|---:|---:|---:|---:|---:|"
    );
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    for pair in 1..=effort.pairs {
        eprintln!("compiling, pair {pair} of {}", effort.pairs);
        let alone = Samples::new(load.steady(effort.rate, window).await?.times)?;
        let (beside, took) = tokio::join!(load.steady(effort.rate, window), compilation(stage, pair + 1));
        let (beside, took) = (Samples::new(beside?.times)?, took?);
        let [a50, b50] = [&alone, &beside].map(|times| times.percentile(50.0));
        let [a99, b99] = [&alone, &beside].map(|times| times.percentile(99.0));
        let took = took.as_secs_f64();
        println!("| {pair} | {took:.1} s | {a50:.1} ms | {b50:.1} ms | {a99:.1} ms | {b99:.1} ms |");
        quiet.push(a99);
        busy.push(b99);
    }
    let (quiet, busy) = (Samples::new(quiet)?.median(), Samples::new(busy)?.median());
    let (grown, may) = (busy - quiet, ROOM.max(quiet));
    let verdict = if grown <= may { "kept" } else { "MISSED" };
    println!("\n{verdict}: beside a compilation of 18 MiB p99 grew by {grown:.1} ms; it may by {may:.1} ms\n");
    Ok(())
}

/// Has a new version compiled; gives how long that took.
async fn compilation(stage: &Stage, number: u32) -> anyhow::Result<Duration> {
    let bytes = large_version(number)?;
    let before = compiled(stage)?;
    let started = Instant::now();
    stage.put(LARGE_FILE, &bytes)?;
    while compiled(stage)? == before {
        ensure!(started.elapsed() < PATIENCE, "nothing was compiled within {PATIENCE:?}");
        tokio::time::sleep(GLANCE).await;
    }
    Ok(started.elapsed())
}

/// How many compiled components the host keeps.
fn compiled(stage: &Stage) -> anyhow::Result<usize> {
    let files = std::fs::read_dir(stage.path("data/compiled")).context("the host keeps no compiled components")?;
    Ok(files.flatten().filter(|file| file.path().extension().is_some_and(|extension| extension == "cwasm")).count())
}
