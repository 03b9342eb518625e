//! Nothing of one call is there in the next: whoever comes after somebody who left a secret everywhere searches
//! everywhere, on each way there is to reset an instance. `SWITCHHOOK_LEAK_PAIRS` says how many pairs.

use switchhook_plugin::{Allocation, Allocator, HostOptions, PagemapScan};

use crate::kit::{ask, swapping};
use crate::pairs::{Hooks, host, nothing_is_left, pairs};

/// Whoever searches would find it: one place after the other.
#[tokio::test]
async fn leaks_would_be_found() {
    let host = host(|options| options);
    for (does, place) in [('m', "memory"), ('d', "data"), ('t', "table"), ('g', "global")] {
        assert_eq!(ask(Hooks::new(&host, does).nth(0), "write and seek").await, place);
    }
}

/// F4: with each size that a slot may keep, which depends on how many there are.
#[tokio::test(flavor = "multi_thread")]
async fn pool_with_pagemap_scan_leaks_nothing() {
    for (workers, keep) in [(1, 1 << 20), (4, 512 << 10)] {
        let host = host(|options| HostOptions { workers, ..options });
        let report = host.0.report();
        // On a kernel without the scan, or with swap, this is the next case once more.
        assert_eq!(report.allocator, Allocator::Pooling);
        assert!(report.keep_resident == keep || report.pagemap_scan != PagemapScan::On, "{report:?}");
        nothing_is_left(&host, pairs() / 2).await;
    }
}

/// F4
#[tokio::test(flavor = "multi_thread")]
async fn pool_without_pagemap_scan_leaks_nothing() {
    let swaps = tempfile::tempdir().unwrap();
    let host = host(|options| HostOptions { swap: swapping(swaps.path()), ..options });
    let report = host.0.report();
    assert_eq!((report.allocator, report.keep_resident), (Allocator::Pooling, 64 << 10));
    assert!(matches!(report.pagemap_scan, PagemapScan::Off { .. }));
    nothing_is_left(&host, pairs()).await;
}

/// F4
#[tokio::test(flavor = "multi_thread")]
async fn mapping_on_demand_leaks_nothing() {
    let host = host(|options| HostOptions { allocation: Allocation::OnDemand, ..options });
    assert_eq!(host.0.report().allocator, Allocator::OnDemand);
    nothing_is_left(&host, pairs()).await;
}

/// F4: swap on the machine is no reason where our own control group may not use it.
#[test]
fn a_group_without_swap_keeps_the_scan() {
    let swaps = tempfile::tempdir().unwrap();
    let swap = swapping(swaps.path());
    let scan = |swap| host(|options| HostOptions { swap, ..options }).0.report().pagemap_scan;
    assert!(matches!(scan(swap.clone()), PagemapScan::Off { .. }));
    std::fs::write(swap.hierarchy.join("memory.swap.max"), "0\n").unwrap();
    let without_swap = host(|options| options).0.report().pagemap_scan;
    let why = |scan| match scan {
        PagemapScan::On => String::new(),
        PagemapScan::Off { reason } => reason,
    };
    assert!(!why(scan(swap)).contains("swap"), "as on a machine without: {without_swap:?}");
}
