//! Plugins that misbehave do not keep others from working.

use std::sync::Arc;
use std::time::{Duration, Instant};

use switchhook_core::catalogue::Limits;
use switchhook_core::hook::{HookFailure, Outcome};

use crate::kit::{LIMITS, Services, decide, message, policy, reply, shared};

/// F4: more spinning calls than there are slots, and innocent calls among them.
#[tokio::test(flavor = "multi_thread")]
async fn spinning_guests_starve_nobody() {
    let limits = Limits { deadline: Duration::from_secs(1), ..LIMITS };
    let (spinning, innocent) = (policy(&limits), reply(&LIMITS));
    let mut spinners = tokio::task::JoinSet::new();
    for _ in 0..shared().report().slots * 2 {
        let hook = Arc::clone(&spinning);
        spinners.spawn(async move { decide(&hook, "loop").await });
    }
    let mut calls = 0;
    let mut slowest = Duration::ZERO;
    while !spinners.is_empty() {
        let started = Instant::now();
        let outcome = innocent.handle(Arc::new(Services::default()).call(), &message("pass")).await;
        assert_eq!(outcome, Ok(Outcome::Pass));
        slowest = slowest.max(started.elapsed());
        calls += 1;
        while let Some(result) = spinners.try_join_next() {
            let result = result.unwrap();
            // Those beyond the plugin's share find no slot in time.
            let cut = matches!(result, Err(HookFailure::Deadline { .. } | HookFailure::Host { .. }));
            assert!(cut, "{result:?}");
        }
    }
    // Sixteen guests take turns of a millisecond on each core.
    assert!(slowest < Duration::from_millis(500), "the slowest of {calls} took {slowest:?}");
    assert!(calls > 20, "only {calls} calls went through");
}
