//! How fast one socket may send.

use std::time::Duration;

use tokio::time::Instant;

/// Messages a socket may send at once, and in a second: nobody types faster.
const BURST: u32 = 20;
const EVERY: Duration = Duration::from_millis(50);

/// A token bucket, kept as the time at which it will be full again.
pub(crate) struct Rate {
    full_at: Instant,
}

impl Rate {
    pub(crate) fn new() -> Self {
        Self { full_at: Instant::now() }
    }
    /// Takes one, or says how long to wait for it.
    pub(crate) fn take(&mut self) -> Result<(), Duration> {
        let now = Instant::now();
        let full_at = self.full_at.max(now) + EVERY;
        let over = (full_at - now).saturating_sub(EVERY * BURST);
        if over.is_zero() {
            self.full_at = full_at;
            Ok(())
        } else {
            Err(over)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_at_a_time() {
        let mut rate = Rate::new();
        for _ in 0..BURST {
            assert_eq!(rate.take(), Ok(()));
        }
        assert_eq!(rate.take(), Err(EVERY));
        tokio::time::advance(EVERY).await;
        assert_eq!(rate.take(), Ok(()));
        assert_eq!(rate.take(), Err(EVERY));
    }
}
