//! How wasmtime is set up. Everything that compiled code depends on is in [`config`], which the compiler in the child
//! process uses too; the rest is about how many instances this machine has room for.

use std::num::NonZeroUsize;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::error::EngineError;
use crate::options::{Allocation, HostOptions};
use crate::report::{Allocator, EngineReport, PagemapScan};
use crate::swap::SwapFiles;

/// Slots for each worker, of which there is one a core, and the most of them: beyond that, calls only wait for a core.
const SLOTS_PER_WORKER: u32 = 16;
const MAX_SLOTS: u32 = 64;
/// Below this a pool can't hold what one interpreted plugin needs (three memories) and leave room for others.
const MIN_SLOTS: u32 = 8;
/// Linear memories of one component: QuickJS guests have two or three.
pub(crate) const MAX_MEMORIES: u32 = 6;
/// All slots together keep at most this much resident between calls.
const RESIDENT: usize = 32 << 20;
/// What a slot keeps where the kernel tells which pages were written: just above the light working set.
const KEEP_WITH_SCAN: usize = 1 << 20;
/// What it keeps where the whole range has to be cleared by hand.
const KEEP_WITHOUT_SCAN: usize = 64 << 10;
/// The largest linear memory a pool slot can grow to; `limits.memory` decides below that.
const MAX_MEMORY: usize = 4 << 30;

pub(crate) struct Built {
    pub(crate) engine: Engine,
    pub(crate) report: EngineReport,
}

/// What compiled code depends on: the host and the compiler must agree on all of it.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        // Doubles the cost of a call, and no contract needs it.
        .concurrency_support(false)
        .epoch_interruption(true)
        .memory_init_cow(true)
        // The same inputs give the same answer, bit for bit, on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(8))
        // Compiling runs beside messages: one thread.
        .parallel_compilation(false);
    config
}

/// Starts the engine with as many slots as fit.
pub(crate) fn build(options: &HostOptions, workers: usize) -> Result<Built, EngineError> {
    let wanted = SLOTS_PER_WORKER.saturating_mul(workers as u32).min(MAX_SLOTS);
    let scan = pagemap_scan(&options.swap);
    let fitted = match options.allocation {
        Allocation::AsItFits => {
            fit(wanted, |slots| Engine::new(&pooled(slots, &scan)).map_err(|error| format!("{error:#}")))
        }
        Allocation::OnDemand => Fitted { pool: None, scaled_down: Vec::new() },
    };
    let (engine, allocator, slots) = match fitted.pool {
        Some((engine, slots)) => (engine, Allocator::Pooling, slots),
        None => {
            let engine = Engine::new(&config()).map_err(|error| EngineError::Engine(format!("{error:#}")))?;
            (engine, Allocator::OnDemand, wanted)
        }
    };
    let keep_resident = match allocator {
        Allocator::Pooling => keep(slots, &scan),
        Allocator::OnDemand => 0,
    };
    let report =
        EngineReport { allocator, pagemap_scan: scan, slots, keep_resident, workers, scaled_down: fitted.scaled_down };
    Ok(Built { engine, report })
}

struct Fitted<E> {
    pool: Option<(E, u32)>,
    scaled_down: Vec<String>,
}

/// Halves the number of slots until the address space has room for them; none where it never has.
fn fit<E>(wanted: u32, attempt: impl Fn(u32) -> Result<E, String>) -> Fitted<E> {
    let mut slots = wanted;
    let mut scaled_down = Vec::new();
    while slots >= MIN_SLOTS {
        match attempt(slots) {
            Ok(engine) => return Fitted { pool: Some((engine, slots)), scaled_down },
            Err(reason) => scaled_down.push(format!("no room for {slots} slots: {reason}")),
        }
        slots /= 2;
    }
    scaled_down.push("memory is mapped for each call instead of pooled".to_owned());
    Fitted { pool: None, scaled_down }
}

fn keep(slots: u32, scan: &PagemapScan) -> usize {
    match scan {
        PagemapScan::On => KEEP_WITH_SCAN.min(RESIDENT / slots as usize),
        PagemapScan::Off { .. } => KEEP_WITHOUT_SCAN,
    }
}

fn pooled(slots: u32, scan: &PagemapScan) -> Config {
    let keep = keep(slots, scan);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots * 64)
        .max_core_instances_per_component(64)
        .total_memories(slots.max(MAX_MEMORIES))
        .max_memories_per_component(MAX_MEMORIES)
        .max_memory_size(MAX_MEMORY)
        .total_tables(slots * 16)
        .max_tables_per_component(32)
        // CPython has the largest table known: 5,672 functions.
        .table_elements(50_000)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .total_stacks(slots)
        .linear_memory_keep_resident(keep)
        .table_keep_resident(keep.min(64 << 10))
        .pagemap_scan(match scan {
            PagemapScan::On => Enabled::Yes,
            PagemapScan::Off { .. } => Enabled::No,
        });
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// The scan asks for pages that are present, and a page that was swapped out still holds what the last instance wrote:
/// it is used only where nothing can be swapped.
fn pagemap_scan(swap: &SwapFiles) -> PagemapScan {
    if !PoolingAllocationConfig::is_pagemap_scan_available() {
        return PagemapScan::Off { reason: "the kernel has no PAGEMAP_SCAN (Linux 6.7 or newer has)".to_owned() };
    }
    match swap.danger() {
        None => PagemapScan::On,
        Some(reason) => PagemapScan::Off { reason },
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn slots_shrink_until_they_fit() {
        let asked = RefCell::new(Vec::new());
        let fitted = fit(64, |slots| {
            asked.borrow_mut().push(slots);
            if slots > 16 { Err("no address space".to_owned()) } else { Ok(()) }
        });
        assert_eq!(fitted.pool, Some(((), 16)));
        assert_eq!(*asked.borrow(), [64, 32, 16]);
        assert_eq!(fitted.scaled_down.len(), 2);
    }

    #[test]
    fn without_room_for_a_pool_there_is_none() {
        let fitted = fit(16, |_| Err::<(), _>("no address space".to_owned()));
        assert_eq!(fitted.pool, None);
        assert!(fitted.scaled_down.last().unwrap().contains("mapped for each call"));
    }

    /// F4: a swapped-out page would carry one sender's bytes into the next call.
    #[test]
    fn an_active_swap_turns_the_scan_off() {
        let folder = tempfile::tempdir().unwrap();
        let swap = SwapFiles { areas: folder.path().join("swaps"), ..SwapFiles::default() };
        let heading = "Filename\tType\tSize\tUsed\tPriority\n";
        std::fs::write(&swap.areas, heading).unwrap();
        let expect_on = PoolingAllocationConfig::is_pagemap_scan_available();
        assert_eq!(pagemap_scan(&swap) == PagemapScan::On, expect_on);
        let swap = SwapFiles { cgroup: folder.path().join("none"), ..swap };
        std::fs::write(&swap.areas, format!("{heading}/swapfile file 1 0 -2\n")).unwrap();
        assert!(matches!(pagemap_scan(&swap), PagemapScan::Off { .. }));
    }

    #[test]
    fn resident_memory_stays_within_its_bound() {
        for slots in [8, 16, 32, 64] {
            assert!(keep(slots, &PagemapScan::On) * slots as usize <= RESIDENT, "{slots}");
        }
    }
}
