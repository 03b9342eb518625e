//! Why the plugin host itself could not do something. What is wrong with a plugin is a `CatalogueError`, what went
//! wrong in a call a `HookFailure`: both of `core`.

use std::path::PathBuf;

use crate::refusals::Certainty;

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the folder for compiled plugins, {path}, can't be used: {reason}")]
    CacheDir { path: PathBuf, reason: String },
    #[error("the WebAssembly engine did not start: {0}")]
    Engine(String),
    #[error("the threads that run plugins did not start: {0}")]
    Threads(std::io::Error),
}

/// Why a component was not compiled. The message is for the author of the plugin.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("`compile` takes one argument, the file to write; the component comes on standard input")]
    Usage,
    #[error("the component is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("{0}")]
    Invalid(String),
    #[error("the compiler did not start: {0}")]
    Start(String),
    #[error("compiling took longer than {seconds} s")]
    TimedOut { seconds: u64 },
    #[error("the compiler ended early ({status}): {detail}")]
    Ended { status: String, detail: String },
    #[error("{what}: {reason}")]
    File { what: &'static str, reason: std::io::Error },
}

impl CompileError {
    /// Whether the same component would be refused again.
    pub(crate) fn certainty(&self) -> Certainty {
        match self {
            Self::TooLarge { .. } | Self::Invalid(_) => Certainty::Certain,
            // What else the machine was doing may have a part in it.
            Self::TimedOut { .. } | Self::Ended { .. } => Certainty::Doubtful,
            Self::Usage | Self::Start(_) | Self::File { .. } => Certainty::None,
        }
    }
}
