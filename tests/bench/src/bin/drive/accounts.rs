//! Many linked WhatsApp accounts on one host: what each of them takes, how long it takes until all are connected again
//! after a start, and what a message takes meanwhile and afterwards.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use switchhook_bench::Samples;
use tokio::time::Instant;

use crate::load::Load;
use crate::more::More;
use crate::proc::{self, Memory};
use crate::round::Grounds;
use crate::subject::{Running, Stage, Subject};
use crate::whatsapp::{Letter, WhatsApp, tables};

/// What a linked account may add to the memory of the host, in KiB.
const MOST: f64 = 700.0;
/// How long all accounts may take to connect, for the first time, when each makes its keys.
const PATIENCE: Duration = Duration::from_secs(900);
/// How long the answers to what was written may take.
const ANSWERS: Duration = Duration::from_secs(120);
/// Messages a second: on Telegram, and over all accounts.
const RATE: u32 = 20;
/// Telegram messages are written in runs of so long while accounts connect, and in one of so long afterwards.
const RUN: Duration = Duration::from_secs(1);
const AFTERWARDS: Duration = Duration::from_secs(10);
/// When memory is looked at: so long after the last thing happened.
const SETTLED: Duration = Duration::from_secs(5);
/// Files that a host has open beside the sockets of its accounts, and as many again for what comes and goes.
const FILES: usize = 512;

/// What was found with so many accounts.
struct Found {
    accounts: usize,
    /// From the start of the process to the last account connected, in seconds; the first time each makes its keys.
    first: f64,
    restored: f64,
    /// Linked and connected, and nobody has written.
    idle: Memory,
    /// After a few messages on each.
    used: Memory,
    meanwhile: Samples,
    telegram: Samples,
    whatsapp: Samples,
}

pub(crate) async fn run(grounds: &Grounds<'_>, count: usize) -> anyhow::Result<()> {
    let small = of(grounds, count / 10).await?;
    let large = of(grounds, count).await?;
    println!(
        "| accounts | first start | restored in | PSS idle | PSS used | RSS used | Telegram p99 meanwhile | \
         Telegram p99 | WhatsApp p50 | WhatsApp p99 |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    println!("{}\n{}\n", row(&small), row(&large));
    for (what, of) in [("idle", (|f: &Found| f.idle) as fn(&Found) -> Memory), ("used", |f| f.used)] {
        println!("{}", slope(what, small.accounts, of(&small), large.accounts, of(&large)));
    }
    println!();
    Ok(())
}

async fn of(grounds: &Grounds<'_>, accounts: usize) -> anyhow::Result<Found> {
    eprintln!("{accounts} accounts");
    allow_files(accounts + FILES)?;
    let whatsapp = WhatsApp::start(grounds.binaries, grounds.folder, grounds.http, accounts).await?;
    let more = More { tables: tables(accounts, &whatsapp.url), ..More::default() };
    let stage = grounds.stage(Subject::Switchhook, more).await?;
    whatsapp.link_all(&stage)?;
    let running = stage.start().await?;
    let connected = first(&whatsapp, &running).await;
    let first = connected.with_context(|| format!("the host said:\n{}", running.last_words()))?;
    tokio::time::sleep(SETTLED).await;
    running.end().await?;

    whatsapp.forget().await?;
    let running = stage.start().await?;
    let found = measured(&stage, &whatsapp, &running, accounts, first).await;
    let found = found.with_context(|| format!("the host said:\n{}", running.last_words()))?;
    whatsapp.no_violations().await?;
    running.end().await?;
    Ok(found)
}

async fn first(whatsapp: &WhatsApp, running: &Running) -> anyhow::Result<f64> {
    let keys = whatsapp.all("prekeys", PATIENCE).await?;
    let connected = whatsapp.all("resumed", PATIENCE).await?;
    Ok((connected.max(keys) - running.started_us()) as f64 / 1e6)
}

async fn measured(
    stage: &Stage,
    whatsapp: &WhatsApp,
    running: &Running,
    accounts: usize,
    first: f64,
) -> anyhow::Result<Found> {
    let (restored, meanwhile) = restoring(stage, whatsapp, running).await?;
    tokio::time::sleep(SETTLED).await;
    let idle = proc::memory(running.pid())?;
    let load = Load { stage, pid: running.pid() };
    let telegram = Samples::new(load.steady(RATE, AFTERWARDS).await?.times)?;
    // The first message to an account makes its session with who writes.
    chat(whatsapp, accounts, "first").await?;
    let whatsapp = Samples::new(chat(whatsapp, accounts, "second").await?)?;
    tokio::time::sleep(SETTLED).await;
    let used = proc::memory(running.pid())?;
    Ok(Found { accounts, first, restored, idle, used, meanwhile, telegram, whatsapp })
}

/// Until all are connected; how long that took from the start, in seconds, and Telegram messages meanwhile, in
/// milliseconds.
async fn restoring(stage: &Stage, whatsapp: &WhatsApp, running: &Running) -> anyhow::Result<(f64, Samples)> {
    let load = Load { stage, pid: running.pid() };
    let connected = whatsapp.all("resumed", PATIENCE);
    tokio::pin!(connected);
    let mut times = Vec::new();
    loop {
        // A run is never broken off: what it wrote has to be answered.
        let run = load.steady(RATE, RUN);
        tokio::pin!(run);
        let mut last = None;
        let written = loop {
            tokio::select! {
                written = &mut run => break written,
                at = &mut connected, if last.is_none() => last = Some(at?),
            }
        };
        times.extend(written?.times);
        if let Some(last) = last {
            let took = last.checked_sub(running.started_us()).context("the clock was set back meanwhile")?;
            return Ok((took as f64 / 1e6, Samples::new(times)?));
        }
    }
}

/// A message to each account, at a fixed rate; milliseconds from written to answered.
async fn chat(whatsapp: &WhatsApp, accounts: usize, round: &str) -> anyhow::Result<Vec<f64>> {
    whatsapp.forget().await?;
    let letters: Vec<Letter> =
        (0..accounts).map(|account| Letter { account, text: format!("{round} to {account}") }).collect();
    let start = Instant::now();
    for (n, letter) in letters.iter().enumerate() {
        tokio::time::sleep_until(start + Duration::from_secs_f64(n as f64 / f64::from(RATE))).await;
        whatsapp.write(letter).await?;
    }
    let answered = whatsapp.answered(&letters, ANSWERS).await?;
    Ok(answered.iter().map(|(written, answered)| answered.saturating_sub(*written) as f64 / 1e3).collect())
}

/// Lets this process, and those it starts, open so many files.
fn allow_files(count: usize) -> anyhow::Result<()> {
    let own = std::process::id();
    if proc::file_limit(own)? >= count {
        return Ok(());
    }
    let raised = Command::new("prlimit").args(["--pid", &own.to_string(), &format!("--nofile={count}:")]).status();
    let raised = raised.context("prlimit can't be started")?;
    ensure!(raised.success(), "{count} files have to be open at once: raise the limit (`ulimit -n {count}`)");
    Ok(())
}

fn row(found: &Found) -> String {
    let Found { accounts, first, restored, idle, used, meanwhile, telegram, whatsapp } = found;
    let (during, after) = (meanwhile.percentile(99.0), telegram.percentile(99.0));
    let (p50, p99) = (whatsapp.percentile(50.0), whatsapp.percentile(99.0));
    format!(
        "| {accounts} | {first:.1} s | {restored:.1} s | {:.1} MiB | {:.1} MiB | {:.1} MiB | {during:.1} ms | \
         {after:.1} ms | {p50:.1} ms | {p99:.1} ms |",
        idle.pss, used.pss, used.rss
    )
}

/// What each account more takes.
fn slope(what: &str, few: usize, small: Memory, many: usize, large: Memory) -> String {
    let each = |of: fn(&Memory) -> f64| (of(&large) - of(&small)) * 1024.0 / (many - few) as f64;
    let (pss, rss) = (each(|memory| memory.pss), each(|memory| memory.rss));
    let verdict = if pss <= MOST { "kept" } else { "MISSED" };
    format!("{verdict}: each account takes {pss:.0} KiB (PSS; RSS {rss:.0} KiB), {what}; it may take {MOST:.0} KiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_of_what_was_added() {
        let memory = |pss| Memory { rss: pss + 8.0, pss, anon: 0.0 };
        let kept = slope("idle", 10, memory(20.0), 100, memory(65.0));
        assert_eq!(kept, "kept: each account takes 512 KiB (PSS; RSS 512 KiB), idle; it may take 700 KiB");
        assert!(slope("idle", 10, memory(20.0), 100, memory(110.0)).starts_with("MISSED"));
    }
}
