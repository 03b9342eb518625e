//! What an account may send, by the minute and by the day.

use std::time::Duration;

use switchhook_core::action::{Action, Outgoing};
use switchhook_core::hook::Outcome;
use switchhook_core::id::InboxId;
use switchhook_core::time::{Clock, UnixMillis};
use switchhook_core::zone::{Day, Zone};
use switchhook_pipeline::wiring::{AtDailyLimit, Limits, OnUnknown};
use switchhook_store::{DeliveryState, StoredDelivery};

use crate::bench::{Bench, Handle, Setup, account, until};

fn echo() -> Handle {
    Box::new(|m| Ok(Outcome::Answered(vec![Action::Send(Outgoing::text(m.text().unwrap_or_default()))])))
}

fn daily(per_day: u32, at_daily_limit: AtDailyLimit) -> Setup {
    let limits = Limits { per_day: Some(per_day), at_daily_limit, ..Limits::default() };
    Setup { replies: vec![echo()], limits, ..Setup::default() }
}

fn today(bench: &Bench, zone: &str) -> Day {
    Zone::named(zone).expect("a zone").day(bench.clock.now())
}

fn sent(bench: &Bench, day: Day) -> u64 {
    bench.store.tally(&account()).within(day.from, day.until).sent
}

/// Sets the clock to the middle of a day, so that no case runs into a midnight of its own.
fn noon(bench: &Bench, zone: &str) {
    let tomorrow = today(bench, zone).until;
    bench.clock.by(tomorrow.since(bench.clock.now()) + Duration::from_secs(12 * 3600));
}

/// Waits until a message is answered and its answer waits for midnight.
async fn queued(bench: &Bench, id: InboxId) -> StoredDelivery {
    bench.settled(id).await;
    until("the answer waits", async || {
        let row = bench.delivery(id, DeliveryState::Ready).await;
        row.reason.as_ref().is_some_and(|reason| reason.starts_with("daily-limit")).then_some(row)
    })
    .await
}

/// B9, C3: at the limit what is more waits, in order, and goes on at midnight by itself; nothing of it is lost. A crash
/// finds it waiting, not half sent.
#[tokio::test(start_paused = true)]
async fn what_is_more_than_a_day_has_waits_for_midnight() {
    let bench = Bench::new(Setup { on_unknown: OnUnknown::Park, ..daily(2, AtDailyLimit::Queue) });
    noon(&bench, "UTC");
    bench.write("a", "one").await;
    bench.write("b", "two").await;
    bench.sent(2).await;
    let third = bench.write("a", "three").await;
    queued(&bench, third).await;
    let fourth = bench.write("a", "four").await;
    bench.settled(fourth).await;
    assert_eq!(bench.ledger.texts().len(), 2, "no more than the limit");
    let day = today(&bench, "UTC");
    until("both are counted", async || (sent(&bench, day) == 2).then_some(())).await;
    bench.clock.by(day.until.since(bench.clock.now()));
    let texts = bench.sent(4).await;
    assert_eq!(texts[2..], ["three", "four"], "in order within the chat");
    bench.delivered().await;
    let next = today(&bench, "UTC");
    assert_eq!((next.from, sent(&bench, day), sent(&bench, next)), (day.until, 2, 2), "each day has its own count");
}

/// C3: the count is that of the zone, on a day of 23 hours as well.
#[tokio::test(start_paused = true)]
async fn midnight_is_that_of_the_zone() {
    const ZONE: &str = "Europe/Berlin";
    let bench = Bench::new(Setup { time_zone: ZONE, ..daily(1, AtDailyLimit::Queue) });
    // Summer time begins on the last Sunday of March: found, not written down, since the clock is the machine's.
    let mut day = today(&bench, ZONE);
    while day.until.since(day.from) != Duration::from_secs(23 * 3600) {
        day = Zone::named(ZONE).expect("a zone").day(day.until);
    }
    let go = |to: UnixMillis| bench.clock.by(to.since(bench.clock.now()));
    go(day.from.plus(Duration::from_secs(60)));
    bench.write("a", "early").await;
    bench.sent(1).await;
    let late = bench.write("b", "late").await;
    queued(&bench, late).await;
    go(UnixMillis(day.until.0 - 60_000));
    // Two looks at the limit go by.
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(bench.ledger.texts(), ["early"], "a minute before midnight");
    go(day.until);
    bench.sent(2).await;
}

/// C3: `refuse` gives up what is more, with a code that says so; the operator may send it later.
#[tokio::test(start_paused = true)]
async fn what_is_more_is_refused_where_the_config_says_so() {
    let bench = Bench::new(daily(1, AtDailyLimit::Refuse));
    noon(&bench, "UTC");
    bench.write("a", "one").await;
    bench.sent(1).await;
    let second = bench.write("b", "two").await;
    let dead = bench.delivery(second, DeliveryState::Dead).await;
    let reason = dead.reason.expect("a reason");
    assert!(reason.starts_with("daily-limit: all 1 messages of the day are sent"), "{reason}");
    bench.pipeline.resend(dead.id).await.expect("it is replayed");
    bench.delivery(second, DeliveryState::Dead).await;
    assert_eq!(bench.ledger.texts(), ["one"]);
    bench.clock.by(today(&bench, "UTC").until.since(bench.clock.now()));
    until("it is dead again", async || {
        let row = bench.delivery(second, DeliveryState::Dead).await;
        bench.pipeline.resend(row.id).await.ok()
    })
    .await;
    assert_eq!(bench.sent(2).await, ["one", "two"]);
}

/// C3, F6: another process goes on with the count, and with what waits.
#[tokio::test(start_paused = true)]
async fn the_count_survives_the_process() {
    let bench = Bench::new(daily(2, AtDailyLimit::Queue));
    noon(&bench, "UTC");
    for (who, text) in [("a", "one"), ("b", "two")] {
        bench.write(who, text).await;
    }
    bench.sent(2).await;
    let third = bench.write("c", "three").await;
    queued(&bench, third).await;
    let stragglers = bench.pipeline.drain(Duration::from_secs(5)).await;
    assert_eq!(stragglers, [], "what waits for midnight holds no drain up");
    let again = bench.again(daily(2, AtDailyLimit::Queue));
    again.resume(&[account()]).await.expect("it is taken up");
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(bench.ledger.texts().len(), 2, "the day is still used up");
    bench.clock.by(today(&bench, "UTC").until.since(bench.clock.now()));
    assert_eq!(bench.sent(3).await[2], "three");
}

/// F2: an edit of the limit is seen at once by what waits.
#[tokio::test(start_paused = true)]
async fn a_higher_limit_lets_go_what_waits() {
    let bench = Bench::new(daily(1, AtDailyLimit::Queue));
    noon(&bench, "UTC");
    bench.write("a", "one").await;
    bench.sent(1).await;
    let second = bench.write("b", "two").await;
    queued(&bench, second).await;
    let before = tokio::time::Instant::now();
    bench.publish(daily(2, AtDailyLimit::Queue));
    bench.sent(2).await;
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
}

/// C3: a clock that is set back finds the day it is set to, with what was sent on it.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_finds_its_day() {
    let bench = Bench::new(daily(1, AtDailyLimit::Queue));
    noon(&bench, "UTC");
    bench.write("a", "today").await;
    bench.sent(1).await;
    bench.clock.by(Duration::from_secs(24 * 3600));
    bench.write("b", "tomorrow").await;
    bench.sent(2).await;
    bench.clock.back(Duration::from_secs(24 * 3600));
    let third = bench.write("c", "again").await;
    queued(&bench, third).await;
    bench.clock.by(Duration::from_secs(48 * 3600));
    assert_eq!(bench.sent(3).await[2], "again");
}

/// B9: of many that want to leave at once no more do than the limit, and no fewer.
#[tokio::test]
async fn no_two_take_the_last_place() {
    let bench = Bench::new(daily(10, AtDailyLimit::Refuse));
    noon(&bench, "UTC");
    bench.hold_wire();
    for n in 0..40 {
        bench.write(&format!("p{n}"), "x").await;
    }
    bench.let_wire();
    until("all are decided", async || {
        let dead = bench.store.list_deliveries(&[DeliveryState::Dead], 100).await.expect("rows");
        (dead.len() == 30).then_some(())
    })
    .await;
    bench.delivered().await;
    assert_eq!(bench.ledger.texts().len(), 10);
}

/// What is no message is neither counted nor held up.
#[tokio::test(start_paused = true)]
async fn a_read_mark_is_no_message() {
    let mark: Handle = Box::new(|_| Ok(Outcome::Answered(vec![Action::MarkRead])));
    let bench = Bench::new(daily(1, AtDailyLimit::Queue));
    noon(&bench, "UTC");
    bench.write("a", "one").await;
    bench.sent(1).await;
    bench.publish(Setup { replies: vec![mark], ..daily(1, AtDailyLimit::Queue) });
    let marked = bench.write("b", "two").await;
    bench.delivery(marked, DeliveryState::Sent).await;
    assert_eq!(sent(&bench, today(&bench, "UTC")), 1);
}

/// B9: in any 60 seconds no more than so many.
#[tokio::test(start_paused = true)]
async fn a_minute_has_so_many_messages() {
    let limits = Limits { per_minute: Some(3), ..Limits::default() };
    let bench = Bench::new(Setup { replies: vec![echo()], limits, ..Setup::default() });
    for n in 0..7 {
        bench.write(&format!("p{n}"), "x").await;
    }
    bench.sent(7).await;
    let times = bench.ledger.times.lock().clone();
    let apart: Vec<Duration> = times.windows(4).map(|four| four[3] - four[0]).collect();
    assert!(apart.iter().all(|apart| *apart >= Duration::from_secs(60)), "{apart:?}");
}

/// B10: what was sent is in the audit, once for each message, with who, where and when.
#[tokio::test]
async fn what_was_sent_is_audited() {
    let bench = Bench::new(daily(5, AtDailyLimit::Queue));
    let id = bench.write("a", "hello").await;
    bench.sent(1).await;
    bench.delivered().await;
    let entries = bench.store.audits(10).await.expect("they can be read");
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.act.as_str(), entry.actor.as_str(), entry.subject.as_str()), ("message_sent", "host", "c"));
    assert_eq!((&entry.detail["chat"], &entry.detail["answers"]), (&"chat-a".into(), &id.to_string().into()));
    assert!(!entry.detail.to_string().contains("hello"), "not what was said");
    assert_eq!(bench.store.audits_of_people(10).await.expect("they can be read"), []);
}
