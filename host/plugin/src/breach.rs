//! Why a call was ended by the host, and how the end of a call is told apart.

use std::time::Duration;

use switchhook_core::hook::{HookError, HookFailure};
use wasmtime_wasi::I32Exit;

use crate::log::{GuestLog, clean};

/// Raised inside a call by a limit, and found again when the call has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    #[error("out of time")]
    Deadline,
    #[error("out of memory")]
    Memory,
    #[error("{0}")]
    Limit(String),
    /// The guest asked for what it may not have, or not now.
    #[error("{0}")]
    Forbidden(String),
    /// `configure` refused settings that it took when the hook was prepared.
    #[error("{0}")]
    Settings(String),
}

/// The bounds that a failure is explained with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) deadline: Duration,
    pub(crate) memory: usize,
}

/// Tells why a call ended.
pub(crate) fn explain(error: &wasmtime::Error, bounds: Bounds, log: &GuestLog) -> HookFailure {
    match error.downcast_ref::<Breach>() {
        Some(Breach::Deadline) => return HookFailure::Deadline { limit: bounds.deadline },
        Some(Breach::Memory) => return HookFailure::Memory { limit: bounds.memory },
        Some(Breach::Limit(what)) => return HookFailure::Limit { what: what.clone() },
        Some(Breach::Forbidden(detail)) => return HookFailure::Trap { detail: detail.clone() },
        Some(Breach::Settings(reason)) => return HookFailure::Guest(HookError::Settings(reason.clone())),
        None => {}
    }
    let cause = root_cause(error);
    // The type is private to wasmtime; its text is what there is.
    if cause.contains("fuel allocated for hostcalls") {
        return HookFailure::Limit { what: "it passed more data in one go than a call may".to_owned() };
    }
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return HookFailure::Trap { detail: format!("it ended itself with exit code {code}") };
    }
    let detail = match log.last_words() {
        Some(words) => format!("{cause}: {words}"),
        None => cause,
    };
    HookFailure::Trap { detail }
}

/// The innermost cause, on one line: what is around it are addresses.
pub(crate) fn root_cause(error: &wasmtime::Error) -> String {
    clean(&error.root_cause().to_string())
}
