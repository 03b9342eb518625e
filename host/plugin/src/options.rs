//! What the operator and the tests may choose.

use std::path::PathBuf;
use std::time::Duration;

/// How plugins are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In a child process that runs [`run_compiler`](crate::run_compiler): what can't be cancelled can be killed.
    /// `args` come first, then the file to write; the component is written to its standard input.
    Child { exe: PathBuf, args: Vec<String> },
    /// On the calling thread: for tests and one-shot commands, which end with the process anyway.
    InProcess,
}

/// How to set the host up.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Where compiled components are kept. Whoever can write here can run code in the host: made with mode 0700.
    pub cache_dir: PathBuf,
    pub compiler: Compiler,
    /// Threads of the runtime that guests run on; 0 means one for each core.
    pub workers: usize,
    /// The list of active swap areas; tests put their own here.
    pub swaps: PathBuf,
    /// The longest that compiling one component may take. 120 s: CPython (18 MiB) takes 8 s on two slow cores.
    pub compile_time: Duration,
}

impl HostOptions {
    /// In-process compiler, a thread for each core. A host that runs for long names a [`Compiler::Child`].
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            compiler: Compiler::InProcess,
            workers: 0,
            swaps: PathBuf::from("/proc/swaps"),
            compile_time: Duration::from_secs(120),
        }
    }
}

/// What the config grants one plugin beyond what every plugin has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookGrants {
    /// Origins that `wasi:http` may be asked for. Kept for the version that offers `http`.
    pub http: Vec<String>,
    /// Whether the bytes of attachments may be read.
    pub attachments: bool,
}
