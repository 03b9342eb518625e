//! One round with one program: everything that is measured of it, from start to end.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use reqwest::Client;

use crate::edit;
use crate::effort::Effort;
use crate::load::{self, Load};
use crate::measure::{Measure, Results};
use crate::more::More;
use crate::proc;
use crate::subject::{Running, Stage, Subject};
use switchhook_bench::Samples;

/// When memory is looked at: so long after the last thing happened.
const SETTLED: Duration = Duration::from_secs(1);

/// Where the programs are, and where they may keep their data.
pub(crate) struct Grounds<'a> {
    pub(crate) binaries: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) http: &'a Client,
}

impl Grounds<'_> {
    pub(crate) async fn stage(&self, subject: Subject, more: More) -> anyhow::Result<Stage> {
        Stage::set(subject, more, self.binaries, self.folder, self.http).await
    }
}

/// Plays one round. The program is started twice: on nothing, and again on what it left.
pub(crate) async fn play(subject: Subject, grounds: &Grounds<'_>, effort: &Effort) -> anyhow::Result<Results> {
    let stage = grounds.stage(subject, More::default()).await?;
    let mut results = Results::default();
    let first = stage.start().await?;
    results.add(Measure::FirstStart, millis(first.to_first_poll));
    first.end().await?;
    let running = stage.start().await?;
    results.add(Measure::Start, millis(running.to_first_poll));
    let played = measures(&stage, &running, effort, &mut results).await;
    played.with_context(|| format!("{} said:\n{}", subject.name(), running.last_words()))?;
    // Not killed: a program that counts what it does writes that down at its end.
    running.end().await?;
    Ok(results)
}

async fn measures(stage: &Stage, running: &Running, effort: &Effort, results: &mut Results) -> anyhow::Result<()> {
    let memory = settled_memory(running).await?;
    results.add(Measure::IdleRss, memory.rss);
    results.add(Measure::IdlePss, memory.pss);
    results.add(Measure::IdleAnon, memory.anon);

    let load = Load { stage, pid: running.pid() };
    let alone = load.one_by_one(effort.one_by_one).await.context("one at a time")?;
    results.add(Measure::Shown, stage.model.shown().await? as f64);
    let times = Samples::new(alone.times)?;
    results.add(Measure::AloneP50, times.percentile(50.0));
    results.add(Measure::AloneP95, times.percentile(95.0));
    results.add(Measure::AloneP99, times.percentile(99.0));
    results.add(Measure::AloneCpu, millis(alone.cpu.subject) / effort.one_by_one as f64);

    bursts(&load, effort, results).await.context("a burst")?;

    let steady = load.steady(effort.rate, effort.steady).await.context("at a fixed rate")?;
    results.add(Measure::SteadyRate, load::rate(&steady.written)?);
    let messages = steady.written.len() as f64;
    let times = Samples::new(steady.times)?;
    results.add(Measure::SteadyP50, times.percentile(50.0));
    results.add(Measure::SteadyP99, times.percentile(99.0));
    results.add(Measure::SteadyCpu, millis(steady.cpu.subject) / messages);

    let memory = settled_memory(running).await?;
    results.add(Measure::LoadedRss, memory.rss);
    results.add(Measure::LoadedPss, memory.pss);
    results.add(Measure::LoadedAnon, memory.anon);
    edit::edits(stage, effort.edits, results).await.context("an edit")
}

async fn bursts(load: &Load<'_>, effort: &Effort, results: &mut Results) -> anyhow::Result<()> {
    let (mut subject, mut fakes) = (Duration::ZERO, Duration::ZERO);
    for number in 0..effort.bursts {
        let burst = load.burst(number, effort.burst).await?;
        results.add(Measure::Burst, burst.per_second()?);
        subject += burst.cpu.subject;
        fakes += burst.cpu.fakes;
    }
    // Over all of them: one burst may take less time than the clock tells apart.
    let messages = (effort.bursts * effort.burst) as f64;
    results.add(Measure::BurstCpu, millis(subject) / messages);
    results.add(Measure::FakesCpu, millis(fakes) / messages);
    Ok(())
}

async fn settled_memory(running: &Running) -> anyhow::Result<proc::Memory> {
    tokio::time::sleep(SETTLED).await;
    proc::memory(running.pid())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
