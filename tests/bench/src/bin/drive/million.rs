//! Memory and disk after very many messages: what grows with every message shows here.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::load::Load;
use crate::more::More;
use crate::proc;
use crate::round::Grounds;
use crate::subject::{Stage, Subject};
use switchhook_bench::Samples;

/// Written at once, and answered before the next ones are.
const BATCH: usize = 1000;
/// How often it is looked at.
const LOOKS: usize = 10;
/// Before memory is looked at.
const SETTLED: Duration = Duration::from_secs(1);

/// How long nothing happens at the end: a host that was busy gives memory back within 300 seconds.
const REST: Duration = Duration::from_secs(310);

/// Sends so many messages through one run of a program, and prints a row for each tenth of them and one for a rest.
pub(crate) async fn run(subject: Subject, grounds: &Grounds<'_>, count: usize) -> anyhow::Result<()> {
    println!("{}: {count} messages in bursts of {BATCH} from 50 chats\n", subject.name());
    println!("| messages | RSS, MiB | PSS, MiB | files, MiB | messages/s |\n|---:|---:|---:|---:|---:|");
    let stage = grounds.stage(subject, More::default()).await?;
    let running = stage.start().await?;
    look(&stage, running.pid(), 0, "–").await?;
    let load = Load { stage: &stage, pid: running.pid() };
    let (mut done, mut looked, mut rates) = (0, 0, Vec::new());
    for number in 0..count.div_ceil(BATCH) {
        let batch = load.burst(number, BATCH.min(count - done)).await;
        let batch = batch
            .with_context(|| format!("after {done} messages, {} said:\n{}", subject.name(), running.last_words()))?;
        done += batch.written.len();
        rates.push(batch.per_second()?);
        if done * LOOKS / count > looked {
            looked = done * LOOKS / count;
            let rate = Samples::new(std::mem::take(&mut rates))?.median();
            look(&stage, running.pid(), done, &format!("{rate:.0}")).await?;
        }
    }
    tokio::time::sleep(REST).await;
    look(&stage, running.pid(), done, "at rest").await?;
    println!();
    running.end().await
}

/// Prints a row; the rate is the median of the bursts since the last.
async fn look(stage: &Stage, pid: u32, done: usize, rate: &str) -> anyhow::Result<()> {
    tokio::time::sleep(SETTLED).await;
    let memory = proc::memory(pid)?;
    let files = size(&stage.path("")).unwrap_or_default() as f64 / (1024.0 * 1024.0);
    println!("| {done} | {:.1} | {:.1} | {files:.1} | {rate} |", memory.rss, memory.pss);
    Ok(())
}

/// What the files of a folder hold, in bytes. A file may go while it is looked at.
fn size(folder: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)?.flatten() {
        let of = entry.metadata();
        sum += match of {
            Ok(of) if of.is_dir() => size(&entry.path()).unwrap_or_default(),
            Ok(of) => of.len(),
            Err(_) => 0,
        };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_folders_count() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("a"), [0; 10]).unwrap();
        std::fs::write(folder.path().join("data/b"), [0; 5]).unwrap();
        assert_eq!(size(folder.path()).unwrap(), 15);
    }
}
