//! What was asked of each model so far.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde::Serialize;
use switchhook_core::id::ModelName;
use switchhook_core::model::Usage;

use crate::failure::FailureKind;

/// What one model did since the process started; a reload keeps counting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelUsage {
    pub name: ModelName,
    /// HTTP calls made, a retry being another one.
    pub calls: u64,
    pub failures: BTreeMap<FailureKind, u64>,
    /// As the provider counts them; 0 for a provider that does not.
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Calls running now.
    pub in_flight: usize,
}

/// The counters behind a [`ModelUsage`].
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    calls: u64,
    failures: BTreeMap<FailureKind, u64>,
    tokens: Usage,
    in_flight: usize,
}

/// A call that runs; dropped, it runs no more, however it ended.
pub(crate) struct InFlight<'a>(&'a Counters);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.change(|counts| counts.in_flight -= 1);
    }
}

impl Counters {
    fn change<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn begin(&self) -> InFlight<'_> {
        self.change(|counts| {
            counts.calls += 1;
            counts.in_flight += 1;
        });
        InFlight(self)
    }

    pub(crate) fn failed(&self, kind: FailureKind) {
        self.change(|counts| *counts.failures.entry(kind).or_default() += 1);
    }

    pub(crate) fn answered(&self, usage: Usage) {
        self.change(|counts| {
            counts.tokens.input_tokens = counts.tokens.input_tokens.saturating_add(usage.input_tokens);
            counts.tokens.output_tokens = counts.tokens.output_tokens.saturating_add(usage.output_tokens);
        });
    }

    pub(crate) fn read(&self, name: &ModelName) -> ModelUsage {
        self.change(|counts| ModelUsage {
            name: name.clone(),
            calls: counts.calls,
            failures: counts.failures.clone(),
            input_tokens: counts.tokens.input_tokens,
            output_tokens: counts.tokens.output_tokens,
            in_flight: counts.in_flight,
        })
    }
}
