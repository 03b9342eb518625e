//! No call sees another's bytes, and none is given anything of the machine.

use std::sync::Arc;

use serde_json::json;
use switchhook_core::hook::PolicyHook;
use switchhook_plugin::{HostOptions, PagemapScan, PluginHost};

use crate::kit::{LIMITS, ask, policy, policy_of, prepare, swapping};

/// F4
#[tokio::test]
async fn an_instance_lives_for_one_call() {
    let hook = policy(&LIMITS);
    for _ in 0..5 {
        assert_eq!(ask(&hook, "calls").await, "1");
    }
}

/// F5: no environment, no arguments, no files to read or write, no sockets.
#[tokio::test]
async fn nothing_is_granted() {
    assert_eq!(ask(&policy(&LIMITS), "granted").await, "0 0 false false false false");
}

/// Writers leave a mark all over their memory; whoever comes next on the same slot looks for it.
async fn nobody_finds_what_others_wrote(hook: &Arc<dyn PolicyHook>) {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4 {
        let hook = Arc::clone(hook);
        tasks.spawn(async move {
            for round in 0..12 {
                if (task + round) % 2 == 0 {
                    assert_eq!(ask(&hook, "write").await, "true");
                } else {
                    assert_eq!(ask(&hook, "seek").await, "0");
                }
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
}

/// F4
#[tokio::test]
async fn memory_is_clean_for_every_call() {
    nobody_finds_what_others_wrote(&policy(&LIMITS)).await;
}

/// F4: where swap is active the kernel is not asked which pages were written; the result is the same.
#[tokio::test]
async fn memory_is_clean_with_swap_active() {
    let folder = tempfile::tempdir().unwrap();
    let swap = swapping(folder.path());
    let host = PluginHost::new(HostOptions { swap, ..HostOptions::new(folder.path().join("cache")) }).unwrap();
    let report = host.report();
    assert!(matches!(report.pagemap_scan, PagemapScan::Off { .. }));
    assert!(report.keep_resident <= 64 << 10, "{}", report.keep_resident);
    nobody_finds_what_others_wrote(&policy_of(prepare(&host, "policy", json!({}), &LIMITS))).await;
}
