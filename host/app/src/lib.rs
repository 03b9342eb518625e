//! The program `switchhook`: the command line, and the one place where everything is put together.
//!
//! Start with [`Args`] (what can be asked) and `run.rs` (parse, build, spawn, wait, drain). The program itself is one
//! line, so that an instrumented build can put the same parts together.
#![forbid(unsafe_code)]

mod args;
mod client;
mod command;
mod failure;
mod keys;
mod logging;
mod places;
mod run;
mod serve;
mod signals;
mod table;
mod web_log;
mod wiring;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use switchhook_core::time::{Clock, SystemClock};

pub use args::Args;
pub use failure::Failure;

/// Reads the command line, does what it says, and tells the outcome by the exit code.
pub fn main() -> ExitCode {
    main_by(Arc::new(SystemClock))
}

/// The same with a host that goes by another clock.
pub fn main_by(clock: Arc<dyn Clock>) -> ExitCode {
    match execute(Args::parse(), clock) {
        Ok(text) => {
            // Whoever closes the pipe has seen enough.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(failure) => failure.report(),
    }
}

/// Carries out one command; gives back what it has to say on standard output.
pub fn execute(args: Args, clock: Arc<dyn Clock>) -> Result<String, Failure> {
    command::execute(args, clock)
}
