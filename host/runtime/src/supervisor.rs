//! Keeps one connector running. Only here is a connection tried again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use switchhook_core::connector::{Connector, ConnectorContext, ConnectorError};
use switchhook_core::id::ChannelName;
use switchhook_core::status::State;
use tokio::time::Instant;

/// Waits between attempts, in seconds (C4); the last one repeats.
const BACKOFF: [u64; 6] = [1, 2, 4, 8, 16, 30];

/// A connection that stood this long was stable: the next trouble starts at the shortest wait again.
const STABLE: Duration = Duration::from_secs(30);

/// So many failures in a row are critical, and said (C4). It goes on trying. An edit changes it under a connection that
/// stands.
#[derive(Debug, Clone)]
pub(crate) struct Patience(Arc<AtomicU32>);

impl Patience {
    pub(crate) fn new(attempts: u32) -> Self {
        Self(Arc::new(AtomicU32::new(attempts)))
    }
    pub(crate) fn set(&self, attempts: u32) {
        self.0.store(attempts, Ordering::Relaxed);
    }
    fn is_over(&self, failures: u32) -> bool {
        failures >= self.0.load(Ordering::Relaxed)
    }
}

/// Runs a connector until its drain is asked for.
pub(crate) async fn supervise(
    channel: ChannelName,
    connector: Arc<dyn Connector>,
    context: ConnectorContext,
    patience: Patience,
) {
    let report = |failures, code, reason, wait| report(&channel, &context, &patience, failures, code, reason, wait);
    let mut failures = 0_u32;
    loop {
        let started = Instant::now();
        let end = AssertUnwindSafe(connector.run(context.clone())).catch_unwind().await;
        if context.drain.is_cancelled() {
            context.status.set(State::Disabled, None, None);
            return;
        }
        let stood = context.status.get().state == State::Connected && started.elapsed() >= STABLE;
        failures = if stood { 1 } else { failures + 1 };
        let wait = match end {
            Ok(Err(ConnectorError::NeedsPerson { code, reason })) => {
                tracing::error!(%channel, code, "{reason}");
                context.status.set(said_or(&context, State::Failed), Some(code), Some(reason));
                context.drain.cancelled().await;
                return;
            }
            Ok(Err(ConnectorError::WaitFor { code, reason, wait })) => report(failures, code, reason, wait),
            Ok(Err(ConnectorError::Retry { code, reason })) => report(failures, code, reason, backoff(failures)),
            Ok(Ok(())) => report(failures, "ended", "the connection ended".to_owned(), backoff(failures)),
            Err(_) => report(failures, "panic", "the connector panicked".to_owned(), backoff(failures)),
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = context.drain.cancelled() => return,
        }
    }
}

fn report(
    channel: &ChannelName,
    context: &ConnectorContext,
    patience: &Patience,
    failures: u32,
    code: &'static str,
    reason: String,
    wait: Duration,
) -> Duration {
    metrics::counter!("switchhook_reconnects_total", "channel" => channel.to_string(), "code" => code).increment(1);
    let detail = if patience.is_over(failures) {
        tracing::error!(%channel, code, failures, ?wait, "still no connection: {reason}");
        format!("critical, {failures} failures in a row: {reason}")
    } else {
        tracing::warn!(%channel, code, failures, ?wait, "connection lost: {reason}");
        reason
    };
    context.status.set(said_or(context, State::Reconnecting), Some(code), Some(detail));
    context.status.failures(failures);
    wait
}

/// The state after an end: what the connector said of it, where that says more than that it ended.
fn said_or(context: &ConnectorContext, ours: State) -> State {
    match context.status.get().state {
        said @ (State::NeedsLink | State::Restricted) => said,
        _ => ours,
    }
}

/// The wait before the next attempt, with up to a tenth of jitter.
fn backoff(failures: u32) -> Duration {
    let index = (failures.max(1) as usize - 1).min(BACKOFF.len() - 1);
    Duration::from_secs(BACKOFF[index]).mul_f64(1.0 + rand::random::<f64>() * 0.1)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use switchhook_core::connector::{Abilities, Delivery, DeliveryError, Inbox, InboxError, Receipt, StatusReporter};
    use switchhook_core::message::Inbound;
    use switchhook_core::split::TextLimit;
    use switchhook_core::time::SystemClock;
    use tokio_util::sync::CancellationToken;

    use super::*;

    struct NoInbox;

    #[async_trait]
    impl Inbox for NoInbox {
        async fn accept(&self, _: Vec<Inbound>) -> Result<(), InboxError> {
            Ok(())
        }
    }

    /// Fails as it is told, and writes down when it was tried; then it waits for its drain.
    struct Failing {
        ends: Mutex<Vec<ConnectorError>>,
        tried: Mutex<Vec<Instant>>,
    }

    #[async_trait]
    impl Connector for Failing {
        fn abilities(&self) -> Abilities {
            Abilities { text: TextLimit::Bytes(1), idempotent_send: true, typing_every: None, send_limits: None }
        }
        async fn run(&self, context: ConnectorContext) -> Result<(), ConnectorError> {
            self.tried.lock().unwrap().push(Instant::now());
            let end = self.ends.lock().unwrap().pop();
            match end {
                Some(end) => Err(end),
                None => {
                    context.status.connected();
                    context.drain.cancelled().await;
                    Ok(())
                }
            }
        }
        async fn deliver(&self, _: &Delivery) -> Result<Receipt, DeliveryError> {
            Ok(Receipt::default())
        }
    }

    /// The waits between the tries, the status at the end, and every detail it gave on the way.
    async fn run(ends: Vec<ConnectorError>) -> (Vec<u64>, StatusReporter, String) {
        run_with(Patience::new(5), ends).await
    }

    async fn run_with(patience: Patience, mut ends: Vec<ConnectorError>) -> (Vec<u64>, StatusReporter, String) {
        ends.reverse();
        let tries = ends.len() + 1;
        let connector = Arc::new(Failing { ends: Mutex::new(ends), tried: Mutex::default() });
        let status = StatusReporter::new(Arc::new(SystemClock));
        let drain = CancellationToken::new();
        let context = ConnectorContext { inbox: Arc::new(NoInbox), status: status.clone(), drain: drain.clone() };
        let task = tokio::spawn(supervise("c".parse().unwrap(), connector.clone(), context, patience));
        let mut changes = status.subscribe();
        let mut details = String::new();
        let settled = |s: &switchhook_core::status::Status| {
            details.extend(s.detail.as_deref());
            s.state == State::Failed || connector.tried.lock().unwrap().len() == tries
        };
        changes.wait_for(settled).await.unwrap();
        let tried = connector.tried.lock().unwrap().clone();
        drain.cancel();
        task.await.unwrap();
        let waits = tried.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        (waits, status, details)
    }

    fn retry() -> ConnectorError {
        ConnectorError::Retry { code: "network", reason: "gone".into() }
    }

    /// C4: 1, 2, 4, 8, 16 s, then every 30 s; it never gives up.
    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_thirty_seconds_and_stay_there() {
        let (waits, status, _) = run(vec![retry(); 8]).await;
        assert_eq!(status.get().failures, 0, "it is connected in the end");
        // Jitter adds up to a tenth, so whole seconds are those of the table up to 16, and 30 to 33 after it.
        assert_eq!(waits[..4], [1, 2, 4, 8]);
        assert!((16..=17).contains(&waits[4]), "{waits:?}");
        assert!(waits[5..].iter().all(|wait| (30..=33).contains(wait)), "{waits:?}");
    }

    /// C4: after five failures in a row the channel is critical, and says so.
    #[tokio::test(start_paused = true)]
    async fn fifth_failure_in_a_row_is_critical() {
        let fatal = ConnectorError::NeedsPerson { code: "unauthorized", reason: "bad token".into() };
        let mut seen = Vec::new();
        for failures in [4, 5] {
            let ends = [vec![retry(); failures], vec![fatal.clone()]].concat();
            seen.push(run(ends).await.2);
        }
        assert!(!seen[0].contains("critical"), "{seen:?}");
        assert!(seen[1].contains("critical, 5 failures in a row: gone"), "{seen:?}");
    }

    /// C4: how many are too many is configured, and may be edited meanwhile.
    #[tokio::test(start_paused = true)]
    async fn patience_is_configured() {
        let fatal = ConnectorError::NeedsPerson { code: "unauthorized", reason: "bad token".into() };
        let patience = Patience::new(5);
        patience.set(2);
        let seen = run_with(patience, vec![retry(), retry(), fatal]).await.2;
        assert!(seen.contains("critical, 2 failures in a row") && !seen.contains("critical, 1 "), "{seen}");
    }

    #[tokio::test(start_paused = true)]
    async fn provider_that_names_a_wait_is_given_it() {
        let wait = ConnectorError::WaitFor { code: "rate", reason: "slow down".into(), wait: Duration::from_secs(77) };
        let (waits, ..) = run(vec![wait]).await;
        assert_eq!(waits, [77]);
    }

    /// C2, E6: a connector that needs a link says so itself, and stays listed as such.
    #[tokio::test(start_paused = true)]
    async fn needing_a_link_is_no_mere_failure() {
        struct Unlinked;
        #[async_trait]
        impl Connector for Unlinked {
            fn abilities(&self) -> Abilities {
                Abilities { text: TextLimit::Bytes(1), idempotent_send: true, typing_every: None, send_limits: None }
            }
            async fn run(&self, context: ConnectorContext) -> Result<(), ConnectorError> {
                context.status.set(State::NeedsLink, Some("needs-link"), None);
                Err(ConnectorError::NeedsPerson { code: "needs-link", reason: "link it".into() })
            }
            async fn deliver(&self, _: &Delivery) -> Result<Receipt, DeliveryError> {
                Ok(Receipt::default())
            }
        }
        let status = StatusReporter::new(Arc::new(SystemClock));
        let drain = CancellationToken::new();
        let context = ConnectorContext { inbox: Arc::new(NoInbox), status: status.clone(), drain: drain.clone() };
        let task = tokio::spawn(supervise("c".parse().unwrap(), Arc::new(Unlinked), context, Patience::new(5)));
        let mut changes = status.subscribe();
        changes.wait_for(|s| s.detail.as_deref() == Some("link it")).await.unwrap();
        assert_eq!(status.get().state, State::NeedsLink);
        drain.cancel();
        task.await.unwrap();
    }

    /// What only a person can mend is not tried again.
    #[tokio::test(start_paused = true)]
    async fn fatal_trouble_waits_for_a_person() {
        let fatal = ConnectorError::NeedsPerson { code: "unauthorized", reason: "bad token".into() };
        let (waits, status, _) = run(vec![retry(), fatal, retry()]).await;
        assert_eq!(waits.len(), 1, "one retry, and no try after the fatal one");
        assert_eq!(status.get().code.as_deref(), Some("unauthorized"), "status says what to mend");
    }
}
