//! What is counted of every account, and that it is neither lost nor counted twice.

use std::time::Duration;

use switchhook_core::action::Action;
use switchhook_core::time::{Clock, UnixMillis};
use switchhook_core::zone::Zone;

use super::support::*;
use crate::*;

fn within(f: &Fixture, from: u64, until: u64) -> (u64, u64) {
    let traffic = f.store.tally(&account()).within(UnixMillis(from), UnixMillis(until));
    (traffic.sent, traffic.received)
}

/// Sent and received on the day of the clock.
fn today(f: &Fixture) -> (u64, u64) {
    let day = Zone::default().day(f.clock.now());
    within(f, day.from.0, day.until.0)
}

async fn send(f: &Fixture, key: &str, texts: &[&str]) {
    let (_, ids) = f.answered(key, texts, true).await;
    for id in ids {
        f.store.end_delivery(id, DeliveryEnd::Sent { provider_id: None }, None).await.unwrap();
    }
}

/// C3: what was received is counted once however often it comes, and what was sent when it has left.
#[tokio::test]
async fn what_comes_in_and_goes_out_is_counted() {
    let f = Fixture::new();
    f.accept_all(vec![new("1", "a"), new("2", "b"), new("1", "a again")]).await.unwrap();
    f.accept_all(vec![new("2", "b again")]).await.unwrap();
    assert_eq!(today(&f), (0, 2));
    let (_, ids) = f.answered("3", &["x", "y", "z"], true).await;
    assert_eq!(today(&f), (0, 3), "leaving is not sent");
    let ends = [
        DeliveryEnd::Sent { provider_id: None },
        DeliveryEnd::Unknown { at: UnixMillis(0), reason: "cut".to_owned() },
        DeliveryEnd::Dead { reason: "refused".to_owned() },
    ];
    for (id, end) in ids.iter().zip(ends) {
        f.store.end_delivery(*id, end, None).await.unwrap();
    }
    assert_eq!(today(&f), (1, 3));
    f.store.arm(ids[1]).await.unwrap();
    f.store.end_delivery_later(ids[1], DeliveryEnd::Sent { provider_id: None }).await;
    f.store.delivery(ids[1]).await.unwrap();
    assert_eq!(today(&f), (2, 3));
}

/// A read mark is no message, and a reaction neither.
#[tokio::test]
async fn only_messages_count_as_sent() {
    let f = Fixture::new();
    let id = f.accept("1", "question").await;
    let react = Action::React { message_id: "77".to_owned(), emoji: Some("👍".to_owned()) };
    let deliveries = [Action::MarkRead, react, Action::Forward { message_id: "77".to_owned(), to: "900".to_owned() }]
        .map(|action| NewDelivery { action, ..delivery("", true) });
    let ids = f.store.commit_outcome(Outcome { deliveries: deliveries.to_vec(), ..done(id) }).await.unwrap();
    for id in ids {
        f.store.end_delivery(id, DeliveryEnd::Sent { provider_id: None }, None).await.unwrap();
    }
    assert_eq!(today(&f).0, 1);
}

/// C3, F6: the count is in the commit of what it counts, and so survives a kill.
#[tokio::test]
async fn the_count_survives_a_crash() {
    let f = Fixture::new();
    send(&f, "1", &["a", "b"]).await;
    let (f, _) = f.crash();
    assert_eq!(today(&f), (2, 1));
    send(&f, "2", &["c"]).await;
    let (f, _) = f.reopen();
    assert_eq!(today(&f), (3, 2));
    assert_eq!(f.store.tally(&switchhook_core::id::AccountId::new("telegram", "7")), Tally::default());
}

/// C3: a day is counted in any zone, and forgotten after some.
#[tokio::test]
async fn days_are_told_apart_to_the_quarter_of_an_hour() {
    let f = Fixture::new();
    send(&f, "1", &["a"]).await;
    let start = f.clock.now().0;
    let quarter = start / 900_000 * 900_000;
    f.clock.advance(Duration::from_millis(quarter + 900_000 - start));
    send(&f, "2", &["b", "c"]).await;
    assert_eq!(within(&f, quarter, quarter + 900_000), (1, 1));
    assert_eq!(within(&f, quarter + 900_000, quarter + 1_800_000), (2, 1));
    assert_eq!(within(&f, quarter + 900_000, quarter), (0, 0), "the wrong way round is no time at all");
    f.clock.advance(Duration::from_secs(4 * 86_400));
    f.store.purge().await.unwrap();
    let (f, _) = f.reopen();
    assert_eq!(within(&f, 0, u64::MAX), (0, 0));
}

/// What is refused within a transaction is not counted, while its neighbours are.
#[tokio::test]
async fn a_write_that_fails_counts_nothing() {
    let f = Fixture::new();
    let (_, ids) = f.answered("1", &["a"], true).await;
    let sent = || DeliveryEnd::Sent { provider_id: None };
    f.store.end_delivery(ids[0], sent(), None).await.unwrap();
    f.store.end_delivery(ids[0], sent(), None).await.unwrap_err();
    assert_eq!(today(&f), (1, 1));
}

/// B10: what is written of every message is forgotten after a month, what people did stays for a year.
#[tokio::test]
async fn routine_entries_go_before_others() {
    let f = Fixture::new();
    let entry = |act: &str| AuditEntry {
        at: f.clock.now(),
        actor: "host".to_owned(),
        address: None,
        user_agent: None,
        act: act.to_owned(),
        subject: "c".to_owned(),
        detail: serde_json::Value::Null,
    };
    f.store.audit_routine(entry("message_sent")).await;
    f.store.audit(entry("unlink")).await;
    let acts = async |f: &Fixture| {
        let all = f.store.audits(10).await.unwrap();
        all.into_iter().map(|entry| entry.act).collect::<Vec<_>>()
    };
    assert_eq!(acts(&f).await, ["unlink", "message_sent"]);
    f.clock.advance(Duration::from_secs(31 * 86_400));
    f.store.purge().await.unwrap();
    assert_eq!(acts(&f).await, ["unlink"]);
}
