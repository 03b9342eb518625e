//! What somebody asks the host to send.

use switchhook_core::action::Outgoing;
use switchhook_core::message::{Chat, ChatKind};
use switchhook_pipeline::{NotAsked, Request, Requested};
use switchhook_store::DeliveryState;

use crate::bench::*;

fn request(text: &str, key: Option<&str>) -> Request {
    let chat = Chat { id: "elsewhere".to_owned(), kind: ChatKind::Direct, title: None, thread: None };
    Request { chat, outgoing: Outgoing::text(text), key: key.map(str::to_owned) }
}

/// B7: it needs no policy's word, and a change of policies does not take it back.
#[tokio::test]
async fn what_is_asked_for_goes_out() {
    let bench = Bench::new(Setup { policies: vec![Box::new(|_| panic!("nobody is to be asked"))], ..Setup::default() });
    bench.hold_wire();
    bench.pipeline.request(&account(), request("one", None)).await.unwrap();
    bench.pipeline.request(&account(), request("two", None)).await.unwrap();
    bench.publish(Setup { fingerprint: "two", ..Setup::default() });
    bench.let_wire();
    bench.delivered().await;
    assert_eq!(bench.ledger.by_chat()["elsewhere"], ["one", "two"]);
}

/// B7: asked twice under one key it is sent once, by whichever process; another message under the key is refused.
#[tokio::test]
async fn a_key_sends_once() {
    let bench = Bench::new(Setup::default());
    let ask = async |text: &str, key| bench.pipeline.request(&account(), request(text, key)).await;
    let Requested::New { request: first, delivery } = ask("one", Some("k")).await.unwrap() else { panic!("it is new") };
    bench.delivered().await;
    let before = Requested::Before { request: first, delivery: Some(delivery) };
    assert_eq!(ask("one", Some("k")).await.unwrap(), before);
    assert_eq!(bench.again(Setup::default()).request(&account(), request("one", Some("k"))).await.unwrap(), before);
    assert!(matches!(ask("two", Some("k")).await, Err(NotAsked::OtherMessage(id)) if id == first));
    assert!(matches!(ask("one", Some("l")).await.unwrap(), Requested::New { .. }));
    assert!(matches!(ask("one", None).await.unwrap(), Requested::New { .. }));
    bench.delivered().await;
    assert_eq!(bench.ledger.texts(), ["one", "one", "one"]);
}

/// F6: accepted is accepted: the next process sends what this one could not.
#[tokio::test]
async fn what_is_asked_for_outlives_the_process() {
    let bench = Bench::new(Setup::default());
    bench.ledger.absent.store(true, std::sync::atomic::Ordering::SeqCst);
    bench.pipeline.request(&account(), request("one", None)).await.unwrap();
    until("it waits in the journal", async || {
        let waits = bench.store.list_deliveries(&[DeliveryState::Ready], 9).await.unwrap();
        (waits.len() == 1).then_some(())
    })
    .await;
    bench.ledger.absent.store(false, std::sync::atomic::Ordering::SeqCst);
    bench.again(Setup::default()).resume(&[account()]).await.unwrap();
    assert_eq!(bench.sent(1).await, ["one"]);
}
