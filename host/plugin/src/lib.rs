//! The only crate that knows wasmtime: it turns components into hooks of `core` and keeps every call of them bounded.
//!
//! Start with [`PluginHost`] (from a source to a hook), then `sandbox` (one call) and `contract` (what a guest sees).

mod breach;
mod cache;
mod compile;
mod contract;
mod describe;
mod engine;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod hook;
mod host;
mod log;
mod nature;
mod options;
mod refusals;
mod report;
mod sandbox;
mod slots;
mod source;
mod state;
mod swap;
mod ticker;
mod weight;
mod workers;

pub use compile::run_compiler;
pub use error::{CompileError, EngineError};
pub use host::{Loaded, PluginHost, Prepared};
pub use options::{Allocation, Compiler, HookGrants, HostOptions};
pub use report::{Allocator, EngineReport, PagemapScan};
pub use swap::SwapFiles;
