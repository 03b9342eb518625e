//! How answers leave.

use switchhook_core::action::{Action, Outgoing};
use switchhook_core::connector::DeliveryError;
use switchhook_core::hook::Outcome;
use switchhook_pipeline::wiring::OnUnknown;
use switchhook_store::DeliveryState;

use crate::bench::{Bench, Handle, Setup};

fn say(to: Option<&'static str>, text: &'static str) -> Handle {
    Box::new(move |_| {
        let outgoing = Outgoing { to: to.map(str::to_owned), ..Outgoing::text(text) };
        Ok(Outcome::Answered(vec![Action::Send(outgoing)]))
    })
}

#[tokio::test]
async fn long_text_leaves_in_parts_and_in_order() {
    let text = "one two three four five six seven eight nine ten";
    let bench = Bench::new(Setup { replies: vec![say(None, text)], ..Setup::default() });
    bench.write("a", "x").await;
    let parts = bench.sent(3).await;
    assert!(parts.iter().all(|p| p.len() <= 20), "{parts:?}");
    assert_eq!(parts.join(" "), text);
}

#[tokio::test]
async fn answer_stays_in_its_chat_unless_the_config_allows_another() {
    let bench = Bench::new(Setup { replies: vec![say(Some("elsewhere"), "hi")], ..Setup::default() });
    let id = bench.write("a", "x").await;
    bench.settled(id).await;
    assert!(bench.store.deliveries_of(id).await.expect("rows").is_empty());
    let trace = bench.store.trace(id).await.expect("readable").expect("a trace");
    assert!(String::from_utf8_lossy(&trace).contains("may_send_to"));
    let may_send_to = vec!["elsewhere".to_owned()];
    bench.publish(Setup { replies: vec![say(Some("elsewhere"), "hi")], may_send_to, ..Setup::default() });
    bench.write("a", "x").await;
    bench.sent(1).await;
    assert_eq!(bench.ledger.sent.lock()[0].0, "elsewhere");
}

#[tokio::test]
async fn refused_delivery_is_dead_and_can_be_replayed() {
    let bench = Bench::new(Setup { replies: vec![say(None, "hi")], ..Setup::default() });
    let refusal = DeliveryError::Rejected { code: "403".into(), reason: "blocked by the user".into() };
    bench.ledger.answers.lock().push(Err(refusal));
    let id = bench.write("a", "x").await;
    let row = bench.delivery(id, DeliveryState::Dead).await;
    assert!(row.reason.expect("a reason").contains("blocked by the user"));
    bench.pipeline.resend(row.id).await.expect("it is replayed");
    bench.delivery(id, DeliveryState::Sent).await;
}

#[tokio::test]
async fn failed_delivery_is_tried_again_and_keeps_the_order() {
    let bench = Bench::new(Setup {
        replies: vec![Box::new(|m| {
            Ok(Outcome::Answered(vec![Action::Send(Outgoing::text(m.text().unwrap_or_default()))]))
        })],
        ..Setup::default()
    });
    let wait = Some(std::time::Duration::from_millis(1));
    bench.ledger.answers.lock().push(Err(DeliveryError::Retry { reason: "busy".into(), after: wait }));
    bench.write("a", "one").await;
    bench.write("a", "two").await;
    assert_eq!(bench.sent(2).await, ["one", "two"]);
}

#[tokio::test]
async fn unknown_is_counted_and_sent_again() {
    let bench = Bench::new(Setup { replies: vec![say(None, "hi")], ..Setup::default() });
    bench.ledger.answers.lock().push(Err(DeliveryError::Unknown { reason: "cut".into() }));
    let id = bench.write("a", "x").await;
    assert_eq!(bench.sent(2).await, ["hi", "hi"]);
    let row = bench.delivery(id, DeliveryState::Sent).await;
    assert_eq!(row.unknowns, 1, "the possible duplicate is on record");
}

#[tokio::test]
async fn unknown_is_parked_where_the_config_says_so() {
    let bench = Bench::new(Setup { replies: vec![say(None, "hi")], on_unknown: OnUnknown::Park, ..Setup::default() });
    bench.ledger.answers.lock().push(Err(DeliveryError::Unknown { reason: "cut".into() }));
    let id = bench.write("a", "x").await;
    bench.delivery(id, DeliveryState::Parked).await;
    assert_eq!(bench.ledger.texts(), ["hi"]);
}
