//! What `status` shows of the engine.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allocator {
    /// Slots reserved in advance: the fast way.
    Pooling,
    /// Memory mapped for each instance: where the address space is too small for a pool.
    OnDemand,
}

/// Whether instances are reset by asking the kernel which pages they wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum PagemapScan {
    On,
    Off { reason: String },
}

/// How the engine is set up on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EngineReport {
    pub allocator: Allocator,
    pub pagemap_scan: PagemapScan,
    /// How many linear memories may be in use at once.
    pub slots: u32,
    /// Bytes of each slot kept resident between calls.
    pub keep_resident: usize,
    /// Threads that run guests.
    pub workers: usize,
    /// What had to be smaller than intended, and why; empty on a machine that has room.
    pub scaled_down: Vec<String>,
}
