//! What it takes to prepare another version of a plugin that was compiled before: what a swap waits for.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use switchhook_bench::{Samples, version};
use switchhook_core::catalogue::PluginSource;
use switchhook_plugin::{HostOptions, PluginHost};

use crate::prepare;

/// Fewer than the cache keeps.
const VERSIONS: u32 = 40;
/// What a swap may take, in milliseconds.
const MOST: f64 = 5.0;

/// Compiles versions of a plugin, forgets them, and measures how long each takes to be ready for its first message: read,
/// found in the cache, linked, and its settings proved.
pub(crate) fn measure(folder: &Path) -> anyhow::Result<()> {
    let bytes = switchhook_builtin::component("assistant").context("there is no assistant")?;
    let sources: Vec<PluginSource> = (0..VERSIONS)
        .map(|number| {
            let path = folder.join(format!("version-{number}.wasm"));
            std::fs::write(&path, version(bytes, number))?;
            Ok(PluginSource::File(path))
        })
        .collect::<std::io::Result<_>>()?;
    let open = || PluginHost::new(HostOptions::new(folder.join("cache")));
    let compiling = open()?;
    for source in &sources {
        prepare(&compiling, source)?;
    }
    drop(compiling);
    let host = open()?;
    let mut times = Vec::new();
    for source in &sources {
        let started = Instant::now();
        prepare(&host, source)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let times = Samples::new(times)?;
    let (median, p95) = (times.median(), times.percentile(95.0));
    let verdict = if p95 <= MOST { "kept" } else { "MISSED" };
    println!(
        "| swap of a compiled plugin, p50 / p95 | – | {median:.2} / {p95:.2} ms | – | {verdict} (at most {MOST} ms) |"
    );
    Ok(())
}
