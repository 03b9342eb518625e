//! Trying again what may well work the next time (B12). The connections of a linked device are the supervisor's (C4), not
//! of here.

use std::time::Duration;

use switchhook_core::link::LinkError;

/// So often after the first try.
const RETRIES: u32 = 3;
/// The first wait; each one after it is twice as long.
const BASE: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(30);

/// Does it until it is done, is refused for good, or has been tried often enough.
pub(crate) async fn retry<T, F, W>(mut work: F) -> Result<T, LinkError>
where
    F: FnMut() -> W,
    W: Future<Output = Result<T, LinkError>>,
{
    let mut retries = Retries::default();
    loop {
        let error = match work().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        match retries.after(&error) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(error),
        }
    }
}

/// Those that one operation has had.
#[derive(Default)]
pub(crate) struct Retries(u32);

impl Retries {
    /// Takes one: how long to wait before it. None where there is none left, or no prospect within the cap.
    pub(crate) fn after(&mut self, error: &LinkError) -> Option<Duration> {
        let wait = wait(error, self.0).filter(|_| self.0 < RETRIES)?;
        self.0 += 1;
        tracing::debug!(code = error.code(), ?wait, retry = self.0, "tried again");
        Some(wait)
    }
}

/// How long to wait after this error; none where another try has no prospect within the cap.
fn wait(error: &LinkError, tried: u32) -> Option<Duration> {
    let doubled = BASE.saturating_mul(1 << tried.min(16)).min(CAP);
    match error {
        LinkError::Busy | LinkError::Unreachable { .. } | LinkError::TimedOut { .. } => Some(doubled),
        LinkError::Throttled { after } => Some(doubled.max(*after)).filter(|wait| *wait <= CAP),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::time::Instant;

    use super::*;

    async fn waits(error: LinkError) -> Vec<u64> {
        let mut tries = Vec::new();
        let failed: Result<(), _> = retry(|| {
            tries.push(Instant::now());
            ready(Err(error.clone()))
        })
        .await;
        assert_eq!(failed, Err(error));
        tries.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
    }

    /// B12: three times more, after 1, 2 and 4 s, and only where it may help.
    #[tokio::test(start_paused = true)]
    async fn only_what_may_help_is_tried_again() {
        assert_eq!(waits(LinkError::Unreachable { reason: "reset".to_owned() }).await, [1, 2, 4]);
        assert_eq!(waits(LinkError::Throttled { after: Duration::from_secs(3) }).await, [3, 3, 4]);
        assert!(waits(LinkError::Throttled { after: Duration::from_secs(300) }).await.is_empty());
        for hopeless in [LinkError::Cancelled, LinkError::Expired, LinkError::AlreadyLinked] {
            assert!(waits(hopeless).await.is_empty());
        }
    }

    /// B12: the cap.
    #[test]
    fn waits_double_up_to_the_cap() {
        let waits: Vec<u64> = (0..7).filter_map(|tried| wait(&LinkError::Busy, tried)).map(|w| w.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_success_is_a_success() {
        let mut left = 2;
        let done = retry(|| {
            left -= 1;
            ready(if left > 0 { Err(LinkError::Busy) } else { Ok(left) })
        });
        assert_eq!(done.await, Ok(0));
    }
}
