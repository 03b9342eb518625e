use super::support::*;
use crate::*;

/// Makes the next commit fail, whatever else is in it: a reference that leads nowhere is found out only then.
async fn sabotage(store: &Store) {
    let work = |batch: &mut crate::writer::Batch<'_>| {
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

async fn limit_pages(store: &Store, pragma: &'static str) {
    store.write(move |batch| Ok(batch.conn().query_row(pragma, [], |_| Ok(()))?)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_got_over() {
    let f = Fixture::new();
    let id = f.accept("1", "small").await;
    limit_pages(&f.store, "PRAGMA max_page_count = 1").await;
    let large = "x".repeat(1 << 20);
    let full = f.accept_all(vec![new("2", "small too"), new("3", &large)]).await.unwrap_err();
    assert!(full.to_string().contains("full"), "{full}");
    let outcome =
        Outcome { kv: vec![kv("k", KvChange::Increment(1))], deliveries: vec![delivery(&large, true)], ..done(id) };
    assert!(f.store.commit_outcome(outcome.clone()).await.is_err());
    assert_eq!(f.store.backlog(&account()), 1);
    assert_eq!(f.store.load(id).await.unwrap().unwrap().state, InboxState::Pending);
    assert_eq!(f.store.kv_get(&chat_scope(), "k").await.unwrap(), None);

    limit_pages(&f.store, "PRAGMA max_page_count = 1000000").await;
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
