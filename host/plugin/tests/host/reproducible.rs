//! The same call gives the same answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use switchhook_core::hook::{Call, Verdict};
use switchhook_core::time::UnixMillis;

use crate::kit::{LIMITS, NOW, Services, ask, message, policy};

async fn ask_with(text: &str, now: UnixMillis, seed: u64) -> String {
    let call = Call { now, seed, host: Arc::new(Services::default()) };
    match policy(&LIMITS).decide(call, &message(text)).await {
        Ok(Verdict::Hold { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_clock_stands_at_the_call() {
    let first = ask_with("clock", NOW, 7).await;
    assert!(first.starts_with(&format!("{} ", NOW.0)), "{first}");
    assert!(!first.ends_with(" 0"), "the monotonic clock steps: {first}");
    assert_eq!(ask_with("clock", NOW, 8).await, first);
    assert_ne!(ask_with("clock", UnixMillis(5), 7).await, first);
}

#[tokio::test]
async fn a_sleep_ends_at_once_and_moves_the_clock() {
    let started = Instant::now();
    assert_eq!(ask(&policy(&LIMITS), "sleep").await, "3600");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn chance_comes_from_the_seed() {
    let first = ask_with("random", NOW, 7).await;
    assert_eq!(ask_with("random", NOW, 7).await, first);
    assert_ne!(ask_with("random", NOW, 8).await, first);
}

#[tokio::test]
async fn not_a_number_has_one_form() {
    assert_eq!(ask(&policy(&LIMITS), "nan").await, "7ff8000000000000 7ff8000000000000");
}
