//! What was decided about a message, by whom and how fast: what `explain` prints, and what makes a decision
//! reproducible.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use switchhook_core::hook::HookFailure;
use switchhook_core::id::{Digest, GenerationNumber, PluginName, RouteName};

/// The record of one message, kept sealed as long as its body.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    pub generation: u64,
    pub channel: String,
    /// The routes it took, in order.
    pub routes: Vec<RouteName>,
    pub steps: Vec<TraceStep>,
    pub models: Vec<ModelStep>,
    /// Actions that were asked for and refused, with the reason.
    pub refused: Vec<String>,
    /// From the start of work to the commit, in microseconds.
    pub total_us: u64,
}

/// One call of a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceStep {
    pub plugin: PluginName,
    pub digest: Digest,
    /// `decide`, `handle`, `compose` or `read`.
    pub call: String,
    pub result: String,
    pub micros: u64,
    /// With these, the settings and the message, the same call gives the same result.
    pub now_ms: u64,
    pub seed: u64,
    pub answers: Vec<HostAnswer>,
}

/// What the host answered a guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostAnswer {
    pub call: String,
    pub answer: serde_json::Value,
}

/// One call of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelStep {
    pub model: String,
    pub result: String,
    pub millis: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// A trace in the making.
pub(crate) struct Tracer {
    pub(crate) trace: Trace,
    started: Instant,
}

impl Tracer {
    pub(crate) fn start(generation: GenerationNumber, channel: &str) -> Self {
        let trace = Trace { generation: generation.0, channel: channel.to_owned(), ..Trace::default() };
        Self { trace, started: Instant::now() }
    }
    /// Hands the trace out while a call may be abandoned; what stays behind is an empty one.
    pub(crate) fn lend(&mut self) -> Self {
        Self { trace: std::mem::take(&mut self.trace), started: self.started }
    }
    /// What is kept: everything of a message that was let in, and of a denied one only who denied it and why.
    pub(crate) fn finish(&mut self, keep: Recordings) -> Option<Vec<u8>> {
        self.trace.total_us = self.started.elapsed().as_micros() as u64;
        if keep == Recordings::Erase {
            for step in &mut self.trace.steps {
                step.answers.clear();
            }
        }
        serde_json::to_vec(&self.trace).ok()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recordings {
    Keep,
    Erase,
}

/// One line of a failure, as traces and reasons show it.
pub(crate) fn failure(plugin: &PluginName, failure: &HookFailure) -> String {
    format!("plugin `{plugin}` failed ({}): {failure}", failure.code())
}

/// Observes how long a call of a plugin took.
pub(crate) fn observe(plugin: &PluginName, call: &'static str, took: Duration) {
    metrics::histogram!("switchhook_plugin_call_seconds", "plugin" => plugin.to_string(), "call" => call)
        .record(took.as_secs_f64());
}
