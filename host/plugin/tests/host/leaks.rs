//! Nothing of one call is there in the next: whoever comes after somebody who left a secret everywhere searches
//! everywhere, on each way there is to reset an instance. `SWITCHHOOK_LEAK_PAIRS` says how many pairs.

use std::sync::Arc;

use serde_json::json;
use switchhook_core::hook::{PolicyHook, Verdict};
use switchhook_plugin::{Allocation, Allocator, HookGrants, HostOptions, PagemapScan, PluginHost};
use tempfile::TempDir;

use crate::components;
use crate::guests;
use crate::kit::{LIMITS, ask, decide, place, policy_of, swapping};

/// Pairs of calls at once: more than there are workers, so that slots change hands.
const AT_ONCE: usize = 6;
/// Sizes of memory in pages of 64 KiB: well within what a slot keeps between calls, about as much, and far beyond.
const PAGES: [usize; 8] = [2, 15, 2, 20, 3, 2, 70, 2];

fn pairs() -> usize {
    std::env::var("SWITCHHOOK_LEAK_PAIRS").map_or(2_000, |count| count.parse().expect("a number of pairs"))
}

/// A host, and the folder of its cache.
fn host(options: impl FnOnce(HostOptions) -> HostOptions) -> (PluginHost, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let host = PluginHost::new(options(HostOptions::new(folder.path().join("cache")))).unwrap();
    (host, folder)
}

/// Two components that differ in nothing but their digest, each with a hook for every size.
struct Hooks(Vec<Arc<dyn PolicyHook>>);

impl Hooks {
    fn new((host, folder): &(PluginHost, TempDir), does: char) -> Self {
        let hook = |number, pages: &usize| {
            let bytes = guests::version(components::text("leak"), number);
            let source = place(folder.path(), &format!("leak-{number}"), &bytes);
            let settings = json!({ "m": format!("{does}{pages:03}") });
            policy_of(host.prepare(&source, &settings, &LIMITS, &HookGrants::default()).unwrap())
        };
        Self((0..2).flat_map(|number| PAGES.iter().map(move |pages| hook(number, pages))).collect())
    }
    fn nth(&self, n: usize) -> &Arc<dyn PolicyHook> {
        &self.0[n % self.0.len()]
    }
}

async fn nothing_is_left(host: &(PluginHost, TempDir)) {
    let (writers, seekers) = (Arc::new(Hooks::new(host, 'w')), Arc::new(Hooks::new(host, 's')));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..AT_ONCE {
        let (writers, seekers) = (Arc::clone(&writers), Arc::clone(&seekers));
        tasks.spawn(async move {
            for pair in (task..pairs()).step_by(AT_ONCE) {
                assert_eq!(decide(writers.nth(pair), "write").await, Ok(Verdict::Pass));
                // Another size, and the other component every now and then.
                let found = decide(seekers.nth(pair * 5 + pair / 7), "seek").await;
                assert_eq!(found, Ok(Verdict::Pass), "pair {pair}: something is left");
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
}

/// Whoever searches would find it: one place after the other.
#[tokio::test]
async fn leaks_would_be_found() {
    let host = host(|options| options);
    for (does, place) in [('m', "memory"), ('d', "data"), ('t', "table"), ('g', "global")] {
        assert_eq!(ask(Hooks::new(&host, does).nth(0), "write and seek").await, place);
    }
}

/// F4
#[tokio::test(flavor = "multi_thread")]
async fn pool_with_pagemap_scan_leaks_nothing() {
    let host = host(|options| options);
    // On a kernel without the scan, or with swap, this is the next case once more.
    assert_eq!(host.0.report().allocator, Allocator::Pooling);
    nothing_is_left(&host).await;
}

/// F4
#[tokio::test(flavor = "multi_thread")]
async fn pool_without_pagemap_scan_leaks_nothing() {
    let swaps = tempfile::tempdir().unwrap();
    let host = host(|options| HostOptions { swap: swapping(swaps.path()), ..options });
    let report = host.0.report();
    assert_eq!((report.allocator, report.keep_resident), (Allocator::Pooling, 64 << 10));
    assert!(matches!(report.pagemap_scan, PagemapScan::Off { .. }));
    nothing_is_left(&host).await;
}

/// F4
#[tokio::test(flavor = "multi_thread")]
async fn mapping_on_demand_leaks_nothing() {
    let host = host(|options| HostOptions { allocation: Allocation::OnDemand, ..options });
    assert_eq!(host.0.report().allocator, Allocator::OnDemand);
    nothing_is_left(&host).await;
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
