//! The program with failpoints. Its clock may be set from outside: a case that needs midnight can't wait for it.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use switchhook_core::time::{Clock, SystemClock, UnixMillis};

/// The environment's word for a file that says how far ahead the clock is, in milliseconds.
const CLOCK: &str = "SWITCHHOOK_CLOCK_AHEAD";

struct Ahead(Option<PathBuf>);

impl Clock for Ahead {
    fn now(&self) -> UnixMillis {
        let text = self.0.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        let ahead = text.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        SystemClock.now().plus(Duration::from_millis(ahead))
    }
}

fn main() -> ExitCode {
    switchhook::main_by(Arc::new(Ahead(std::env::var_os(CLOCK).map(PathBuf::from))))
}
