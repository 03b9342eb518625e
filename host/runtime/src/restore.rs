//! Brings channels back at start (C5): a few at a time, so that a thousand accounts do not connect at once.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use switchhook_core::id::AccountId;
use switchhook_core::status::{State, Status};
use tokio::sync::watch;

use crate::host::Host;

/// So many connect at the same time. Fewer than this start without any wait.
const AT_ONCE: usize = 32;

/// Who has neither connected nor failed by then lets the next one start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two starts once they wait for each other, in milliseconds; how many of them depends on the account.
const GAP: (u64, u64) = (2, 12);

/// Starts the connectors of the first config. Returns when the first of them run; the others follow.
pub(crate) fn restore(host: &Host, mut accounts: Vec<AccountId>) {
    // By name: the same config starts in the same order each time.
    accounts.sort();
    let (channels, pipeline) = (&host.0.channels, &host.0.pipeline);
    let waiting = accounts.split_off(AT_ONCE.min(accounts.len()));
    accounts.iter().for_each(|account| channels.launch(account, pipeline));
    if waiting.is_empty() {
        return;
    }
    waiting.iter().for_each(|account| channels.stand_in_line(account));
    tracing::info!(at_once = AT_ONCE, waiting = waiting.len(), "channels are restored one after the other");
    let first = accounts.iter().filter_map(|account| channels.changes(account)).collect();
    let (channels, pipeline, stop) = (channels.clone(), pipeline.clone(), host.0.stop.clone());
    host.0.tasks.spawn(async move {
        let turns = take_turns(first, waiting, |account| channels.take_turn(account, &pipeline));
        stop.run_until_cancelled(turns).await;
    });
}

/// Starts one after the other, as places become free. Who needs no start any more takes none.
async fn take_turns(
    first: Vec<watch::Receiver<Status>>,
    waiting: Vec<AccountId>,
    start: impl Fn(&AccountId) -> Option<watch::Receiver<Status>>,
) {
    let mut connecting: FuturesUnordered<_> = first.into_iter().map(settled).collect();
    for account in waiting {
        if connecting.len() >= AT_ONCE {
            connecting.next().await;
        }
        tokio::time::sleep(gap(&account)).await;
        connecting.extend(start(&account).map(settled));
    }
}

/// Until the first attempt to connect has come to something.
async fn settled(mut status: watch::Receiver<Status>) {
    let over = |status: &Status| status.state != State::Connecting || status.failures > 0;
    // Late or gone: in either case nobody waits for it any longer.
    let _ = tokio::time::timeout(PATIENCE, status.wait_for(over)).await;
}

fn gap(account: &AccountId) -> Duration {
    // With fixed keys: the same account has the same gap on every machine.
    let mut hasher = DefaultHasher::new();
    account.hash(&mut hasher);
    Duration::from_millis(GAP.0 + hasher.finish() % (GAP.1 - GAP.0 + 1))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use switchhook_core::time::UnixMillis;
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::Instant;

    use super::*;

    /// What a start comes to.
    #[derive(Clone, Copy)]
    enum Fate {
        ConnectsAfter(Duration),
        FailsAfter(Duration),
        Hangs,
    }

    #[derive(Default)]
    struct Scene {
        started: Vec<(String, Duration)>,
        connecting: usize,
        most: usize,
    }

    /// Takes the turns of so many accounts, and says when each started and how many connected at once at most.
    async fn run(count: usize, fate: impl Fn(usize) -> Fate + 'static) -> Scene {
        let scene = Rc::new(RefCell::new(Scene::default()));
        let began = Instant::now();
        let accounts = (0..count).map(|n| AccountId::new("whatsapp", &format!("{n:04}"))).collect();
        let start = |account: &AccountId| {
            let (sender, receiver) = watch::channel(Status::new(State::Connecting, UnixMillis(0)));
            let mut now = scene.borrow_mut();
            let fate = fate(now.started.len());
            now.started.push((account.to_string(), began.elapsed()));
            now.connecting += 1;
            now.most = now.most.max(now.connecting);
            let scene = scene.clone();
            spawn_local(async move {
                let (after, state) = match fate {
                    Fate::ConnectsAfter(after) => (after, State::Connected),
                    Fate::FailsAfter(after) => (after, State::Reconnecting),
                    Fate::Hangs => (PATIENCE, State::Connecting),
                };
                tokio::time::sleep(after).await;
                scene.borrow_mut().connecting -= 1;
                sender.send_modify(|status| status.state = state);
                // As a channel does, it stays.
                std::future::pending::<()>().await;
            });
            Some(receiver)
        };
        take_turns(Vec::new(), accounts, start).await;
        let scene = std::mem::take(&mut *scene.borrow_mut());
        assert_eq!(scene.started.len(), count, "everybody has a turn");
        scene
    }

    /// C5, A4: a thousand accounts that each need a third of a second connect 32 at a time, and all within a minute, at the
    /// same times whenever they do.
    #[tokio::test(start_paused = true)]
    async fn a_thousand_are_staggered() {
        let connects = |_| Fate::ConnectsAfter(Duration::from_millis(300));
        let once = async || LocalSet::new().run_until(run(1000, connects)).await;
        let scene = once().await;
        assert!(scene.most <= AT_ONCE && scene.most > AT_ONCE / 2, "{} at once", scene.most);
        let last = scene.started.last().expect("a thousand").1;
        assert!(last > Duration::from_secs(5) && last < Duration::from_secs(60), "{last:?}");
        assert_eq!(once().await.started, scene.started);
        let gaps: std::collections::BTreeSet<_> =
            scene.started.iter().map(|(name, _)| gap(&AccountId::new("whatsapp", name))).collect();
        assert!(gaps.len() > 5, "not in step: {gaps:?}");
    }

    /// C5: who fails gives up its place at once, and who hangs after a while: nobody waits for it for ever.
    #[tokio::test(start_paused = true)]
    async fn failures_and_hangs_hold_nobody_up() {
        let fails = |_| Fate::FailsAfter(Duration::from_millis(100));
        let scene = LocalSet::new().run_until(run(100, fails)).await;
        assert!(scene.started.last().expect("a hundred").1 < Duration::from_secs(2));
        let scene = LocalSet::new().run_until(run(100, |_| Fate::Hangs)).await;
        let last = scene.started.last().expect("a hundred").1;
        assert!(scene.most <= AT_ONCE && (PATIENCE * 3..PATIENCE * 4).contains(&last), "{last:?}");
    }
}
