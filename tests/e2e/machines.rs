//! Small and odd machines: the host starts, answers, and `status` says what was scaled down. Each case hampers the host
//! by what really hampers it: limits, affinity, and mounts in a namespace of its own.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{World, assistant_config, eventually};

/// A world whose host is started through other programs.
fn hampered(wrapper: &[&str]) -> World {
    let mut world = World::empty();
    world.host.through(wrapper);
    world.write_config(&assistant_config("\"tg:1001\""));
    world
}

/// Starts the host, has a message answered, and gives the status.
async fn exchange(world: &mut World) -> Value {
    world.host.start().await;
    world.telegram.polled(4242).await;
    world.telegram.write(4242, 1001, "hello").await;
    assert_eq!(world.telegram.nth_to(1001, 1).await, "echo: hello");
    world.host.status().await
}

fn notes(status: &Value) -> String {
    status["notes"].to_string()
}

/// Runs the host with mounts of its own, after these commands of the shell. `$1` and so on are `args`.
pub(crate) fn with_mounts(world: &mut World, commands: &str, args: &[&Path]) {
    let root = std::fs::metadata("/proc/self").expect("this process is there").uid() == 0;
    let flags = if root { "-m" } else { "-Urm" };
    let script = format!("set -e; {commands}; shift {}; exec \"$@\"", args.len());
    let mut wrapper = vec!["unshare", flags, "--", "sh", "-c", &script, "sh"];
    wrapper.extend(args.iter().map(|path| path.to_str().expect("a plain path")));
    world.host.through(&wrapper);
}

/// The 39 bits of a small ARM kernel: everything fits that two cores want.
#[tokio::test]
async fn address_space_of_39_bits_is_enough() {
    let mut world = hampered(&["prlimit", "--as=549755813888"]);
    let status = exchange(&mut world).await;
    assert_eq!(status["engine"]["allocator"], "pooling", "{status}");
}

/// Less address space gives fewer slots, still less none; both are told.
#[tokio::test]
async fn small_address_space_gives_fewer_slots() {
    for (gib, allocator) in [(60_u64, "pooling"), (24, "on-demand")] {
        let mut world = hampered(&["prlimit", &format!("--as={}", gib << 30)]);
        let status = exchange(&mut world).await;
        assert_eq!(status["engine"]["allocator"], allocator, "{gib} GiB: {status}");
        assert!(notes(&status).contains("no room for 16 slots"), "{gib} GiB: {status}");
    }
}

/// A memory control group, of whichever version this machine has.
struct Group {
    folder: PathBuf,
    peak: &'static str,
}

impl Group {
    fn with_limit(bytes: u64) -> Result<Self, String> {
        let name = format!("switchhook-{}", std::process::id());
        let kinds = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
            ("/sys/fs/cgroup", "memory.max", "memory.peak"),
        ];
        let mut reasons = Vec::new();
        for (parent, limit, peak) in kinds {
            let folder = Path::new(parent).join(&name);
            let made = std::fs::create_dir(&folder);
            let made = made.and_then(|()| std::fs::write(folder.join(limit), bytes.to_string()));
            match made {
                Ok(()) => return Ok(Self { folder, peak }),
                Err(error) => reasons.push(format!("{}: {error}", folder.display())),
            }
        }
        Err(reasons.join("; "))
    }

    /// The most that was ever used, in bytes.
    fn peak(&self) -> u64 {
        let text = std::fs::read_to_string(self.folder.join(self.peak)).expect("the group counts");
        text.trim().parse().expect("a number")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It refuses while somebody is in it: then the case has failed anyway.
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// A server of 512 MB, on its very first start: its plugins are compiled within the limit, too.
#[tokio::test]
async fn half_a_gigabyte_is_enough() {
    const LIMIT: u64 = 512 << 20;
    let mut world = hampered(&[]);
    let compiled = world.path("compiled");
    world.host.env("SWITCHHOOK_CACHE_DIR", compiled.to_str().expect("a plain path"));
    match Group::with_limit(LIMIT) {
        Ok(group) => {
            let script = "echo $$ > \"$1\"/cgroup.procs; shift; exec \"$@\"";
            let folder = group.folder.to_str().expect("a plain path").to_owned();
            world.host.through(&["sh", "-c", script, "sh", &folder]);
            exchange(&mut world).await;
            let peak = group.peak();
            assert!(0 < peak && peak <= LIMIT, "{peak} bytes");
            world.host.kill();
        }
        Err(reason) => {
            println!("no control group ({reason}): its heap is limited instead");
            world.host.through(&["prlimit", &format!("--data={LIMIT}")]);
            exchange(&mut world).await;
        }
    }
}

/// One core: a thread for guests, and slots for one.
#[tokio::test]
async fn one_core_is_enough() {
    let mut world = hampered(&["taskset", "-c", "0"]);
    let status = exchange(&mut world).await;
    assert_eq!(status["engine"]["workers"], 1, "{status}");
    assert_eq!(status["engine"]["slots"], 16, "{status}");
}

async fn runs_without_the_scan(world: &mut World) {
    let status = exchange(world).await;
    let scan = &status["engine"]["pagemap_scan"];
    assert_eq!(scan["state"], "off", "{status}");
    assert!(scan["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "the reason is told: {status}");
}

/// F4: swap is active: pages that were swapped out would be missed by the scan.
#[tokio::test]
async fn active_swap_turns_the_scan_off() {
    let mut world = hampered(&[]);
    let swaps = world.path("swaps");
    std::fs::write(&swaps, "Filename\tType\tSize\tUsed\tPriority\n/swapfile file 1048572 0 -2\n").expect("the list");
    with_mounts(&mut world, "mount --bind \"$1\" /proc/swaps", &[&swaps]);
    runs_without_the_scan(&mut world).await;
}

/// A kernel without the scan, or one that hides the page map.
#[tokio::test]
async fn missing_pagemap_turns_the_scan_off() {
    let mut world = hampered(&[]);
    with_mounts(&mut world, "mount --bind /dev/null /proc/$$/pagemap", &[]);
    runs_without_the_scan(&mut world).await;
}

/// F2: a file system that tells no events: the edit is found by looking, every 10 s.
#[tokio::test]
async fn edit_is_seen_without_file_events() {
    let mut world = hampered(&[]);
    let folders = ["lower", "upper", "work", "merged"].map(|name| world.path(name));
    for folder in &folders {
        std::fs::create_dir(folder).expect("a folder");
    }
    let [lower, upper, work, merged] = folders.each_ref().map(PathBuf::as_path);
    let config = std::fs::read_to_string(&world.host.config).expect("the config");
    std::fs::copy(world.path("bot.token"), lower.join("bot.token")).expect("the token");
    let places = format!("[host]\ndata_dir = \"{0}/data\"\nkeys_dir = \"{0}/keys\"\n", world.folder().display());
    let config = config.replace("[host]\n", &places);
    std::fs::write(lower.join("switchhook.toml"), &config).expect("the config");
    let mount = "mount -t overlay -o lowerdir=\"$1\",upperdir=\"$2\",workdir=\"$3\" overlay \"$4\"";
    with_mounts(&mut world, mount, &[lower, upper, work, merged]);
    world.host.keep_in(world.folder().to_owned());
    world.host.config = merged.join("switchhook.toml");
    exchange(&mut world).await;
    // In place: an overlay follows the file it has seen.
    let edited = config.replace("\"tg:1001\"", "\"tg:1001\", \"tg:1002\"");
    std::fs::write(lower.join("switchhook.toml"), edited).expect("the edit");
    eventually("the edit is in force", || async {
        world.telegram.write(4242, 1002, "hi").await;
        (!world.telegram.texts_to(1002).await.is_empty()).then_some(())
    })
    .await;
}

/// A9: a config folder that the host can't write to, as in a container.
#[tokio::test]
async fn read_only_config_folder_is_enough() {
    let mut world = hampered(&[]);
    let folder = world.path("config");
    std::fs::create_dir(&folder).expect("a folder");
    let config = std::fs::read_to_string(&world.host.config).expect("the config");
    let places = "[host]\ndata_dir = \"../data\"\nkeys_dir = \"../keys\"\n";
    std::fs::write(folder.join("switchhook.toml"), config.replace("[host]\n", places)).expect("the config");
    std::fs::copy(world.path("bot.token"), folder.join("bot.token")).expect("the token");
    let mount = "mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"; ! touch \"$1\"/written 2>/dev/null";
    with_mounts(&mut world, mount, &[&folder]);
    world.host.keep_in(world.folder().to_owned());
    world.host.config = folder.join("switchhook.toml");
    exchange(&mut world).await;
    world.edit("\"tg:1001\"", "\"tg:1001\", \"tg:1002\"");
    eventually("the edit is in force", || async {
        world.telegram.write(4242, 1002, "hi").await;
        (!world.telegram.texts_to(1002).await.is_empty()).then_some(())
    })
    .await;
}

/// Machine code can't be mapped from a `noexec` data folder: it is copied into memory, and `status` says so.
#[tokio::test]
async fn noexec_data_folder_is_enough() {
    let mut world = hampered(&[]);
    let data = world.path("data");
    std::fs::create_dir(&data).expect("a folder");
    with_mounts(&mut world, "mount -t tmpfs -o noexec,mode=700 tmpfs \"$1\"", &[&data]);
    // Below the data folder, as it is by default.
    world.host.env("SWITCHHOOK_CACHE_DIR", "");
    let status = exchange(&mut world).await;
    assert!(notes(&status).contains("noexec"), "{status}");
}
