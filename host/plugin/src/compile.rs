//! Turning components into machine code, in a process that can be limited and killed: the compiler can't be cancelled.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use wasmtime::Engine;

use crate::error::CompileError;
use crate::options::Compiler;
use crate::sandbox::Sandbox;
use crate::source::MAX_COMPONENT;

/// How much the child may say about what is wrong with a component.
const MAX_REASON: usize = 4 * 1024;

/// Compiles a component into `out`, which is then complete and on disk.
pub(crate) fn compile(
    sandbox: &Sandbox,
    compiler: &Compiler,
    time: Duration,
    bytes: &[u8],
    out: &Path,
) -> Result<(), CompileError> {
    match compiler {
        Compiler::InProcess => compile_here(sandbox.engine(), bytes, out)?,
        Compiler::Child { exe, args } => {
            let child = compile_in_child(exe.clone(), args.clone(), bytes.to_vec(), out.to_owned());
            sandbox
                .block_on(async move { tokio::time::timeout(time, child).await })
                .ok_or_else(|| CompileError::Start("the plugin host is shutting down".to_owned()))?
                .map_err(|_| CompileError::TimedOut { seconds: time.as_secs() })??;
        }
    }
    // A file that is only half on disk after a power cut would be mapped and run.
    std::fs::File::open(out)
        .and_then(|file| file.sync_all())
        .map_err(|reason| CompileError::File { what: "the compiled component can't be kept", reason })
}

fn compile_here(engine: &Engine, bytes: &[u8], out: &Path) -> Result<(), CompileError> {
    let code = engine.precompile_component(bytes).map_err(|error| CompileError::Invalid(format!("{error:#}")))?;
    std::fs::write(out, code).map_err(|reason| CompileError::File { what: "the result can't be written", reason })
}

async fn compile_in_child(exe: PathBuf, args: Vec<String>, bytes: Vec<u8>, out: PathBuf) -> Result<(), CompileError> {
    let start = |error: std::io::Error| CompileError::Start(format!("{}: {error}", exe.display()));
    let mut child = Command::new(&exe)
        .args(args)
        .arg(out)
        // The environment holds secrets, and the compiler reads what a stranger wrote.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(CompileError::Start("it has no pipes".to_owned()));
    };
    let feed = async move {
        // A child that gave up does not read on; its exit says why.
        let _ = input.write_all(&bytes).await;
    };
    let mut reason = Vec::new();
    let mut output = output.take(MAX_REASON as u64);
    let (_, _, status) = tokio::join!(feed, output.read_to_end(&mut reason), child.wait());
    let status = status.map_err(start)?;
    let reason = String::from_utf8_lossy(&reason).trim().to_owned();
    match (status.success(), status.code()) {
        (true, _) => Ok(()),
        (false, Some(_)) if !reason.is_empty() => Err(CompileError::Invalid(reason)),
        _ => {
            Err(CompileError::Ended { status: status.to_string(), detail: "it may have run out of memory".to_owned() })
        }
    }
}

/// What `switchhook compile` runs in the child. The one argument is the file to write; the component comes on standard
/// input. What is wrong with the component goes to standard output as well, for the parent.
pub fn run_compiler(args: impl Iterator<Item = OsString>) -> Result<(), CompileError> {
    let result = compile_standard_input(args);
    if let Err(error) = &result {
        let mut text = error.to_string();
        text.truncate((0..=MAX_REASON.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
        // Nobody to tell if nobody listens: the exit code remains.
        let _ = writeln!(std::io::stdout(), "{text}");
    }
    result
}

fn compile_standard_input(mut args: impl Iterator<Item = OsString>) -> Result<(), CompileError> {
    let (Some(out), None) = (args.next(), args.next()) else { return Err(CompileError::Usage) };
    confine::this_process();
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(MAX_COMPONENT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|reason| CompileError::File { what: "the component can't be read", reason })?;
    if bytes.len() > MAX_COMPONENT {
        return Err(CompileError::TooLarge { limit: MAX_COMPONENT });
    }
    let engine = Engine::new(&crate::engine::config()).map_err(|error| CompileError::Start(format!("{error:#}")))?;
    compile_here(&engine, &bytes, Path::new(&out))
}

mod confine {
    /// Address space. CPython (18 MiB) needs about 1 GiB.
    const MEMORY: u64 = 4 << 30;
    /// Processor seconds: in case the parent is gone and nobody looks at the clock.
    const CPU: u64 = 300;
    /// The largest file it may write.
    const FILE: u64 = 1 << 30;
    const NICE: i32 = 10;

    /// Makes this process give way to messages and end before it hurts. Where a limit can't be set, the parent's time
    /// limit still holds.
    #[cfg(unix)]
    #[allow(unsafe_code, reason = "the limits of a process can only be set through libc")]
    pub(super) fn this_process() {
        let limits =
            [(libc::RLIMIT_AS, MEMORY), (libc::RLIMIT_CPU, CPU), (libc::RLIMIT_FSIZE, FILE), (libc::RLIMIT_CORE, 0)];
        for (resource, most) in limits {
            let limit = libc::rlimit { rlim_cur: most as libc::rlim_t, rlim_max: most as libc::rlim_t };
            // SAFETY: `setrlimit` reads the struct, which lives until it returns, and keeps nothing.
            unsafe { libc::setrlimit(resource, &limit) };
        }
        // SAFETY: `setpriority` takes numbers only; 0 is this process.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    }

    #[cfg(not(unix))]
    pub(super) fn this_process() {
        let _ = (MEMORY, CPU, FILE, NICE);
    }
}
