//! What the operator and the tests may choose.

use std::path::PathBuf;
use std::time::Duration;

use crate::swap::SwapFiles;

/// How plugins are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In a child process that runs [`run_compiler`](crate::run_compiler): what can't be cancelled can be killed.
    /// `args` come first, then the file to write; the component is written to its standard input.
    Child { exe: PathBuf, args: Vec<String> },
    /// On the calling thread: for tests and one-shot commands, which end with the process anyway.
    InProcess,
}

/// Where the memory of instances comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool, where the address space has room for one.
    AsItFits,
    /// Mapped for each instance: slower, and what a small machine ends up with.
    OnDemand,
}

/// How to set the host up.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Where compiled components are kept. Whoever can write here can run code in the host: made with mode 0700.
    pub cache_dir: PathBuf,
    pub compiler: Compiler,
    /// Threads that guests run on; 0 means one for each core.
    pub workers: usize,
    pub allocation: Allocation,
    /// Where the kernel tells of swap; tests put their own files here.
    pub swap: SwapFiles,
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
            allocation: Allocation::AsItFits,
            swap: SwapFiles::default(),
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
