//! Nothing of one call is there in the next while the kernel takes back every page it can. This program is its own
//! children, too: called with `pairs` it runs in a control group that is too small, beside a `balloon` that fills it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

use switchhook_plugin::{Allocation, HostOptions};

#[path = "../../../tests/hostile/components.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod components;
#[path = "host/guests.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod guests;
#[path = "host/kit.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod kit;
#[path = "host/pairs.rs"]
mod pairs;

/// Room for a host with its plugins and little else.
const LIMIT: usize = 256 << 20;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("balloon") => balloon(),
        Some("pairs") => under_pressure(),
        Some("--list") => ExitCode::SUCCESS,
        _ => squeezed(),
    }
}

/// F4: runs the pairs in a group of their own; without the right to make one there is nothing to show.
fn squeezed() -> ExitCode {
    let group = match Group::with_limit(LIMIT) {
        Ok(group) => group,
        Err(reason) => {
            println!("under memory pressure: left out, there is no control group to be had ({reason})");
            return ExitCode::SUCCESS;
        }
    };
    // Built here: a compiler needs more room.
    components::text("leak");
    let status = Command::new("sh")
        .args(["-c", "echo $$ > \"$1\"/cgroup.procs; exec \"$2\" pairs", "sh"])
        .arg(&group.0)
        .arg(std::env::current_exe().unwrap())
        .status()
        .expect("a shell");
    println!("under memory pressure: {status}");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn under_pressure() -> ExitCode {
    let over = AtomicBool::new(false);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let burst = std::thread::scope(|scope| {
        let balloons = scope.spawn(|| keep_inflated(&over));
        // Also when a pair fails: nobody ends otherwise.
        let end = Over(&over);
        for allocation in [Allocation::AsItFits, Allocation::OnDemand] {
            let host = pairs::host(|options| HostOptions { allocation, ..options });
            runtime.block_on(pairs::nothing_is_left(&host, pairs::pairs() / 2));
        }
        drop(end);
        balloons.join().unwrap()
    });
    println!("{burst} balloons filled the group and burst meanwhile");
    ExitCode::SUCCESS
}

/// Says that the pairs have ended, however they did.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One balloon after the other: each grows until the kernel has nothing left to take back, and kills it. Gives how many.
fn keep_inflated(over: &AtomicBool) -> usize {
    let mut burst = 0;
    // At least one, however fast the pairs are.
    while burst == 0 || !over.load(Ordering::Relaxed) {
        let balloon = Command::new(std::env::current_exe().unwrap()).arg("balloon").spawn().unwrap();
        assert!(!Killed(balloon).0.wait().unwrap().success(), "the group has no limit");
        burst += 1;
    }
    burst
}

/// A child that does not outlive a panic here.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It has mostly been killed before.
        let _ = self.0.kill();
    }
}

fn balloon() -> ExitCode {
    // The first to be killed when there is no more room.
    std::fs::write("/proc/self/oom_score_adj", "1000").unwrap();
    let mut air: Vec<Vec<u8>> = Vec::new();
    while air.len() < LIMIT >> 20 {
        air.push(vec![1; 1 << 20]);
    }
    // The whole group's worth fitted.
    ExitCode::SUCCESS
}

/// A memory control group, of whichever version this machine has.
struct Group(PathBuf);

impl Group {
    fn with_limit(bytes: usize) -> Result<Self, String> {
        let name = format!("switchhook-pressure-{}", std::process::id());
        let mut reasons = Vec::new();
        for (parent, limit) in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")] {
            let folder = Path::new(parent).join(&name);
            let made = std::fs::create_dir(&folder);
            match made.and_then(|()| std::fs::write(folder.join(limit), bytes.to_string())) {
                Ok(()) => return Ok(Self(folder)),
                Err(error) => reasons.push(format!("{}: {error}", folder.display())),
            }
        }
        Err(reasons.join("; "))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It refuses while somebody is in it: then the test has failed anyway.
        let _ = std::fs::remove_dir(&self.0);
    }
}
