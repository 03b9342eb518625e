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
        Some("--list") => ExitCode::SUCCESS,
        _ => {
            the_child_compiles();
            the_child_says_what_is_wrong();
            a_child_that_hangs_is_killed();
            a_child_that_dies_is_told_from_a_bad_plugin();
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
    let folder = tempfile::tempdir().unwrap();
    let compiler = Compiler::Child { exe: "/bin/false".into(), args: Vec::new() };
    let host = PluginHost::new(HostOptions { compiler, ..HostOptions::new(folder.path()) }).unwrap();
    let file = folder.path().join("plugin.wasm");
    std::fs::write(&file, guests::bytes("reply")).unwrap();
    let error = host.load(&PluginSource::File(file)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("ended early"), "{error}");
}
