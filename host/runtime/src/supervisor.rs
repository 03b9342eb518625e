//! Keeps one connector running. Only here is a connection tried again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
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

/// So many failures in a row are critical, and said (C4). It goes on trying.
const CRITICAL: u32 = 5;

/// Runs a connector until its drain is asked for.
pub(crate) async fn supervise(channel: ChannelName, connector: Arc<dyn Connector>, context: ConnectorContext) {
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
                context.status.set(State::Failed, Some(code), Some(reason));
                context.drain.cancelled().await;
                return;
            }
            Ok(Err(ConnectorError::WaitFor { code, reason, wait })) => {
                report(&channel, &context, failures, code, reason, wait)
            }
            Ok(Err(ConnectorError::Retry { code, reason })) => {
                report(&channel, &context, failures, code, reason, backoff(failures))
            }
            Ok(Ok(())) => {
                report(&channel, &context, failures, "ended", "the connection ended".to_owned(), backoff(failures))
            }
            Err(_) => {
                report(&channel, &context, failures, "panic", "the connector panicked".to_owned(), backoff(failures))
            }
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
    failures: u32,
    code: &'static str,
    reason: String,
    wait: Duration,
) -> Duration {
    metrics::counter!("switchhook_reconnects_total", "channel" => channel.to_string(), "code" => code).increment(1);
    if failures >= CRITICAL {
        tracing::error!(%channel, code, failures, ?wait, "still no connection: {reason}");
    } else {
        tracing::warn!(%channel, code, failures, ?wait, "connection lost: {reason}");
    }
    context.status.set(State::Reconnecting, Some(code), Some(reason));
    context.status.failures(failures);
    wait
}

/// The wait before the next attempt, with up to a tenth of jitter.
fn backoff(failures: u32) -> Duration {
    let index = (failures.max(1) as usize - 1).min(BACKOFF.len() - 1);
    Duration::from_secs(BACKOFF[index]).mul_f64(1.0 + rand::random::<f64>() * 0.1)
}
