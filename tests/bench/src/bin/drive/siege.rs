//! A channel whose policy is hostile, and what its neighbour notices: the same messages at the same rate with the attack
//! and without it, in turn, with the host pinned to one core.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;

use crate::effort::Effort;
use crate::load::Load;
use crate::more::More;
use crate::proc;
use crate::round::Grounds;
use crate::subject::{Running, Stage, Subject};
use switchhook_bench::Samples;

/// What the attacker writes, in turn: what the plugins of `tests/hostile` understand.
const ATTACKS: [&str; 10] =
    ["loop", "memory", "host-calls", "wasi-calls", "stack", "string", "logs", "kv", "hold-future", "trap"];
/// Attacks a second, answered or not, from as many chats as the neighbour has. Each that loops takes the whole of its
/// deadline (50 ms) in turns with everybody else: three in ten do, so that together they want more than the core.
const ATTACKS_A_SECOND: u32 = 100;
const ATTACKERS: std::ops::Range<i64> = 6000..6050;
/// The neighbour's p99 may grow by its own again, or by so many milliseconds where that is more.
const ROOM: f64 = 10.0;
/// Memory may end up higher by a tenth.
const MEMORY: f64 = 1.1;
/// How long memory has to come back.
const SETTLE: Duration = Duration::from_secs(5);

/// Runs pairs, after one that is not counted, and prints a table.
pub(crate) async fn run(plugin: &Path, grounds: &Grounds<'_>, effort: &Effort) -> anyhow::Result<()> {
    let stage = grounds.stage(Subject::Switchhook, More::besieged(plugin)?).await?;
    let running = stage.start_on_one_core().await?;
    let played = rounds(&stage, &running, effort).await;
    played.with_context(|| format!("the host said:\n{}", running.last_words()))?;
    running.end().await
}

async fn rounds(stage: &Stage, running: &Running, effort: &Effort) -> anyhow::Result<()> {
    let load = Load { stage, pid: running.pid() };
    let (mut quiet, mut attacked) = (Vec::new(), Vec::new());
    // What the first pair fills for good (the pool's resident pages, caches) is where memory has to come back to.
    steady(&load, effort).await?;
    besieged(&load, stage, effort).await?;
    let before = settled(running).await?;
    println!("| pair | p50 quiet | p50 attacked | p99 quiet | p99 attacked | attacks |\n|---|---|---|---|---|---|");
    for round in 1..=effort.pairs {
        eprintln!("siege, pair {round} of {}", effort.pairs);
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
    println!("{}: memory (PSS) {before:.1} MiB before, {after:.1} MiB after\n", word(after <= before * MEMORY));
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
        let mut pace = tokio::time::interval(Duration::from_secs(1) / ATTACKS_A_SECOND);
        let mut writes = JoinSet::new();
        loop {
            pace.tick().await;
            let (pen, n) = (pen.clone(), count.get());
            // Ten chats of each kind of attack.
            let (chat, text) = (ATTACKERS.start + n as i64 % ATTACKERS.count() as i64, ATTACKS[n % ATTACKS.len()]);
            writes.spawn(async move { pen.attack(chat, text).await });
            count.set(n + 1);
            while let Some(written) = writes.try_join_next() {
                if let Err(error) = written.context("the attacker").flatten() {
                    return error;
                }
            }
        }
    };
    tokio::select! {
        biased;
        times = steady(load, effort) => Ok((times?, count.get())),
        error = attack => Err(error.context("the attacker")),
    }
}

async fn settled(running: &Running) -> anyhow::Result<f64> {
    tokio::time::sleep(SETTLE).await;
    Ok(proc::memory(running.pid())?.pss)
}
