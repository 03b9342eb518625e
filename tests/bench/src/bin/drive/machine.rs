//! Where the figures come from: a figure without its machine says nothing.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;

use switchhook_bench::Samples;

/// A commit is a page or a few, written over what a write-ahead log held before, and brought to disk.
const PAGE: usize = 4096;
const PAGES: usize = 256;

/// Lines that describe the machine.
pub(crate) fn describe(folder: &Path) -> Vec<String> {
    let cores = std::thread::available_parallelism().map_or_else(|_| "?".into(), |cores| cores.to_string());
    let cpu = value(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".into());
    let memory = value(&read("/proc/meminfo"), "MemTotal").unwrap_or_else(|| "?".into());
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let mut lines = vec![
        format!("machine: {cpu}, {cores} cores, {memory} of memory, Linux {kernel}"),
        format!("data on: {}", file_system(&read("/proc/mounts"), folder).unwrap_or_else(|| "unknown".into())),
    ];
    if cfg!(debug_assertions) {
        lines.push("warning: a debug build, whose figures mean nothing; build with --release".into());
    }
    lines
}

/// What else the machine was doing: figures taken beside other work are not to be shown to anybody.
pub(crate) fn load_average() -> String {
    read("/proc/loadavg").split_whitespace().take(1).collect()
}

/// How long one commit takes here, in milliseconds.
pub(crate) fn commits(folder: &Path) -> anyhow::Result<Samples> {
    let file = tempfile::Builder::new().prefix("commits-").tempfile_in(folder).context("no file for commits")?;
    let page = vec![0x5a; PAGE];
    file.as_file().write_all_at(&page.repeat(PAGES), 0)?;
    file.as_file().sync_all()?;
    let times = (0..PAGES).map(|n| commit(file.as_file(), &page, (n * PAGE) as u64));
    Samples::new(times.collect::<std::io::Result<_>>()?)
}

fn commit(file: &File, page: &[u8], at: u64) -> std::io::Result<f64> {
    let started = Instant::now();
    file.write_all_at(page, at)?;
    file.sync_data()?;
    Ok(started.elapsed().as_secs_f64() * 1000.0)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The value behind `key :`.
fn value(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The type of the file system that holds a folder: the one mounted deepest.
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let mounted = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    });
    let holding = mounted.filter(|(at, _)| folder.starts_with(at));
    // Of two mounts on one place, the later hides the earlier: `max_by_key` gives the last of equals.
    let (_, kind) = holding.max_by_key(|(at, _)| at.components().count())?;
    let volatile = matches!(kind, "tmpfs" | "ramfs");
    Some(if volatile {
        format!("{kind} (memory: commits cost nothing here, choose another --folder)")
    } else {
        kind.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /srv/x tmpfs rw 0 0\n/dev/b /srv xfs rw 0 0\n";
        let check = |folder: &str, expect: &str| {
            let kind = file_system(mounts, Path::new(folder)).unwrap();
            assert!(kind.starts_with(expect), "{folder}: {kind}");
        };
        check("/home", "ext4");
        check("/srv/y", "xfs");
        check("/srv/x/y", "tmpfs (memory");
        check("/srvx", "ext4");
    }

    #[test]
    fn values_stand_behind_their_keys() {
        assert_eq!(value("model\t: 85\nmodel name\t: Some CPU @ 2: GHz\n", "model name").unwrap(), "Some CPU @ 2: GHz");
    }

    #[test]
    fn commits_take_time() {
        let folder = tempfile::tempdir().unwrap();
        assert!(commits(folder.path()).unwrap().min() > 0.0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }
}
