//! A channel whose policy is hostile, and what its neighbour notices: the same messages at the same rate with the attack
//! and without it, in turn, with the host pinned to one core.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::MissedTickBehavior;

use crate::effort::Effort;
use crate::load::Load;
use crate::proc;
use crate::round::Grounds;
use crate::stats::Samples;
use crate::subject::{Running, Stage};

/// What the attacker writes, in turn: what the plugins of `tests/hostile` understand.
const ATTACKS: [&str; 10] =
    ["loop", "memory", "host-calls", "wasi-calls", "stack", "string", "logs", "kv", "hold-future", "trap"];
/// One attack in so long. Each that loops takes the whole of its deadline (50 ms) in turns with everybody else.
const EVERY: Duration = Duration::from_millis(100);
/// The neighbour's p99 may grow by its own again, or by so many milliseconds where that is more.
const ROOM: f64 = 10.0;
/// Memory may end up higher by a tenth.
const MEMORY: f64 = 1.1;
/// How long memory has to come back.
const SETTLE: Duration = Duration::from_secs(5);

/// Runs `effort.rounds` pairs, after one that is not counted, and prints a table.
pub(crate) async fn run(plugin: &Path, grounds: &Grounds<'_>, effort: &Effort) -> anyhow::Result<()> {
    let stage = Stage::besieged(plugin, grounds.binaries, grounds.folder, grounds.http).await?;
    let running = stage.start().await?;
    let played = rounds(&stage, &running, effort).await;
    played.with_context(|| format!("the host said:\n{}", running.last_words()))?;
    running.end().await
}

async fn rounds(stage: &Stage, running: &Running, effort: &Effort) -> anyhow::Result<()> {
    pin(running.pid())?;
    let load = Load { stage, pid: running.pid() };
    let (mut quiet, mut attacked) = (Vec::new(), Vec::new());
    // What the first pair fills for good (the pool's resident pages, caches) is where memory has to come back to.
    steady(&load, effort).await?;
    besieged(&load, stage, effort).await?;
    let before = settled(running).await?;
    println!("| round | p50 quiet | p50 attacked | p99 quiet | p99 attacked | attacks |\n|---|---|---|---|---|---|");
    for round in 1..=effort.rounds {
        let alone = steady(&load, effort).await?;
        let (beside, attacks) = besieged(&load, stage, effort).await?;
        let [a50, b50] = [&alone, &beside].map(|times| times.percentile(50.0));
        let [a99, b99] = [&alone, &beside].map(|times| times.percentile(99.0));
        println!("| {round} | {a50:.1} ms | {b50:.1} ms | {a99:.1} ms | {b99:.1} ms | {attacks} |");
        quiet.push(a99);
        attacked.push(b99);
    }
    let after = settled(running).await?;
    let (quiet, attacked) = (Samples::new(quiet)?.median(), Samples::new(attacked)?.median());
    let grown = attacked - quiet;
    println!("\n{}: p99 grew by {grown:.1} ms; it may by {:.1} ms", word(grown <= ROOM.max(quiet)), ROOM.max(quiet));
    println!("{}: memory {before:.1} MiB before, {after:.1} MiB after", word(after <= before * MEMORY));
    Ok(())
}

fn word(kept: bool) -> &'static str {
    if kept { "kept" } else { "MISSED" }
}

async fn steady(load: &Load<'_>, effort: &Effort) -> anyhow::Result<Samples> {
    Samples::new(load.steady(effort.rate, effort.steady).await?.times)
}

/// The same beside attacks; how many there were.
async fn besieged(load: &Load<'_>, stage: &Stage, effort: &Effort) -> anyhow::Result<(Samples, usize)> {
    let pen = stage.telegram.pen();
    let count = Cell::new(0);
    let attack = async {
        let mut pace = tokio::time::interval(EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            if let Err(error) = pen.attack(ATTACKS[count.get() % ATTACKS.len()]).await {
                return error;
            }
            count.set(count.get() + 1);
        }
    };
    tokio::select! {
        biased;
        times = steady(load, effort) => Ok((times?, count.get())),
        error = attack => Err(error.context("the attacker")),
    }
}

/// Puts all threads of the host on the first core.
fn pin(pid: u32) -> anyhow::Result<()> {
    let pinned = Command::new("taskset").args(["-a", "-p", "-c", "0", &pid.to_string()]).output();
    ensure!(pinned.context("taskset (util-linux) is missing")?.status.success(), "the host can't be pinned to a core");
    Ok(())
}

async fn settled(running: &Running) -> anyhow::Result<f64> {
    tokio::time::sleep(SETTLE).await;
    Ok(proc::memory(running.pid())?.pss)
}
