//! The whole life of a message inside one process, its store included, with four plugins in their sandboxes against the
//! same decisions as native code. Model and provider answer at once: what is left is ours.
#![forbid(unsafe_code)]

mod line;
mod native;
mod wires;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use line::{CHATS, Hooks, Line};
use switchhook_bench::{Pairs, Run};
use switchhook_plugin::{HostOptions, PluginHost};
use switchhook_store::Durability;
use tokio::runtime::Runtime;

/// What the assistant is told, and how many lines of a chat the model is shown before the new one.
pub(crate) const SYSTEM: &str = "You are helpful.";
pub(crate) const HISTORY: u32 = 4;

/// What isolation may cost, as a ratio.
const MOST: f64 = 2.0;
/// Messages of one run: enough for the shortest to take milliseconds, few enough for a pair to be under one weather.
const ALONE: usize = 50;
const BURST: usize = 500;
const PAIRS: usize = 20;

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let plugins = PluginHost::new(HostOptions::new(folder.path().join("cache")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("| in one process | floor | host | ratio | |\n|---|---:|---:|---:|---|");
    for (durability, name) in [(Durability::Power, "power"), (Durability::Process, "process")] {
        rows(&runtime, &plugins, durability, name, folder.path())?;
    }
    Ok(())
}

fn rows(
    runtime: &Runtime,
    plugins: &PluginHost,
    durability: Durability,
    name: &str,
    folder: &Path,
) -> anyhow::Result<()> {
    let _here = runtime.enter();
    let native = Arc::new(Line::new(Hooks::native(), durability, folder, plugins)?);
    let sandboxed = Arc::new(Line::new(Hooks::sandboxed(plugins)?, durability, folder, plugins)?);
    // As many as a chat's history holds, so that every message that counts finds the same.
    for line in [&native, &sandboxed] {
        runtime.block_on(line.burst(CHATS * HISTORY as usize))?;
    }
    let alone = |line: &Arc<Line>| run(runtime, line, ALONE, async |line| line.one_by_one(ALONE).await);
    let burst = |line: &Arc<Line>| run(runtime, line, BURST, async |line| line.burst(BURST).await);
    let pairs = Pairs::measure(PAIRS, || alone(&native), || alone(&sandboxed))?;
    println!("{}", pairs.row(&format!("a message, one at a time, durability = {name}"), Some(MOST), |run| run.wall)?);
    println!("{}", pairs.row("… CPU", None, |run| run.cpu)?);
    let pairs = Pairs::measure(PAIRS, || burst(&native), || burst(&sandboxed))?;
    println!("{}", pairs.row(&format!("a message, in a burst, durability = {name}"), Some(MOST), |run| run.wall)?);
    println!("{}", pairs.row("… CPU", None, |run| run.cpu)?);
    for line in [native, sandboxed] {
        let line = Arc::into_inner(line).context("somebody still writes")?;
        runtime.block_on(line.end());
    }
    Ok(())
}

fn run(
    runtime: &Runtime,
    line: &Line,
    count: usize,
    work: impl AsyncFnOnce(&Line) -> anyhow::Result<()>,
) -> anyhow::Result<Run> {
    Run::of(count as u32, || runtime.block_on(work(line)))
}
