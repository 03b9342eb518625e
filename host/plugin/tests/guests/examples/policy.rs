//! A policy that does what the message says.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::hint::black_box;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

wit_bindgen::generate!({ world: "policy-plugin", path: "../../../../wit/v0.1" });

use exports::switchhook::plugin::about::{Capabilities, Description, Problem};
use exports::switchhook::plugin::policy::{Denial, Verdict};
use switchhook::plugin::types::{Content, ContentKinds, HookError, Message};
use switchhook::plugin::{attachments, groups, history, kv, kv_shared, log};

struct Guest;
export!(Guest);

static SETTINGS: Mutex<String> = Mutex::new(String::new());
static CALLS: Mutex<u32> = Mutex::new(0);

impl exports::switchhook::plugin::about::Guest for Guest {
    fn describe() -> Description {
        Description {
            name: "obedient".into(),
            version: "1.2.3".into(),
            summary: "Does what the message says.".into(),
            settings_schema: r#"{"type":"object"}"#.into(),
            content: ContentKinds::TEXT | ContentKinds::BUTTON,
            groups: vec!["allow_from".into()],
            capabilities: Capabilities::KV | Capabilities::HISTORY | Capabilities::ATTACHMENTS,
        }
    }

    fn configure(settings: String) -> Result<(), Vec<Problem>> {
        if settings.contains("refuse") {
            let problem = |path: &str, message: &str| Problem { path: path.into(), message: message.into() };
            return Err(vec![problem("/refuse", "never"), problem("", "not like this")]);
        }
        if settings.contains("panic") {
            panic!("these settings hurt");
        }
        if settings.contains("loop") {
            spin();
        }
        if settings.contains("ask") {
            groups::sender_in("allow_from");
        }
        *SETTINGS.lock().unwrap() = settings;
        Ok(())
    }
}

impl exports::switchhook::plugin::policy::Guest for Guest {
    fn decide(message: Message) -> Result<Verdict, HookError> {
        *CALLS.lock().unwrap() += 1;
        let Content::Text(text) = &message.content else { return Ok(Verdict::Pass) };
        let (command, argument) = text.split_once(' ').unwrap_or((text, ""));
        match command {
            "pass" => Ok(Verdict::Pass),
            "deny" => Ok(Verdict::Deny(Denial { reason: argument.into(), notice: Some("no".into()) })),
            "route" => Ok(Verdict::Route(argument.into())),
            "error" => Err(HookError::Unavailable("the moon".into())),
            "loop" => spin(),
            "panic" => panic!("it hurts"),
            "exit" => std::process::exit(3),
            "recurse" => Ok(Verdict::Hold(recurse(1).to_string())),
            "grow" => grow(),
            "flood-log" => flood_log(),
            "log" => said(log::log(log::Level::Warn, argument)),
            "print" => print(),
            "flood-host" => flood_host(argument),
            "return" => Ok(Verdict::Hold("x".repeat(argument.parse().unwrap()))),
            "in" => Ok(Verdict::Hold(groups::sender_in(argument).to_string())),
            "kv" => kv_round(),
            "kv-large" => Ok(Verdict::Hold(format!("{:?}", kv::set("k", &vec![0; 70_000])))),
            "kv-shared" => Ok(Verdict::Hold(format!("{:?}", kv_shared::get("k")))),
            "history" => Ok(Verdict::Hold(history::turns(u32::MAX, u32::MAX).len().to_string())),
            "attachment" => Ok(Verdict::Hold(format!("{:?}", attachments::read("h", 1, 3)))),
            "settings" => Ok(Verdict::Hold(SETTINGS.lock().unwrap().clone())),
            "calls" => Ok(Verdict::Hold(CALLS.lock().unwrap().to_string())),
            "clock" => clock(),
            "sleep" => sleep(),
            "random" => Ok(Verdict::Hold(random())),
            "granted" => Ok(Verdict::Hold(granted())),
            "write" => write(),
            "seek" => Ok(Verdict::Hold(seek().to_string())),
            "nan" => Ok(Verdict::Hold(nan())),
            other => Err(HookError::Internal(format!("`{other}` is not known"))),
        }
    }
}

fn said(_: ()) -> Result<Verdict, HookError> {
    Ok(Verdict::Pass)
}

fn spin() -> ! {
    let mut n = 0u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn recurse(depth: u64) -> u64 {
    if black_box(depth) == 0 {
        return 0;
    }
    let frame = black_box([depth; 64]);
    frame[(depth % 64) as usize] + recurse(depth + 1)
}

fn grow() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1u8; 1 << 20]));
    }
}

fn flood_log() -> Result<Verdict, HookError> {
    for n in 0..10_000 {
        log::log(log::Level::Info, &format!("line {n}"));
    }
    Ok(Verdict::Pass)
}

fn print() -> Result<Verdict, HookError> {
    println!("to standard output");
    // Standard error is not buffered: this goes out in pieces.
    eprintln!("to standard {} of +{}{}", black_box("error"), black_box("1555"), black_box("1234567"));
    print!("unfinished");
    std::io::stdout().flush().unwrap();
    Ok(Verdict::Pass)
}

fn flood_host(times: &str) -> Result<Verdict, HookError> {
    for _ in 0..times.parse::<u32>().unwrap() {
        groups::contains("allow_from", "tg:1");
    }
    Ok(Verdict::Pass)
}

fn kv_round() -> Result<Verdict, HookError> {
    kv::set("k", b"v").map_err(|_| HookError::Internal("set".into()))?;
    let read = kv::get("k");
    let count = kv::increment("n", 2).map_err(|_| HookError::Internal("increment".into()))?;
    kv::delete("k");
    Ok(Verdict::Hold(format!("{read:?} {count} {:?}", kv::get("k"))))
}

fn clock() -> Result<Verdict, HookError> {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let start = Instant::now();
    Ok(Verdict::Hold(format!("{wall} {}", start.elapsed().as_nanos())))
}

fn sleep() -> Result<Verdict, HookError> {
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(3_600));
    Ok(Verdict::Hold(start.elapsed().as_secs().to_string()))
}

fn random() -> String {
    let roll = || RandomState::new().build_hasher().finish();
    format!("{} {}", roll(), roll())
}

fn granted() -> String {
    let environment = std::env::vars().count();
    let arguments = std::env::args().count();
    let files = std::fs::read_dir("/").is_ok() || std::fs::read("/etc/passwd").is_ok();
    let written = std::fs::write("out", "x").is_ok();
    let connected = std::net::TcpStream::connect("127.0.0.1:1").is_ok();
    let bound = std::net::UdpSocket::bind("127.0.0.1:0").is_ok();
    format!("{environment} {arguments} {files} {written} {connected} {bound}")
}

/// A byte that nothing else writes so often in a row.
const SECRET: u8 = 0xa7;
const RUN: usize = 64;

fn write() -> Result<Verdict, HookError> {
    // Small and large, so that it lies in several places.
    for size in [128, 4 << 10, 64 << 10, 1 << 20, 4 << 20] {
        std::mem::forget(black_box(vec![SECRET; size]));
    }
    Ok(Verdict::Hold((seek() > 0).to_string()))
}

/// How often the secret is found in the whole of the memory, grown first to look beyond what was given.
fn seek() -> usize {
    core::arch::wasm32::memory_grow(0, 64);
    let size = core::arch::wasm32::memory_size(0) * 65_536;
    let (mut found, mut run) = (0, 0);
    for address in 1..size {
        let byte = unsafe { core::ptr::read_volatile(address as *const u8) };
        run = if byte == SECRET { run + 1 } else { 0 };
        if run == RUN {
            found += 1;
            run = 0;
        }
    }
    found
}

fn nan() -> String {
    let zero = black_box(0.0f64);
    let (a, b) = (zero / zero, -(zero / zero));
    format!("{:x} {:x}", (a + 1.0).to_bits(), (b * 3.0).to_bits())
}
