//! Language-model providers: OpenAI-compatible chat completions, streamed, with ordered fallback.
//!
//! Start with [`Models`]: specs go in, a [`switchhook_core::model::LanguageModel`] for each name comes out. A chain asks
//! the model and then its fallbacks; a provider is one HTTP endpoint with its own cap and time limits.
#![forbid(unsafe_code)]

mod answer;
mod body;
mod chain;
mod failure;
mod framing;
mod models;
mod provider;
mod reading;
mod refusal;
mod spec;
mod usage;
mod wire;

pub use failure::FailureKind;
pub use models::Models;
pub use spec::{BuildError, ModelSpec};
pub use usage::ModelUsage;
