use std::time::Duration;

use switchhook_core::connector::{Progress, Stage};
use switchhook_core::time::UnixMillis;

use super::support::*;
use crate::*;

/// The ids of what is logged.
fn ids(log: &[Logged]) -> Vec<String> {
    let id = |logged: &Logged| match logged {
        Logged::Received(message) | Logged::Own(message, _) => message.id.to_string(),
        Logged::Sent(sent) => sent.delivery.id.to_string(),
    };
    log.iter().map(id).collect()
}

fn sent(logged: &Logged) -> &SentMessage {
    match logged {
        Logged::Sent(sent) => sent,
        other => panic!("not sent: {other:?}"),
    }
}

fn progress(id: &str, stage: Stage, at: u64) -> Progress {
    Progress { ids: vec![id.to_owned()], stage, at: UnixMillis(at) }
}

#[tokio::test]
async fn a_message_and_its_answers_stand_in_order_and_are_paged() {
    let f = Fixture::new();
    f.answered("1", &["a", "b"], false).await;
    f.answered("2", &["c"], false).await;
    let (all, next) = f.store.log(&account(), None, 10).await.unwrap();
    assert_eq!((ids(&all), next), (["d3", "m2", "d2", "d1", "m1"].map(str::to_owned).to_vec(), None));
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let (page, next) = f.store.log(&account(), before, 2).await.unwrap();
        paged.extend(ids(&page));
        let Some(next) = next else { break };
        // As it goes over the wire and back.
        before = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(paged, ids(&all));
    let other = switchhook_core::id::AccountId::new("telegram", "other");
    assert!(f.store.log(&other, None, 9).await.unwrap().0.is_empty());
}

/// A receipt may overtake the word that the message was sent; the first of a kind counts, and who has read it has it.
#[tokio::test]
async fn receipts_find_their_message_in_whatever_order_they_come() {
    let f = Fixture::new();
    let (_, ids) = f.answered("1", &["early", "late", "never"], true).await;
    f.store.note_progress(&account(), &progress("P1", Stage::Delivered, 5)).await;
    for (id, provider) in ids.iter().zip(["P1", "P2", "P3"]) {
        let end = DeliveryEnd::Sent { provider_id: Some(provider.to_owned()) };
        f.store.end_delivery(*id, end, None).await.unwrap();
    }
    f.store.note_progress(&account(), &progress("P1", Stage::Read, 7)).await;
    f.store.note_progress(&account(), &progress("P1", Stage::Delivered, 9)).await;
    f.store.note_progress(&account(), &progress("P2", Stage::Read, 8)).await;
    let other = switchhook_core::id::AccountId::new("telegram", "other");
    f.store.note_progress(&other, &progress("P3", Stage::Read, 8)).await;
    let (f, _) = f.reopen();
    let (log, _) = f.store.log(&account(), None, 3).await.unwrap();
    let times: Vec<_> = log.iter().map(|logged| (sent(logged).way.delivered_at, sent(logged).way.read_at)).collect();
    let at = |millis| Some(UnixMillis(millis));
    assert_eq!(times, [(None, None), (at(8), at(8)), (at(5), at(7))]);
    assert!(log.iter().all(|logged| sent(logged).ended_at.is_some() && sent(logged).asked_at.is_some()));
    f.clock.advance(KEEP_BODIES + Duration::from_secs(1));
    f.store.purge().await.unwrap();
    let left =
        f.store.read(|conn| Ok(conn.query_row("SELECT count(*) FROM receipts", [], |row| row.get::<_, i64>(0))?));
    assert_eq!(left.await.unwrap(), 0, "a receipt goes with what it is of");
}

fn own(id: &str, text: &str) -> NewMessage {
    let mut new = new(&format!("own {id}"), text);
    new.message.id = id.to_owned();
    new
}

/// B7: what the owner wrote elsewhere is in the log once, is nobody's work and no traffic, and goes with all else.
#[tokio::test]
async fn what_the_owner_wrote_is_kept_aside() {
    let f = Fixture::new();
    f.store.note_own(vec![own("A", "typed"), own("B", "typed, too")]).await.unwrap();
    f.store.note_own(vec![own("A", "typed")]).await.unwrap();
    f.store.note_progress(&account(), &progress("A", Stage::Read, 7)).await;
    let (f, recovered) = f.reopen();
    assert_eq!(recovered.waiting, 0);
    assert_eq!((f.store.backlog(&account()), f.store.waiting().await.unwrap().len()), (0, 0));
    let ever = f.store.tally(&account()).within(UnixMillis(START - 3_600_000), UnixMillis(START + 3_600_000));
    assert_eq!(ever, Traffic::default());
    let (log, _) = f.store.log(&account(), None, 9).await.unwrap();
    let told: Vec<_> = log
        .iter()
        .map(|logged| match logged {
            Logged::Own(stored, way) => (stored.message.as_ref().unwrap().id.as_str(), way.read_at),
            other => panic!("not the owner's: {other:?}"),
        })
        .collect();
    assert_eq!(told, [("B", None), ("A", Some(UnixMillis(7)))]);
    f.clock.advance(KEEP_BODIES + Duration::from_secs(1));
    f.store.purge().await.unwrap();
    assert!(f.store.log(&account(), None, 9).await.unwrap().0.is_empty(), "erased with all that was decided");
    f.store.note_own(vec![own("A", "typed")]).await.unwrap();
    assert!(f.store.log(&account(), None, 9).await.unwrap().0.is_empty(), "and its key is known longer");
}

/// B7: what is asked for once stands in the outbox once, under whatever becomes of it; the key is forgotten with the rest.
#[tokio::test]
async fn a_request_has_one_place_for_each_key() {
    let f = Fixture::new();
    let ask = async |f: &Fixture, key| f.store.ask(&account(), key, delivery("hello", false)).await.unwrap();
    let Asking::New { request, delivery } = ask(&f, Some("k")).await else { panic!("it is new") };
    assert_eq!(ask(&f, Some("k")).await, Asking::Before(request));
    assert!(matches!(ask(&f, None).await, Asking::New { .. }));
    assert!(matches!(ask(&f, None).await, Asking::New { .. }));
    assert_eq!(f.store.asked(&account(), "k").await.unwrap(), Some(request));
    let other = switchhook_core::id::AccountId::new("telegram", "other");
    assert_eq!(f.store.asked(&other, "k").await.unwrap(), None);
    let (f, recovered) = f.reopen();
    assert_eq!(recovered.waiting, 0);
    let (log, _) = f.store.log(&account(), None, 9).await.unwrap();
    assert_eq!(log.len(), 3, "a request is no message itself: {log:?}");
    let first = f.store.logged_delivery(delivery).await.unwrap().unwrap();
    assert_eq!((first.delivery.message, first.asked_at), (request, Some(UnixMillis(START))));
    f.clock.advance(KEEP_BODIES + KEEP_DEDUPE + Duration::from_secs(1));
    f.store.purge().await.unwrap();
    assert_eq!(f.store.asked(&account(), "k").await.unwrap(), None);
    assert_eq!(f.store.delivery(delivery).await.unwrap().map(|d| d.state), Some(DeliveryState::Ready));
}
