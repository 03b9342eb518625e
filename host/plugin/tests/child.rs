//! The compiler in a child process. This program is the child, too: called with `child`, it compiles.

use std::process::ExitCode;
use std::time::Duration;

use switchhook_core::catalogue::PluginSource;
use switchhook_plugin::{Compiler, HostOptions, PluginHost, run_compiler};

#[path = "host/guests.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod guests;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_ref().and_then(|arg| arg.to_str()) {
        Some("child") => match run_compiler(args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Some("sleeper") => loop {
            std::thread::park();
        },
        Some("crash") => std::process::abort(),
        Some("cramped") => cramped(),
        Some("--list") => ExitCode::SUCCESS,
        _ => {
            the_child_compiles();
            the_child_says_what_is_wrong();
            a_child_that_hangs_is_killed();
            a_child_that_dies_is_told_from_a_bad_plugin();
            #[cfg(target_os = "linux")]
            a_small_machine_starts_with_what_fits();
            println!("the compiler in a child process: ok");
            ExitCode::SUCCESS
        }
    }
}

fn load(arg: &str, bytes: &[u8]) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    let options = HostOptions {
        compiler: Compiler::Child { exe, args: vec![arg.to_owned()] },
        compile_time: if arg == "sleeper" { Duration::from_millis(200) } else { Duration::from_secs(120) },
        ..HostOptions::new(folder.path().join("cache"))
    };
    let host = PluginHost::new(options).unwrap();
    let file = folder.path().join("plugin.wasm");
    std::fs::write(&file, bytes).unwrap();
    host.load(&PluginSource::File(file)).map(|loaded| loaded.description.name).map_err(|error| error.to_string())
}

/// F1: what the child made runs here, so both are set up alike.
fn the_child_compiles() {
    assert_eq!(load("child", &guests::bytes("policy")).as_deref(), Ok("obedient"));
}

/// F3
fn the_child_says_what_is_wrong() {
    let whole = guests::bytes("policy");
    let error = load("child", &whole[..whole.len() / 2]).unwrap_err();
    assert!(error.contains("section"), "{error}");
}

/// F4
fn a_child_that_hangs_is_killed() {
    let error = load("sleeper", &guests::bytes("policy")).unwrap_err();
    assert!(error.contains("took longer"), "{error}");
}

fn a_child_that_dies_is_told_from_a_bad_plugin() {
    let error = load("crash", &guests::bytes("reply")).unwrap_err();
    assert!(error.contains("ended early"), "{error}");
}

#[cfg(target_os = "linux")]
/// Address space for eight slots of 4 GiB, then for none.
fn a_small_machine_starts_with_what_fits() {
    let wanted = 16 * std::thread::available_parallelism().map_or(1, |n| n.get());
    let pooled = in_address_space(60);
    assert!(pooled.starts_with("Pooling 8 "), "{pooled}");
    assert_ne!(pooled.ends_with(" 0"), wanted > 8, "`status` says that it was scaled down: {pooled}");
    let mapped = in_address_space(24);
    assert!(mapped.starts_with("OnDemand "), "{mapped}");
}

/// How the host is set up in so many GiB, after it ran a plugin there.
#[cfg(target_os = "linux")]
fn in_address_space(gib: u64) -> String {
    let exe = std::env::current_exe().unwrap();
    let limited = format!("ulimit -v {} && exec \"$0\" cramped \"$1\"", gib << 20);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plugin.wasm"), guests::bytes("reply")).unwrap();
    let output = std::process::Command::new("sh").args(["-c", &limited]).arg(exe).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn cramped() -> ExitCode {
    let folder = std::path::PathBuf::from(std::env::args_os().nth(2).unwrap());
    let host = PluginHost::new(HostOptions::new(folder.join("cache"))).unwrap();
    let loaded = host.load(&PluginSource::File(folder.join("plugin.wasm"))).unwrap();
    assert_eq!(loaded.description.name, "everything");
    let report = host.report();
    println!("{:?} {} {}", report.allocator, report.slots, report.scaled_down.len());
    ExitCode::SUCCESS
}
