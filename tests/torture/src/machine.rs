//! What the phases ask of the machine: mounts, limits and attributes, through the programs that set them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Says that this process has mounts of its own.
const INSIDE: &str = "SWITCHHOOK_TORTURE_OWN_MOUNTS";

/// Runs this program once more with mounts of its own, where the machine allows it, and gives how that ended. None
/// inside, and where it is not allowed: then the phases that mount say so.
pub(crate) fn enter_own_mounts() -> Option<ExitCode> {
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    let flags = if is_root() { "-m" } else { "-Urm" };
    let allowed = Command::new("unshare").args([flags, "true"]).status().is_ok_and(|status| status.success());
    if !allowed {
        return None;
    }
    let own = std::env::current_exe().expect("a program knows where it is");
    let status = Command::new("unshare")
        .args([flags, "--"])
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
        .expect("it was there a moment ago");
    Some(ExitCode::from(status.code().unwrap_or(1) as u8))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Runs a program of the machine; the error is what it said.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<(), String> {
    match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

/// A small file system of its own, until it is dropped.
pub(crate) struct Small {
    at: String,
}

impl Small {
    /// `size` as mount takes it, such as `8m`.
    pub(crate) fn mount(at: &Path, size: &str) -> Result<Self, String> {
        if std::env::var_os(INSIDE).is_none() {
            return Err("this process may have no mounts of its own (unshare)".to_owned());
        }
        std::fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let at = at.to_str().expect("a plain path").to_owned();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "tmpfs", &at])?;
        Ok(Self { at })
    }

    pub(crate) fn remount(&self, how: &str) -> Result<(), String> {
        run("mount", &["-o", &format!("remount,{how}"), &self.at])
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: the host may still hold it.
        let _ = run("umount", &["-l", &self.at]);
    }
}

/// Makes files and folders unchangeable, even for who holds them open, until it is dropped.
pub(crate) struct Immutable {
    paths: Vec<PathBuf>,
}

impl Immutable {
    pub(crate) fn set(paths: Vec<PathBuf>) -> Result<Self, String> {
        let guard = Self { paths };
        guard.change("+i")?;
        Ok(guard)
    }

    fn change(&self, to: &str) -> Result<(), String> {
        let paths = self.paths.iter().map(|path| path.to_str().expect("a plain path"));
        run("chattr", &[to].into_iter().chain(paths).collect::<Vec<_>>())
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        if let Err(error) = self.change("-i") {
            eprintln!("{error}");
        }
    }
}

/// Lets a process open so many files, and no more than it could before.
pub(crate) fn limit_files(process: u32, soft: u64) -> Result<(), String> {
    run("prlimit", &["--pid", &process.to_string(), &format!("--nofile={soft}:")])
}

/// How many files it may open.
pub(crate) fn file_limit(process: u32) -> u64 {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).expect("the process is there");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line for files");
    line.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).expect("a number")
}
