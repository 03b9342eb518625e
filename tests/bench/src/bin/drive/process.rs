//! Programs that end with the driver.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use tokio::time::Instant;

/// How long a fake may take to start.
const START: Duration = Duration::from_secs(20);
/// How long a program may take to end by itself.
const END: Duration = Duration::from_secs(30);

/// Microseconds since 1970: the clock of the fake's `at_us`.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    /// When it was started, in microseconds since 1970.
    pub(crate) started_us: u64,
}

impl Process {
    /// Starts a program; what it says goes to a file.
    pub(crate) fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let said = File::options().create(true).append(true).open(log);
        let said = said.with_context(|| format!("{} can't be written", log.display()))?;
        let also = said.try_clone()?;
        let missing = || format!("{} can't be started: tests/bench/README.md says what to build", program.display());
        let started_us = now_us();
        let child = Command::new(program)
            .args(arguments)
            // A proxy in the environment must not come between.
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(also)
            .spawn()
            .with_context(missing)?;
        Ok(Self { child, log: log.to_owned(), started_us })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address a fake says when it is ready.
    pub(crate) async fn address(&mut self) -> anyhow::Result<String> {
        let deadline = Instant::now() + START;
        loop {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let whole = said.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            if let Some(address) = whole.filter_map(|line| line.strip_prefix("listening on ")).next() {
                return Ok(address.to_owned());
            }
            let waiting = self.child.try_wait()?.is_none() && Instant::now() < deadline;
            ensure!(waiting, "it never said where it listens:\n{}", self.last_words());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asks it to end, as a service manager does, and waits.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        ensure!(asked.success(), "SIGTERM could not be sent");
        let deadline = Instant::now() + END;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "it did not end within {END:?}:\n{}", self.last_words());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// The end of its log, for an error message.
    pub(crate) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
