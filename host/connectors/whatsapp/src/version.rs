//! Which version of WhatsApp Web we say we are: pinned, or fetched once a day with the last good one kept.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchhook_store::{AccountStore, StateKey};
use whatsapp_rust::http::HttpClient;
use whatsapp_rust::version::fetch_latest_app_version;

/// Three numbers, as in `2.3000.1026131876`.
pub(crate) type Version = (u32, u32, u32);

const RECORD: StateKey<'static> = StateKey { space: "client-version", scope: "", name: "" };
/// In seconds: WhatsApp refuses versions after weeks, not hours.
const FRESH: i64 = 24 * 3600;
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Good {
    version: Version,
    /// Unix seconds.
    fetched: i64,
}

/// Reads `2.3000.1026131876`.
pub(crate) fn parse(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(str::parse::<u32>);
    match (parts.next()?, parts.next()?, parts.next()?, parts.next()) {
        (Ok(a), Ok(b), Ok(c), None) => Some((a, b, c)),
        _ => None,
    }
}

/// The version to say; none leaves it to the library, which then asks by itself and fails with the network.
pub(crate) async fn current(states: &AccountStore, http: &Arc<dyn HttpClient>, now: i64) -> Option<Version> {
    let good = kept(states).await;
    if let Some(good) = good
        && (0..FRESH).contains(&now.saturating_sub(good.fetched))
    {
        return Some(good.version);
    }
    match tokio::time::timeout(FETCH_TIMEOUT, fetch_latest_app_version(http)).await {
        Ok(Ok(version)) => {
            keep(states, Good { version, fetched: now }).await;
            Some(version)
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the version of WhatsApp Web can't be asked for: the last one known is used");
            good.map(|good| good.version)
        }
        Err(_) => good.map(|good| good.version),
    }
}

/// WhatsApp refused the version: the next session asks anew.
pub(crate) async fn distrust(states: &AccountStore) {
    if let Some(good) = kept(states).await {
        keep(states, Good { fetched: 0, ..good }).await;
    }
}

async fn kept(states: &AccountStore) -> Option<Good> {
    let kept = states.get(RECORD).await.ok()??;
    serde_json::from_slice(&kept).ok()
}

async fn keep(states: &AccountStore, good: Good) {
    let mut batch = states.batch();
    batch.put(RECORD, &serde_json::to_vec(&good).expect("numbers"));
    if let Err(error) = states.queue(batch).await {
        tracing::warn!(%error, "the version of WhatsApp Web is not kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_numbers() {
        assert_eq!(parse("2.3000.1026131876"), Some((2, 3000, 1_026_131_876)));
        for bad in ["", "2.3000", "2.3000.x", "2.3000.1.4", "2..1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
