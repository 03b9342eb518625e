//! Linking with a phone that is scripted. Time stands still unless a test moves it: the store's threads run beside it, and
//! a clock that moved by itself would outrun them.

mod phone;

use std::time::Duration;

use switchhook_core::code::ErrorCode;
use switchhook_core::link::{LinkError, LinkEvent, LinkMethodName, LinkStatus};
use switchhook_core::status::DeviceStatus;
use switchhook_store::EndedBy;

use super::*;
use phone::{Bench, Step, request};

const SECOND: Duration = Duration::from_secs(1);
const OURS: &str = "+15550000001";
const OTHER: &str = "+15550000002";

fn qr(payload: &str, seconds: u64) -> Step {
    Step::Tell(LinkEvent::Qr { payload: payload.to_owned(), expires_in: Duration::from_secs(seconds) })
}

fn code(code: &str) -> Step {
    Step::Tell(LinkEvent::Code { code: code.to_owned(), expires_in: Duration::from_secs(180) })
}

/// B1, B3, B10, C2: from nothing to a device that receives, with every step seen and written down.
#[tokio::test(start_paused = true)]
async fn a_scanned_code_makes_a_device() {
    let bench = Bench::new().await;
    bench.script([qr("one", 60), Step::Wait, Step::Tell(LinkEvent::Scanned), Step::Linked(OURS)]);
    assert_eq!(bench.device().status, DeviceStatus::Pending);
    let Begun::New(begun) = bench.start(request(LinkMethodName::Qr, None)).await.unwrap() else { panic!() };
    assert_eq!((begun.record.attempt, begun.record.status), (1, LinkStatus::Pending));
    let shown = bench.until(|attempt| attempt.qr.is_some()).await;
    assert_eq!(shown.qr.unwrap().expires_in_ms, 58_000);
    assert_eq!(bench.device().status, DeviceStatus::Linking);
    bench.phone.go_on();
    let done = bench.until(|attempt| attempt.record.status.is_over()).await;
    assert_eq!((done.record.status, done.qr), (LinkStatus::Success, None));
    let progress = done.record.progress;
    assert!(progress.qr_scanned && progress.device_linked && progress.sync_complete);
    let device = bench.device();
    assert_eq!((device.status, device.active), (DeviceStatus::Active, true));
    assert_eq!(device.number.unwrap().as_str(), OURS);
    assert!(device.last_connected_at.is_some());
    assert_eq!(bench.audit().await, ["link_complete", "link_start"]);
    let entry = bench.store.audits(1).await.unwrap().remove(0);
    assert_eq!((entry.actor.as_str(), entry.address.as_deref()), ("tester", Some("127.0.0.1")));
    assert_eq!(bench.store.links(9).await.unwrap(), [done.record]);
}

/// B1, C6: a dead QR code is in no answer, one that is about to die neither, and the next one takes its place.
#[tokio::test(start_paused = true)]
async fn a_dead_code_is_never_shown() {
    let bench = Bench::new().await;
    bench.script([qr("one", 60), Step::Wait, qr("two", 20), Step::Wait]);
    bench.start(request(LinkMethodName::Qr, None)).await.unwrap();
    bench.until(|attempt| attempt.qr.is_some()).await;
    assert_eq!(bench.qr().unwrap().payload, "one");
    tokio::time::advance(57 * SECOND).await;
    assert_eq!(bench.attempt().await.qr.unwrap().expires_in_ms, 1_000);
    tokio::time::advance(SECOND).await;
    assert_eq!(bench.attempt().await.qr, None);
    assert!(matches!(bench.qr(), Err(LinkRefusal::QrExpired)));
    bench.phone.go_on();
    let next = bench.until(|attempt| attempt.qr.is_some()).await.qr.unwrap();
    assert_eq!((next.payload.as_str(), next.expires_in_ms), ("two", 18_000));
}

/// B9: three batches of QR codes, then the attempt has expired, in words of its own.
#[tokio::test(start_paused = true)]
async fn the_third_batch_is_the_last() {
    let bench = Bench::new().await;
    bench.script([Step::Fail(LinkError::Expired)]);
    bench.start(request(LinkMethodName::Qr, None)).await.unwrap();
    let over = bench.until(|attempt| attempt.record.status.is_over()).await;
    assert_eq!((over.record.status, bench.phone.asked()), (LinkStatus::Expired, 3));
    assert_eq!(over.record.error.unwrap().code, ErrorCode::QrExpired);
    bench.status_is(State::NeedsLink).await;
}

fn unreachable() -> Step {
    Step::Fail(LinkError::Unreachable { reason: "reset".to_owned() })
}

/// B12: a connection that does not come about, or breaks under a code, is made again after 1, 2 and 4 s.
#[tokio::test(start_paused = true)]
async fn a_connection_is_made_again() {
    let bench = Bench::new().await;
    bench.script([unreachable()]);
    bench.start(request(LinkMethodName::Qr, None)).await.unwrap();
    bench.phone.until_asked(1).await;
    bench.script([qr("one", 60), Step::Wait, unreachable()]);
    tokio::time::advance(SECOND).await;
    bench.until(|attempt| attempt.qr.is_some()).await;
    bench.phone.go_on();
    let waiting = bench.until(|attempt| attempt.qr.is_none()).await;
    assert_eq!((waiting.record.status, bench.phone.asked()), (LinkStatus::Pending, 2));
    bench.script([unreachable()]);
    tokio::time::advance(2 * SECOND).await;
    bench.phone.until_asked(3).await;
    tokio::time::advance(3 * SECOND).await;
    bench.status_is(State::Linking).await;
    assert_eq!(bench.phone.asked(), 3, "each wait is twice the one before");
    tokio::time::advance(SECOND).await;
    let over = bench.until(|attempt| attempt.record.status.is_over()).await;
    assert_eq!((over.record.status, bench.phone.asked()), (LinkStatus::Failed, 4));
    let error = over.record.error.unwrap();
    assert_eq!((error.code, error.retryable), (ErrorCode::ConnectionClosed, true));
}

/// B12, B3: what a phone agreed to is not asked for twice, and who waits for the next try can give up.
#[tokio::test(start_paused = true)]
async fn a_connection_is_not_made_again_for_nothing() {
    let bench = Bench::new().await;
    bench.script([qr("one", 60), Step::Tell(LinkEvent::Scanned), unreachable()]);
    bench.start(request(LinkMethodName::Qr, None)).await.unwrap();
    let over = bench.until(|attempt| attempt.record.status.is_over()).await;
    assert_eq!((over.record.status, bench.phone.asked()), (LinkStatus::Failed, 1));
    bench.script([unreachable()]);
    bench.start(request(LinkMethodName::Qr, None)).await.unwrap();
    bench.phone.until_asked(2).await;
    let cancelled = bench.cancel().await.unwrap();
    assert_eq!((cancelled.record.status, bench.phone.asked()), (LinkStatus::Cancelled, 2));
}

/// B3: five minutes in all.
#[tokio::test(start_paused = true)]
async fn an_attempt_expires_after_five_minutes() {
    let bench = Bench::new().await;
    let codes = (0..20).flat_map(|n| [qr(&n.to_string(), 20), Step::Wait]);
    bench.script(codes);
    bench.start(request(LinkMethodName::Qr, None)).await.unwrap();
    for _ in 0..14 {
        bench.until(|attempt| attempt.qr.is_some()).await;
        tokio::time::advance(20 * SECOND).await;
        assert!(!bench.attempt().await.record.status.is_over());
        bench.phone.go_on();
    }
    bench.until(|attempt| attempt.qr.is_some()).await;
    tokio::time::advance(20 * SECOND).await;
    let over = bench.until(|attempt| attempt.record.status.is_over()).await;
    assert_eq!(over.record.status, LinkStatus::Expired);
}

/// B2: a pairing code is shown in halves for 120 s, though the phone takes it for 180.
#[tokio::test(start_paused = true)]
async fn a_pairing_code_is_shown_for_two_minutes() {
    let bench = Bench::new().await;
    bench.script([code("ABCDEFGH"), Step::Wait]);
    bench.start(request(LinkMethodName::Code, Some(OURS))).await.unwrap();
    let shown = bench.until(|attempt| attempt.code.is_some()).await.code.unwrap();
    assert_eq!((shown.code.as_str(), shown.expires_in_ms), ("ABCD-EFGH", 120_000));
    assert!(shown.instructions.len() >= 3);
    tokio::time::advance(121 * SECOND).await;
    let attempt = bench.attempt().await;
    assert_eq!((attempt.code, attempt.record.status), (None, LinkStatus::Pending));
    tokio::time::advance(60 * SECOND).await;
    let over = bench.until(|attempt| attempt.record.status.is_over()).await;
    assert_eq!(over.record.error.unwrap().code, ErrorCode::PairingCodeExpired);
}

/// E3: a code request that hangs ends after 20 s, and the next one is not held up.
#[tokio::test(start_paused = true)]
async fn a_hung_request_ends_and_blocks_nobody() {
    let bench = Bench::new().await;
    bench.script([Step::Wait]);
    bench.start(request(LinkMethodName::Code, Some(OURS))).await.unwrap();
    bench.phone.until_asked(1).await;
    tokio::time::advance(20 * SECOND).await;
    let over = bench.until(|attempt| attempt.record.status.is_over()).await;
    let error = over.record.error.unwrap();
    assert_eq!((error.code, error.retryable), (ErrorCode::ConnectionTimeout, true));
    bench.script([code("ABCDEFGH"), Step::Wait]);
    let Begun::New(next) = bench.start(request(LinkMethodName::Code, Some(OURS))).await.unwrap() else { panic!() };
    assert_eq!(next.record.attempt, 2);
    bench.until(|attempt| attempt.code.is_some()).await;
}

/// E2: two requests at once give one code; another one is told that there is one.
#[tokio::test(start_paused = true)]
async fn two_requests_give_one_code() {
    let bench = Bench::new().await;
    bench.script([code("ABCDEFGH"), Step::Wait]);
    let same = || bench.start(request(LinkMethodName::Code, Some(OURS)));
    let (first, second) = tokio::join!(same(), same());
    let (Begun::New(first), Begun::Joined(second)) = (first.unwrap(), second.unwrap()) else { panic!() };
    assert_eq!(first.record.id, second.record.id);
    bench.until(|attempt| attempt.code.is_some()).await;
    assert_eq!(bench.phone.asked(), 1);
    for other in [request(LinkMethodName::Qr, None), request(LinkMethodName::Code, Some(OTHER))] {
        assert!(matches!(bench.start(other).await, Err(LinkRefusal::Busy(_))));
    }
}

/// B3, B10: given up, told, and the next one may begin.
#[tokio::test(start_paused = true)]
async fn an_attempt_can_be_cancelled() {
    let bench = Bench::new().await;
    bench.script([qr("one", 60), Step::Wait]);
    bench.start(request(LinkMethodName::Qr, None)).await.unwrap();
    bench.until(|attempt| attempt.qr.is_some()).await;
    let cancelled = bench.cancel().await.unwrap();
    assert_eq!((cancelled.record.status, cancelled.qr), (LinkStatus::Cancelled, None));
    assert_eq!(cancelled.record.error.unwrap().code, ErrorCode::LinkingCancelled);
    assert!(matches!(bench.cancel().await, Err(LinkRefusal::NotUnderWay(_))));
    assert_eq!(bench.audit().await, ["link_cancel", "link_start"]);
}

/// B9: five an hour for each user, with the time to wait.
#[tokio::test(start_paused = true)]
async fn the_sixth_attempt_of_an_hour_is_refused() {
    let bench = Bench::new().await;
    bench.script([Step::Fail(LinkError::Refused { code: "no", reason: "no, said the phone".to_owned() })]);
    for _ in 0..5 {
        bench.start(request(LinkMethodName::Qr, None)).await.unwrap();
        bench.until(|attempt| attempt.record.status.is_over()).await;
        tokio::time::advance(60 * SECOND).await;
    }
    match bench.start(request(LinkMethodName::Qr, None)).await {
        Err(LinkRefusal::TooMany { per_hour: 5, retry_after }) => assert_eq!(retry_after.as_secs(), 3_300),
        other => panic!("{other:?}"),
    }
    tokio::time::advance(3_301 * SECOND).await;
    bench.start(request(LinkMethodName::Qr, None)).await.unwrap();
}

/// E4: no number, no code; and none is made up.
#[tokio::test(start_paused = true)]
async fn a_code_needs_a_number() {
    let bench = Bench::new().await;
    let none = bench.start(request(LinkMethodName::Code, None)).await;
    assert!(matches!(none, Err(LinkRefusal::NoNumber(_))), "{none:?}");
    let bad = bench.start(request(LinkMethodName::Code, Some("12"))).await;
    assert!(matches!(bad, Err(LinkRefusal::BadNumber(_))), "{bad:?}");
    bench.phone.expect(OURS);
    let other = bench.start(request(LinkMethodName::Code, Some(OTHER))).await;
    assert!(matches!(other, Err(LinkRefusal::OtherNumber(_))), "{other:?}");
    bench.script([code("ABCDEFGH"), Step::Wait]);
    bench.start(request(LinkMethodName::Code, None)).await.unwrap();
    bench.until(|attempt| attempt.code.is_some()).await;
    assert_eq!(bench.attempt().await.record.number.unwrap().as_str(), OURS);
    assert_eq!(bench.phone.asked(), 1);
}

/// E1: a link that stands is given up only when that is confirmed; one of another number that does not, at once.
#[tokio::test(start_paused = true)]
async fn another_number_takes_the_place_of_what_is_stored() {
    let bench = Bench::new().await;
    bench.connect_as(OURS).await;
    let other = || request(LinkMethodName::Code, Some(OTHER));
    let refused = bench.start(other()).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::DeviceAlreadyLinked));
    assert!(bench.phone.linked_to().is_some(), "nothing was touched");

    bench.script([code("ABCDEFGH"), Step::Wait, Step::Linked(OTHER)]);
    bench.start(LinkRequest { confirm: true, ..other() }).await.unwrap();
    bench.until(|attempt| attempt.code.is_some()).await;
    assert_eq!((bench.phone.linked_to(), bench.phone.goodbyes()), (None, 1));
    bench.phone.go_on();
    bench.until(|attempt| attempt.record.status == LinkStatus::Success).await;

    bench.phone.break_connection();
    bench.refresh().await.unwrap();
    bench.status_is(State::Reconnecting).await;
    bench.script([code("HGFEDCBA"), Step::Wait]);
    bench.start(request(LinkMethodName::Code, Some(OURS))).await.unwrap();
    bench.until(|attempt| attempt.code.is_some()).await;
    assert_eq!((bench.phone.linked_to(), bench.phone.goodbyes()), (None, 1), "cleared, and nobody told");
    let acts = bench.audit().await;
    let expect = ["reset", "link_start", "refresh", "link_complete", "unlink", "link_start", "refresh"];
    assert_eq!(acts, expect);
}

/// E6: the wrong phone is told in words, not as a time-out.
#[tokio::test(start_paused = true)]
async fn a_mismatch_is_told_in_words() {
    let bench = Bench::new().await;
    let expected = switchhook_core::person::PersonId::from_number(OURS).unwrap();
    bench.script([Step::Tell(LinkEvent::Scanned), Step::Fail(LinkError::NumberMismatch { expected })]);
    bench.start(request(LinkMethodName::Code, Some(OURS))).await.unwrap();
    let over = bench.until(|attempt| attempt.record.status.is_over()).await;
    let error = over.record.error.unwrap();
    assert_eq!((error.code, error.retryable), (ErrorCode::AuthenticationFailed, false));
    assert!(error.message.contains("was not linked"), "{}", error.message);
}

/// B5, C7, E5: unlinking says goodbye, a reset does not; both forget, and the channel needs a link.
#[tokio::test(start_paused = true)]
async fn a_device_is_let_go_of() {
    let bench = Bench::new().await;
    assert!(matches!(bench.unlink().await, Err(LinkRefusal::NotLinked(_))));
    for (goodbyes, by) in [(1, EndedBy::Unlink), (1, EndedBy::Reset)] {
        bench.connect_as(OURS).await;
        let gone = match by {
            EndedBy::Unlink => bench.unlink().await.unwrap(),
            _ => bench.reset().await.unwrap(),
        };
        assert!(gone.ended_at.is_some());
        assert_eq!((bench.phone.linked_to(), bench.phone.goodbyes()), (None, goodbyes));
        bench.status_is(State::NeedsLink).await;
        assert_eq!(bench.device().status, DeviceStatus::Revoked);
        assert_eq!(bench.links.registry.get(&bench.account).unwrap().end.unwrap().by, by);
    }
    assert_eq!(bench.audit().await, ["reset", "refresh", "unlink", "refresh"]);
}

/// B4: what the owner calls themselves is known when the connection is made, and asked for with the picture in detail.
#[tokio::test(start_paused = true)]
async fn name_and_picture_are_told() {
    let bench = Bench::new().await;
    bench.connect_as(OURS).await;
    assert_eq!((bench.device().display_name, bench.device().picture), (None, None));
    bench.phone.call_owner("Olive");
    let device = bench.device_in_detail().await;
    assert_eq!(device.display_name.as_deref(), Some("Olive"));
    assert_eq!(device.picture.as_deref(), Some("https://pictures.invalid/1"));
    bench.phone.call_owner("Olive Owner");
    bench.refresh().await.unwrap();
    while bench.device().display_name.as_deref() != Some("Olive Owner") {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.store.devices().await.unwrap()[0].linked.name.as_deref(), Some("Olive Owner"));
}

/// B3, B11: a passkey is asked for, answered and compared; what was shown before it is gone.
#[tokio::test(start_paused = true)]
async fn a_passkey_is_asked_for_and_answered() {
    let bench = Bench::new().await;
    let asks = LinkEvent::PasskeyRequired { options: r#"{"challenge":"x"}"#.to_owned() };
    let compares = LinkEvent::PasskeyConfirmation { code: Some("77".to_owned()) };
    bench.script([qr("one", 60), Step::Tell(asks), Step::Wait, Step::Tell(compares), Step::Wait, Step::Linked(OURS)]);
    bench.start(request(LinkMethodName::Qr, None)).await.unwrap();
    let asked = bench.until(|attempt| attempt.passkey.is_some()).await;
    assert_eq!(asked.passkey.unwrap().options.unwrap()["challenge"], "x");
    assert_eq!((asked.qr, asked.record.status), (None, LinkStatus::Scanned));
    bench.status_is(State::PasskeyRequired).await;
    assert!(matches!(bench.confirm_passkey().await, Err(LinkRefusal::NothingToCompare)));
    bench.passkey().await.unwrap();
    bench.phone.go_on();
    let compared = bench.until(|a| a.passkey.as_ref().is_some_and(|p| p.compare.is_some())).await;
    assert_eq!(compared.passkey.unwrap().compare.as_deref(), Some("77"));
    assert!(matches!(bench.passkey().await, Err(LinkRefusal::NoPasskey)));
    bench.confirm_passkey().await.unwrap();
    bench.until(|attempt| attempt.record.status == LinkStatus::Success).await;
}

/// B3: an attempt that a crash cut off is over, and says so.
#[tokio::test(start_paused = true)]
async fn an_attempt_of_a_dead_process_is_over() {
    let bench = Bench::new().await;
    bench.script([qr("one", 60), Step::Wait]);
    bench.start(request(LinkMethodName::Qr, None)).await.unwrap();
    bench.until(|attempt| attempt.qr.is_some()).await;
    let links = bench.open_again().await;
    let last = links.attempt(&bench.channel, &bench.account).await.unwrap().record;
    assert_eq!(last.status, LinkStatus::Failed);
    assert_eq!(last.error.unwrap().code, ErrorCode::ConnectionClosed);
}
