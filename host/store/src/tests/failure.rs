use switchhook_core::id::OutboxId;
use switchhook_core::time::UnixMillis;

use super::support::*;
use crate::writer::{Batch, OnFullDisk, Ordered, Reading, Undo};
use crate::*;

/// Makes the next commit fail, whatever else is in it: a reference that leads nowhere is found out only then.
async fn sabotage(store: &Store) {
    let work = |batch: &mut Batch<'_>| {
        batch.execute("CREATE TABLE IF NOT EXISTS target (id INTEGER PRIMARY KEY)", [])?;
        let source = "CREATE TABLE IF NOT EXISTS source (to_id REFERENCES target (id) DEFERRABLE INITIALLY DEFERRED)";
        batch.execute(source, [])?;
        batch.execute("INSERT INTO source VALUES (1)", []).map(drop)
    };
    store.order("sabotage", work).await;
}

#[tokio::test]
async fn a_commit_that_fails_fails_everything_in_it_and_nothing_after_it() {
    let f = Fixture::new();
    let earlier = f.accept("0", "earlier").await;
    let mut first = Blocked::queue(&f.store).await;
    first.started().await;
    let accepting = f.store.accept(vec![new("1", "one")]).await;
    let mut second = Blocked::queue(&f.store).await;
    f.store.write_kv(vec![kv("k", KvChange::Set(b"v".to_vec()))]).await;
    f.store.remember_contact(&party("1", None), &channel()).await;
    let outcome = tokio::spawn({
        let store = f.store.clone();
        async move { store.commit_outcome(Outcome { deliveries: vec![delivery("a", true)], ..done(earlier) }).await }
    });
    // Lets the outcome be queued before what spoils the commit.
    tokio::task::yield_now().await;
    sabotage(&f.store).await;
    first.release();
    second.started().await;
    let Accepted::New(id) = accepting.seen.await.unwrap().unwrap()[0] else { panic!() };
    assert!(f.store.load(id).await.unwrap().is_some(), "seen, and not on disk yet");
    second.release();

    assert!(matches!(accepting.durable.await.unwrap(), Err(StoreError::Sql { .. })));
    assert!(outcome.await.unwrap().is_err());
    f.store.settle().await.unwrap();
    assert_eq!(f.store.counters().failed_commits, 1);
    assert!(f.store.load(id).await.unwrap().is_none());
    assert_eq!(f.store.load(earlier).await.unwrap().unwrap().state, InboxState::Pending);
    assert_eq!(f.store.backlog(&account()), 1);
    assert_eq!(f.store.kv_get(&chat_scope(), "k").await.unwrap(), None);
    assert_eq!(f.store.kv_usage(&plugin()).await, 0);
    assert!(f.store.contacts().await.unwrap().is_empty());
    assert!(f.store.list_deliveries(&[DeliveryState::Armed], 9).await.unwrap().is_empty());

    let again = f.accept("1", "one").await;
    assert!(again > id);
    f.store.remember_contact(&party("1", None), &channel()).await;
    assert_eq!(f.store.contacts().await.unwrap().len(), 1);
    f.store.commit_outcome(done(earlier)).await.unwrap();
    assert_eq!(f.store.backlog(&account()), 1);
}

/// How large the journal may grow, in pages; it is never cut below what it is.
async fn limit_pages(store: &Store, pragma: &'static str) {
    let (done, wait) = tokio::sync::oneshot::channel();
    let set = move |conn: Result<&rusqlite::Connection, StoreError>| {
        conn.unwrap().query_row(pragma, [], |_| Ok(())).unwrap();
        done.send(()).unwrap();
    };
    // On the connection that writes, and while nothing can be written.
    store.queue(Box::new(Reading { read: Some(set) })).await;
    wait.await.unwrap();
}

const FULL: &str = "PRAGMA max_page_count = 1";
const ROOM: &str = "PRAGMA max_page_count = 1000000";

/// Returns when everything ordered so far is written, without asking for another write.
async fn written(store: &Store) -> impl Future<Output = ()> + use<> {
    let (done, wait) = tokio::sync::oneshot::channel();
    let end = move |result: Result<(), StoreError>| done.send(result).unwrap();
    store
        .queue(Box::new(Ordered {
            name: "last",
            undo: Undo::Write,
            on_full_disk: OnFullDisk::Postpone,
            work: |_: &mut Batch<'_>| Ok(()),
            result: Ok(()),
            end,
        }))
        .await;
    async { wait.await.unwrap().unwrap() }
}

/// Two deliveries to one chat, the first of which is leaving.
async fn leaving(f: &Fixture) -> (OutboxId, OutboxId) {
    let id = f.accept("1", "x").await;
    let outcome = Outcome { deliveries: vec![delivery("a", true), delivery("b", false)], ..done(id) };
    let ids = f.store.commit_outcome(outcome).await.unwrap();
    (ids[0], ids[1])
}

fn audit(act: &str) -> AuditEntry {
    AuditEntry {
        at: UnixMillis(START),
        actor: "host".to_owned(),
        address: None,
        user_agent: None,
        act: act.to_owned(),
        subject: "x".to_owned(),
        detail: serde_json::Value::Null,
    }
}

/// A6: what has happened is kept through a full disk, in its order, and written as soon as there is room, by itself.
#[tokio::test]
async fn what_has_happened_waits_for_room() {
    let f = Fixture::new();
    let (first, second) = leaving(&f).await;
    limit_pages(&f.store, FULL).await;
    let reason = "x".repeat(1 << 20);
    f.store.end_delivery_later(first, DeliveryEnd::Retry { at: UnixMillis(START), reason }).await;
    f.store.audit(audit("small")).await;
    assert!(matches!(f.store.arm(first).await, Err(StoreError::DiskFull)), "nothing overtakes the end before it");
    assert!(matches!(f.store.arm(second).await, Err(StoreError::DiskFull)));
    assert_eq!(f.store.counters().postponed, 2);

    assert_eq!(f.store.delivery(first).await.unwrap().unwrap().state, DeliveryState::Armed, "what is on disk is read");
    assert!(f.store.audits(9).await.unwrap().is_empty());
    let carried_on = f.store.deliveries(&account()).await;
    assert!(matches!(carried_on, Err(StoreError::DiskFull)), "and nothing is carried on from there");

    let all = written(&f.store).await;
    limit_pages(&f.store, ROOM).await;
    all.await;
    assert_eq!(f.store.counters().postponed, 0);
    assert_eq!(f.store.delivery(first).await.unwrap().unwrap().state, DeliveryState::Ready);
    assert_eq!(f.store.audits(9).await.unwrap().len(), 1);
    assert_eq!(f.store.deliveries(&account()).await.unwrap().len(), 2);
    f.store.arm(first).await.unwrap();
    f.store.end_delivery_later(first, DeliveryEnd::Sent { provider_id: Some("7".to_owned()) }).await;
    assert_eq!(f.store.delivery(first).await.unwrap().unwrap().attempts, 2);
}

/// A small write that would fit does not overtake a large one that does not.
#[tokio::test]
async fn what_waits_for_room_keeps_its_order() {
    let f = Fixture::new();
    let set = |value: &[u8]| vec![kv("k", KvChange::Set(value.to_vec()))];
    f.store.write_kv(set(b"before")).await;
    f.store.settle().await.unwrap();
    limit_pages(&f.store, FULL).await;
    let mut blocked = Blocked::queue(&f.store).await;
    blocked.started().await;
    f.store.write_kv(set(&vec![b'x'; 60_000])).await;
    f.store.write_kv(set(b"after")).await;
    blocked.release();
    let all = written(&f.store).await;
    f.store.settle().await.unwrap();
    assert_eq!(f.store.kv_get(&chat_scope(), "k").await.unwrap().unwrap(), b"after", "a read sees it all the while");
    limit_pages(&f.store, ROOM).await;
    all.await;
    assert_eq!(f.store.kv_get(&chat_scope(), "k").await.unwrap().unwrap(), b"after");
    assert_eq!(f.store.kv_usage(&plugin()).await, 6);
}

/// Nor does one of the same transaction, whatever the disk undid by itself.
#[tokio::test]
async fn what_the_disk_refuses_once_is_not_overtaken() {
    let f = Fixture::new();
    let mut blocked = Blocked::queue(&f.store).await;
    blocked.started().await;
    let mut refused = false;
    let before = move |batch: &mut Batch<'_>| {
        if !std::mem::replace(&mut refused, true) {
            return Err(StoreError::DiskFull);
        }
        batch.execute("CREATE TABLE places (n INTEGER PRIMARY KEY, what TEXT)", [])?;
        batch.execute("INSERT INTO places (what) VALUES ('before')", []).map(drop)
    };
    f.store.order("before", before).await;
    f.store.write_kv(vec![kv("k", KvChange::Set(b"v".to_vec()))]).await;
    f.store.order("after", |batch| batch.execute("INSERT INTO places (what) VALUES ('after')", []).map(drop)).await;
    let all = written(&f.store).await;
    blocked.release();
    all.await;
    let places = f.store.read(|conn| {
        let mut statement = conn.prepare("SELECT what FROM places ORDER BY n")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    });
    assert_eq!(places.await.unwrap(), ["before", "after"]);
    assert_eq!(f.store.counters().failed_commits, 1);
}

/// A limiter's counter is what is on disk, and not nothing, while its last steps wait.
#[tokio::test]
async fn a_counter_can_be_read_while_its_last_steps_wait() {
    let f = Fixture::new();
    f.store.write_kv(vec![kv("n", KvChange::Increment(100))]).await;
    f.store.settle().await.unwrap();
    limit_pages(&f.store, FULL).await;
    f.store.audit(audit(&"x".repeat(1 << 20))).await;
    f.store.write_kv(vec![kv("n", KvChange::Increment(1))]).await;
    assert_eq!(f.store.kv_get(&chat_scope(), "n").await.unwrap().unwrap(), b"100");
    let all = written(&f.store).await;
    limit_pages(&f.store, ROOM).await;
    all.await;
    assert_eq!(f.store.kv_get(&chat_scope(), "n").await.unwrap().unwrap(), b"101");
}

/// There is a limit to what others can bring about meanwhile, and none to what was under way.
#[tokio::test]
async fn what_waits_for_room_has_a_limit() {
    let f = Fixture::new();
    let (first, _) = leaving(&f).await;
    limit_pages(&f.store, FULL).await;
    f.store.audit(audit(&"x".repeat(1 << 20))).await;
    for n in 0..3000 {
        f.store.audit(audit(&n.to_string())).await;
    }
    f.store.end_delivery_later(first, DeliveryEnd::Sent { provider_id: None }).await;
    f.store.settle().await.unwrap();
    assert_eq!(f.store.counters().postponed, 2048 + 1);
    limit_pages(&f.store, ROOM).await;
    f.store.settle_all().await.unwrap();
    assert_eq!(f.store.delivery(first).await.unwrap().unwrap().state, DeliveryState::Sent);
    assert_eq!(f.store.audits(4000).await.unwrap().len(), 2048);
}

/// More than one transaction's worth.
#[tokio::test]
async fn however_much_waits_for_room_all_of_it_is_written() {
    let f = Fixture::new();
    limit_pages(&f.store, FULL).await;
    f.store.audit(audit(&"x".repeat(1 << 20))).await;
    for n in 0..300 {
        f.store.audit(audit(&n.to_string())).await;
    }
    let all = written(&f.store).await;
    limit_pages(&f.store, ROOM).await;
    all.await;
    let acts: Vec<_> = f.store.audits(300).await.unwrap().into_iter().map(|entry| entry.act).collect();
    assert_eq!(acts, (0..300).rev().map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(f.store.audits(400).await.unwrap().len(), 301);
}

/// What can't be written till the end is as after a crash: on record as unknown.
#[tokio::test]
async fn a_store_closes_on_a_full_disk() {
    let f = Fixture::new();
    let (first, _) = leaving(&f).await;
    limit_pages(&f.store, FULL).await;
    let reason = "x".repeat(1 << 20);
    f.store.end_delivery_later(first, DeliveryEnd::Dead { reason }).await;
    let (f, recovered) = f.reopen();
    assert_eq!(recovered.unknown, 1);
    assert_eq!(f.store.delivery(first).await.unwrap().unwrap().unknowns, 1);
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_got_over() {
    let f = Fixture::new();
    let id = f.accept("1", "small").await;
    limit_pages(&f.store, FULL).await;
    let large = "x".repeat(1 << 20);
    let full = f.accept_all(vec![new("2", "small too"), new("3", &large)]).await.unwrap_err();
    assert!(full.to_string().contains("full"), "{full}");
    let outcome =
        Outcome { kv: vec![kv("k", KvChange::Increment(1))], deliveries: vec![delivery(&large, true)], ..done(id) };
    assert!(f.store.commit_outcome(outcome.clone()).await.is_err());
    assert_eq!(f.store.backlog(&account()), 1);
    assert_eq!(f.store.load(id).await.unwrap().unwrap().state, InboxState::Pending);
    assert_eq!(f.store.kv_get(&chat_scope(), "k").await.unwrap(), None);

    limit_pages(&f.store, ROOM).await;
    f.store.commit_outcome(outcome).await.unwrap();
    assert_eq!(f.store.kv_get(&chat_scope(), "k").await.unwrap().unwrap(), b"1");
    assert_eq!(f.accept_all(vec![new("2", "small too"), new("3", &large)]).await.unwrap().len(), 2);
    assert_eq!(f.store.backlog(&account()), 2);
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_the_write_queued_or_not() {
    let f = Fixture::new();
    let id = f.accept("1", "x").await;
    let mut blocked = Blocked::queue(&f.store).await;
    blocked.started().await;
    {
        let gone = f.store.commit_outcome(Outcome { kv: vec![kv("k", KvChange::Increment(1))], ..done(id) });
        let mut gone = std::pin::pin!(gone);
        let waker = std::task::Waker::noop();
        assert!(gone.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    }
    blocked.release();
    f.store.settle().await.unwrap();
    assert_eq!(f.store.load(id).await.unwrap().unwrap().state, InboxState::Done);
    assert_eq!(f.store.kv_get(&chat_scope(), "k").await.unwrap().unwrap(), b"1");
}
