//! Waiting for a condition. Nothing here waits for a length of time.

use std::future::Future;
use std::time::{Duration, Instant};

/// Long enough for the slowest machine; a case that gets here has failed.
const PATIENCE: Duration = Duration::from_secs(40);

/// Asks until there is an answer.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    eventually_within(PATIENCE, what, ask).await
}

/// The same, with the time the promise gives.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(
    limit: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < limit, "still waiting after {limit:?}: {what}");
        // Between two looks, not instead of one.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
