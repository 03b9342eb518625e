//! The only crate that knows wasmtime: it turns components into hooks of `core` and keeps every call of them bounded.

mod error;
mod host;
mod options;
mod report;

pub use error::{CompileError, EngineError};
pub use host::{Loaded, PluginHost, Prepared, run_compiler};
pub use options::{Compiler, HookGrants, HostOptions};
pub use report::{Allocator, EngineReport, PagemapScan};
