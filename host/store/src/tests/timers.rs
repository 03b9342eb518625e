use std::time::Duration;

use switchhook_core::message::Content;
use switchhook_core::time::UnixMillis;

use super::support::*;
use crate::*;

fn timer(name: &str, due: u64) -> NewTimer {
    let mut message = message("");
    message.content = Content::Timer(name.to_owned());
    NewTimer { name: name.to_owned(), due: UnixMillis(START + due), message }
}

async fn set(f: &Fixture, key: &str, timers: Vec<NewTimer>) {
    let id = f.accept(key, "x").await;
    f.store.commit_outcome(Outcome { timers, ..done(id) }).await.unwrap();
}

#[tokio::test]
async fn a_timer_becomes_a_message_when_it_is_due() {
    let f = Fixture::new();
    set(&f, "1", vec![timer("late", 9000), timer("soon", 1000)]).await;
    let (f, _) = f.reopen();
    assert_eq!(f.store.next_timer().await.unwrap(), Some(UnixMillis(START + 1000)));
    assert!(f.store.fire_timers(UnixMillis(START + 999)).await.unwrap().is_empty());
    f.clock.advance(Duration::from_millis(1500));
    let fired = f.store.fire_timers(UnixMillis(START + 1500)).await.unwrap();
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].conversation, conversation());
    assert_eq!(f.store.backlog(&account()), 1);
    let stored = f.store.load(fired[0].id).await.unwrap().unwrap();
    let message = stored.message.unwrap();
    assert_eq!(message.content, Content::Timer("soon".to_owned()));
    assert_eq!(message.sent_at, UnixMillis(START + 1500));
    assert!(f.store.fire_timers(UnixMillis(START + 1500)).await.unwrap().is_empty(), "fires once");
    assert_eq!(f.store.next_timer().await.unwrap(), Some(UnixMillis(START + 9000)));
}

#[tokio::test]
async fn a_timer_of_the_same_name_replaces_the_earlier_one() {
    let f = Fixture::new();
    set(&f, "1", vec![timer("nap", 1000)]).await;
    set(&f, "2", vec![timer("nap", 5000)]).await;
    let mut elsewhere = timer("nap", 7000);
    elsewhere.message.chat.id = "901".to_owned();
    set(&f, "3", vec![elsewhere]).await;
    assert!(f.store.fire_timers(UnixMillis(START + 4000)).await.unwrap().is_empty());
    assert_eq!(f.store.fire_timers(UnixMillis(START + 8000)).await.unwrap().len(), 2);
    assert_eq!(f.store.next_timer().await.unwrap(), None);
}
