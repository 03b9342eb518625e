use std::time::Duration;

use serde_json::json;
use switchhook_core::time::UnixMillis;

use super::support::*;
use crate::*;

fn record(number: u64) -> GenerationRecord {
    GenerationRecord {
        number,
        digest: "abc".to_owned(),
        cause: "file".to_owned(),
        outcome: "applied".to_owned(),
        changes: json!({ "channels": ["me"] }),
        took: Duration::from_millis(12),
        at: UnixMillis(START),
    }
}

fn entry(act: &str) -> AuditEntry {
    let (actor, subject) = ("operator".to_owned(), "tg:12345".to_owned());
    let detail = json!({ "why": "spam" });
    let (address, user_agent) = (Some("127.0.0.1".to_owned()), None);
    AuditEntry { at: UnixMillis(START), actor, address, user_agent, act: act.to_owned(), subject, detail }
}

#[tokio::test]
async fn generations_of_earlier_processes_stay_in_the_ledger() {
    let f = Fixture::new();
    f.store.record_generation(record(1)).await.unwrap();
    f.store.record_generation(record(2)).await.unwrap();
    let (f, _) = f.reopen();
    f.store.record_generation(record(1)).await.unwrap();
    assert_eq!(f.store.generations(9).await.unwrap(), [record(1), record(2), record(1)]);
    assert_eq!(f.store.generations(2).await.unwrap(), [record(1), record(2)]);
}

#[tokio::test]
async fn audits_are_kept_in_order() {
    let f = Fixture::new();
    f.store.audit(entry("block")).await;
    f.store.audit(entry("approve")).await;
    assert_eq!(f.store.audits(9).await.unwrap(), [entry("approve"), entry("block")]);
    let (f, _) = f.reopen();
    assert_eq!(f.store.audits(1).await.unwrap(), [entry("approve")]);
}
