//! What the host does by itself, for as long as it runs: it looks after files, timers and old journal entries.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::host::{Cause, Host};

/// Between two sweeps of the journal for what is past its time.
const PURGE_EVERY: Duration = Duration::from_secs(3600);

/// The longest sleep of the timer task: a clock that was set forward is noticed within it.
const TIMER_NAP: Duration = Duration::from_secs(30);

/// The shortest: a timer that can't be taken up must not keep the machine busy.
const SHORTEST_NAP: Duration = Duration::from_millis(50);

/// Applies the config whenever one of its files has changed.
pub(crate) async fn follow_files(host: Host, mut changes: mpsc::Receiver<()>) {
    loop {
        tokio::select! {
            changed = changes.recv() => if changed.is_none() { return },
            () = host.0.stop.cancelled() => return,
        }
        host.apply(Cause::File, None).await;
    }
}

/// Brings timers to their lanes when they are due.
pub(crate) async fn fire_timers(host: Host) {
    loop {
        let nap = match host.0.pipeline.fire_timers().await {
            Ok(Some(next)) => next.since(host.0.clock.now()).clamp(SHORTEST_NAP, TIMER_NAP),
            Ok(None) => TIMER_NAP,
            Err(error) => {
                tracing::error!(%error, "timers can't be read");
                TIMER_NAP
            }
        };
        tokio::select! {
            () = tokio::time::sleep(nap) => {}
            () = host.0.pipeline.timer_scheduled() => {}
            () = host.0.stop.cancelled() => return,
        }
    }
}

/// Erases what is past its time.
pub(crate) async fn purge(host: Host) {
    loop {
        match host.0.store.purge().await {
            Ok(0) => {}
            Ok(purged) => tracing::debug!(purged, "old journal entries erased"),
            Err(error) => tracing::error!(%error, "old journal entries can't be erased"),
        }
        tokio::select! {
            () = tokio::time::sleep(PURGE_EVERY) => {}
            () = host.0.stop.cancelled() => return,
        }
    }
}
