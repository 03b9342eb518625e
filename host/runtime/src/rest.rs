//! After a rush: memory that only a busy host needs is given back once it is busy no more.

use std::time::Duration;

use crate::host::Host;

/// How often it is looked whether it is. Connections that nobody needs are closed after two looks: they go at a sweep, 90
/// seconds apart, that finds them idle for as long.
const LOOK: Duration = Duration::from_secs(100);

/// So many commits since the last rest make a rush: a message that comes alone makes three, a thousand that come together share
/// a few hundred. Whoever has had few of them keeps what is at hand.
const RUSH: u64 = 100;

/// So many commits between two looks are none to speak of: of timers, or of what connections note.
const QUIET: u64 = 10;

/// Looks for as long as the host runs.
pub(crate) async fn rest(host: Host) {
    let mut rush = Rush::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = host.0.stop.cancelled() => return,
        }
        if rush.is_over(host.0.store.counters().commits) {
            let store = host.0.store.clone();
            // It takes a while, which the sockets of this thread should not wait for.
            let rested = tokio::task::spawn_blocking(move || {
                store.rest();
                switchhook_heap::trim();
            });
            if rested.await.is_ok() {
                tracing::debug!("it is quiet: memory that a busy host needs is let go of");
            }
        }
    }
}

/// What was counted at earlier looks.
#[derive(Default)]
struct Rush {
    at_rest: u64,
    last: u64,
    /// Whether there was nothing to speak of before the last look.
    was_quiet: bool,
}

impl Rush {
    /// Whether there was one since it was last over, and nothing to speak of for two looks.
    fn is_over(&mut self, commits: u64) -> bool {
        let quiet = commits - std::mem::replace(&mut self.last, commits) <= QUIET;
        let quiet_twice = std::mem::replace(&mut self.was_quiet, quiet) && quiet;
        let over = quiet_twice && commits - self.at_rest >= RUSH;
        if over {
            self.at_rest = commits;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_is_over_once() {
        let mut rush = Rush::default();
        let end = 5 * RUSH;
        let looks =
            [0, 0, RUSH / 2, RUSH / 2, RUSH, end, end + QUIET, end + 2 * QUIET, end + 3 * QUIET, end + 2 * RUSH];
        let over = looks.map(|commits| rush.is_over(commits));
        assert_eq!(over, [false, false, false, false, false, false, false, true, false, false]);
        assert_eq!([0, 0].map(|more| rush.is_over(end + 2 * RUSH + more)), [false, true], "there was another");
    }
}
