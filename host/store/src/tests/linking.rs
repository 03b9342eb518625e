use std::time::Duration;

use switchhook_core::code::ErrorCode;
use switchhook_core::id::{AccountId, LinkId};
use switchhook_core::link::{LinkMethodName, LinkStatus, LinkedDevice};
use switchhook_core::person::PersonId;
use switchhook_core::time::UnixMillis;

use super::support::*;
use crate::*;

const HOUR: Duration = Duration::from_secs(3600);

fn phone() -> AccountId {
    AccountId::new("phone", "mine")
}

fn number() -> PersonId {
    PersonId::from_number("+15557654321").unwrap()
}

fn attempt(account: AccountId) -> NewLink {
    NewLink {
        channel: channel(),
        account,
        method: LinkMethodName::Code,
        number: Some(number()),
        asked_by: "who-asked".to_owned(),
        asked_from: Some("asked-from".to_owned()),
        expires_at: UnixMillis(START + 300_000),
    }
}

fn failed(record: LinkRecord) -> LinkRecord {
    let message = "what-went-wrong".to_owned();
    LinkRecord {
        status: LinkStatus::Failed,
        error: Some(LinkProblem { code: ErrorCode::AuthenticationFailed, message, retryable: false }),
        ended_at: Some(UnixMillis(START)),
        ..record
    }
}

/// An attempt and a device, for whoever only needs that there are some.
pub(super) async fn remember(store: &Store) {
    let begun = store.begin_link(attempt(phone())).await.unwrap();
    store.keep_link(&failed(begun)).await.unwrap();
    store.keep_device(&device(store, phone())).await.unwrap();
}

fn device(store: &Store, account: AccountId) -> DeviceRecord {
    DeviceRecord {
        id: store.next_device_id(),
        channel: channel(),
        account,
        linked: LinkedDevice {
            owner: vec![PersonId::new("wa", "15557654321"), number()],
            name: Some("owner-name".to_owned()),
            platform: Some("iphone-of-hers".to_owned()),
        },
        method: Some(LinkMethodName::Qr),
        linked_at: UnixMillis(START),
        last_connected_at: None,
        last_disconnected_at: None,
        end: None,
    }
}

/// B3: who asked for what, and what became of it, outlives the process.
#[tokio::test]
async fn attempts_are_remembered_in_order() {
    let f = Fixture::new();
    let first = f.store.begin_link(attempt(phone())).await.unwrap();
    let first = failed(first);
    f.store.keep_link(&first).await.unwrap();
    let second = f.store.begin_link(attempt(phone())).await.unwrap();
    let other = f.store.begin_link(attempt(account())).await.unwrap();
    let (f, _) = f.reopen();
    assert_eq!(f.store.links(9).await.unwrap(), [other.clone(), second.clone(), first]);
    assert_eq!(f.store.links(1).await.unwrap(), std::slice::from_ref(&other));
    assert_eq!(f.store.last_link(&phone()).await.unwrap(), Some(second.clone()));
    assert_eq!(f.store.open_links().await.unwrap(), [second, other]);
    assert_eq!(f.store.begin_link(attempt(account())).await.unwrap().id, LinkId(4), "ids go on");
}

/// B3: the number of an attempt counts those in a row, up to a link that stands.
#[tokio::test]
async fn attempts_in_a_row_are_counted() {
    let f = Fixture::new();
    let mut numbers = Vec::new();
    for status in [LinkStatus::Failed, LinkStatus::Expired, LinkStatus::Success, LinkStatus::Cancelled] {
        let begun = f.store.begin_link(attempt(phone())).await.unwrap();
        numbers.push(begun.attempt);
        f.store.keep_link(&LinkRecord { status, ended_at: Some(UnixMillis(START)), ..begun }).await.unwrap();
    }
    assert_eq!(numbers, [1, 2, 3, 1]);
}

/// B9: what limits attempts is on disk, so that a restart does not lift it.
#[tokio::test]
async fn attempts_are_found_by_who_asked_and_when() {
    let f = Fixture::new();
    f.store.begin_link(attempt(phone())).await.unwrap();
    f.clock.advance(HOUR);
    f.store.begin_link(attempt(phone())).await.unwrap();
    f.store.begin_link(NewLink { asked_by: "another".to_owned(), ..attempt(phone()) }).await.unwrap();
    let (f, _) = f.reopen();
    let since = |at: u64| f.store.links_asked_by("who-asked", UnixMillis(at));
    assert_eq!(since(START).await.unwrap(), [UnixMillis(START + 3_600_000)]);
    assert_eq!(since(START - 1).await.unwrap().len(), 2);
}

/// B4
#[tokio::test]
async fn the_last_device_of_each_account_is_known_after_a_restart() {
    let f = Fixture::new();
    let first = device(&f.store, phone());
    f.store.keep_device(&first).await.unwrap();
    f.store.keep_device(&device(&f.store, account())).await.unwrap();
    let second = device(&f.store, phone());
    f.store.keep_device(&second).await.unwrap();
    let second = DeviceRecord { last_connected_at: Some(UnixMillis(START + 1)), ..second };
    f.store.keep_device_later(&second).await;
    let (f, _) = f.reopen();
    let devices = f.store.devices().await.unwrap();
    assert_eq!(devices.iter().map(|d| d.account.clone()).collect::<Vec<_>>(), [account(), phone()]);
    assert_eq!(devices[1], second);
    assert!(f.store.next_device_id() > second.id);
}

/// B8: nothing that an attempt or a device says lies in clear.
#[tokio::test]
async fn nothing_of_a_link_is_found_by_grep() {
    let f = Fixture::new();
    let begun = f.store.begin_link(attempt(phone())).await.unwrap();
    f.store.keep_link(&failed(begun)).await.unwrap();
    f.store.keep_device(&device(&f.store, phone())).await.unwrap();
    let secrets = ["15557654321", "who-asked", "asked-from", "what-went-wrong", "owner-name", "hers", "phone:mine"];
    let look = |f: &Fixture| {
        for file in f.files() {
            let bytes = std::fs::read(&file).unwrap();
            for text in secrets {
                let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
                assert!(!found, "{text} is readable in {}", file.display());
            }
        }
    };
    look(&f);
    let (f, _) = f.reopen();
    look(&f);
    assert_eq!(f.store.links(9).await.unwrap().len(), 1, "and yet it is there");
}

#[tokio::test]
async fn old_attempts_and_audits_are_forgotten() {
    let f = Fixture::new();
    let begun = f.store.begin_link(attempt(phone())).await.unwrap();
    f.store.keep_link(&failed(begun)).await.unwrap();
    let open = f.store.begin_link(attempt(phone())).await.unwrap();
    let entry = AuditEntry {
        at: UnixMillis(START),
        actor: "a".to_owned(),
        address: None,
        user_agent: None,
        act: "unlink".to_owned(),
        subject: "mine".to_owned(),
        detail: serde_json::Value::Null,
    };
    f.store.audit(entry).await;
    f.clock.advance(91 * 24 * HOUR);
    assert_eq!(f.store.purge().await.unwrap(), 1);
    assert_eq!(f.store.links(9).await.unwrap(), [open]);
    f.clock.advance(366 * 24 * HOUR);
    assert_eq!(f.store.purge().await.unwrap(), 1);
    assert!(f.store.audits(9).await.unwrap().is_empty());
}
