//! What Linux says of a process, in /proc.

use std::time::Duration;

use anyhow::Context;

/// The unit of times in /proc/PID/stat. `sysconf(_SC_CLK_TCK)` is 100 on every architecture the host runs on (proc(5),
/// time(7)): a reading is right to 10 ms, so that what is measured must take many times that.
const TICKS_PER_SECOND: u32 = 100;

/// Memory of a process, in MiB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Memory {
    /// What is resident, shared pages included.
    pub(crate) rss: f64,
    /// The same with shared pages divided by who shares them.
    pub(crate) pss: f64,
    /// What belongs to no file: heap, stacks, instances. Pages of the program and of compiled plugins can be dropped.
    pub(crate) anon: f64,
}

/// The processor time a process has used so far, in user and kernel; that of its children is not in it.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let ticks = ticks(&read(pid, "stat")?).with_context(|| format!("/proc/{pid}/stat is not as expected"))?;
    Ok(Duration::from_secs(1) * ticks / TICKS_PER_SECOND)
}

pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let (status, rollup) = (read(pid, "status")?, read(pid, "smaps_rollup")?);
    let mib = |text: &str, key| {
        let kib = kib(text, key).with_context(|| format!("process {pid} has no {key}"))?;
        anyhow::Ok(kib / 1024.0)
    };
    Ok(Memory { rss: mib(&status, "VmRSS:")?, pss: mib(&rollup, "Pss:")?, anon: mib(&status, "RssAnon:")? })
}

/// How many files a process may have open.
pub(crate) fn file_limit(pid: u32) -> anyhow::Result<usize> {
    let limits = read(pid, "limits")?;
    soft_limit(&limits, "Max open files").with_context(|| format!("process {pid} has no limit of open files"))
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::read_to_string(&path).with_context(|| format!("{path} can't be read: this needs Linux"))
}

/// utime and stime, the fields 14 and 15. The name in field 2 may contain anything, brackets and blanks too.
fn ticks(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(next()? + next()?)
}

fn soft_limit(limits: &str, key: &str) -> Option<usize> {
    let rest = limits.lines().find_map(|line| line.strip_prefix(key))?;
    let soft = rest.split_whitespace().next()?;
    if soft == "unlimited" { Some(usize::MAX) } else { soft.parse().ok() }
}

fn kib(text: &str, key: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "17 (a) b (c) S 1 17 17 0 -1 4194560 2054 111 0 0 250 33 7 5 20 0 4 0 123 1000 500 1844 1 1";
        assert_eq!(ticks(stat), Some(283));
        assert_eq!(ticks("17 (x) S 1"), None);
    }

    #[test]
    fn sizes_are_found_by_their_whole_name() {
        let status = "Name:\tx\nVmHWM:\t    9000 kB\nVmRSS:\t    2048 kB\n";
        assert_eq!(kib(status, "VmRSS:"), Some(2048.0));
        let rollup = "55-7f ---p 00000000 00:00 0 [rollup]\nRss:    900 kB\nPss:    512 kB\nPss_Anon:    12 kB\n";
        assert_eq!(kib(rollup, "Pss:"), Some(512.0));
        assert_eq!(kib(rollup, "Swap:"), None);
    }

    #[test]
    fn the_limit_that_holds_is_the_first() {
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096  files\n";
        assert_eq!(soft_limit(limits, "Max open files"), Some(1024));
        assert_eq!(soft_limit("Max open files  unlimited  unlimited  files", "Max open files"), Some(usize::MAX));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_time_and_memory() {
        let pid = std::process::id();
        let before = cpu(pid).unwrap();
        let mut sum = 0u64;
        while cpu(pid).unwrap() < before + Duration::from_millis(20) {
            sum = std::hint::black_box((0..100_000u64).fold(sum, u64::wrapping_add));
        }
        let memory = memory(pid).unwrap();
        assert!(
            memory.rss > 0.5 && memory.pss > 0.1 && memory.pss <= memory.rss + 1.0 && memory.anon <= memory.rss,
            "{memory:?}"
        );
    }
}
