//! Pairs of calls: one leaves a secret everywhere, the next searches everywhere.

use std::sync::Arc;

use serde_json::json;
use switchhook_core::hook::{PolicyHook, Verdict};
use switchhook_plugin::{HookGrants, HostOptions, PluginHost};
use tempfile::TempDir;

use crate::components;
use crate::guests;
use crate::kit::{LIMITS, decide, place, policy_of};

/// Pairs of calls at once: more than there are workers, so that slots change hands.
const AT_ONCE: usize = 6;
/// Sizes of memory in pages of 64 KiB: well within what a slot keeps between calls, about as much, and far beyond.
const PAGES: [usize; 9] = [2, 15, 2, 20, 3, 2, 8, 70, 2];

/// How many pairs are run; `SWITCHHOOK_LEAK_PAIRS` says otherwise.
pub(crate) fn pairs() -> usize {
    std::env::var("SWITCHHOOK_LEAK_PAIRS").map_or(2_000, |count| count.parse().expect("a number of pairs"))
}

/// A host, and the folder of its cache.
pub(crate) fn host(options: impl FnOnce(HostOptions) -> HostOptions) -> (PluginHost, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let host = PluginHost::new(options(HostOptions::new(folder.path().join("cache")))).unwrap();
    (host, folder)
}

/// Two components that differ in nothing but their digest, each with a hook for every size.
pub(crate) struct Hooks(Vec<Arc<dyn PolicyHook>>);

impl Hooks {
    pub(crate) fn new((host, folder): &(PluginHost, TempDir), does: char) -> Self {
        let hook = |number, pages: &usize| {
            let bytes = guests::version(components::text("leak"), number);
            let source = place(folder.path(), &format!("leak-{number}"), &bytes);
            let settings = json!({ "m": format!("{does}{pages:03}") });
            policy_of(host.prepare(&source, &settings, &LIMITS, &HookGrants::default()).unwrap())
        };
        Self((0..2).flat_map(|number| PAGES.iter().map(move |pages| hook(number, pages))).collect())
    }
    pub(crate) fn nth(&self, n: usize) -> &Arc<dyn PolicyHook> {
        &self.0[n % self.0.len()]
    }
}

pub(crate) async fn nothing_is_left(host: &(PluginHost, TempDir), pairs: usize) {
    let (writers, seekers) = (Arc::new(Hooks::new(host, 'w')), Arc::new(Hooks::new(host, 's')));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..AT_ONCE {
        let (writers, seekers) = (Arc::clone(&writers), Arc::clone(&seekers));
        tasks.spawn(async move {
            for pair in (task..pairs).step_by(AT_ONCE) {
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
