//! A process that is killed: what it said was on disk is there.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use switchhook_core::id::InboxId;

use super::support::*;
use crate::*;

const FOLDER: &str = "SWITCHHOOK_TEST_FOLDER";

/// Not a test by itself: accepts and answers until it is killed, and says what is on disk.
#[tokio::test]
#[ignore = "started by the other tests of this module"]
async fn victim() {
    let Ok(dir) = std::env::var(FOLDER) else { return };
    let (store, _) = Store::open(options(Path::new(&dir))).unwrap();
    for n in 0.. {
        let accepting = store.accept(vec![new(&n.to_string(), "x"), new(&format!("{n}b"), "y")]).await;
        accepting.durable.await.unwrap().unwrap();
        let accepted = accepting.seen.await.unwrap().unwrap();
        let [Accepted::New(first), Accepted::New(second)] = accepted[..] else { panic!("{accepted:?}") };
        println!("accepted {first} {second}");
        let deliveries = vec![delivery("a", true), delivery("b", false)];
        let kv = vec![kv("answered", KvChange::Increment(1))];
        store.commit_outcome(Outcome { deliveries, kv, ..done(first) }).await.unwrap();
        println!("answered {first}");
    }
}

fn start(dir: &Path, abort_at: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .env("SWITCHHOOK_ABORT_AT", abort_at)
        .args(["--exact", "tests::crash::victim", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads what the victim says until it is dead; kills it after so many answers, if it does not die before.
fn witness(mut child: Child, answers: usize) -> (Vec<InboxId>, Vec<InboxId>) {
    let (mut accepted, mut answered) = (Vec::new(), Vec::new());
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The harness writes the test's name before the first line.
        let ids = line.split_whitespace().filter_map(|word| word.parse::<InboxId>().ok());
        if line.contains("accepted") {
            accepted.extend(ids);
        } else if line.contains("answered") {
            answered.extend(ids);
            if answered.len() == answers {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    (accepted, answered)
}

async fn check(dir: &Path, accepted: &[InboxId], answered: &[InboxId]) {
    let (store, _) = Store::open(options(dir)).unwrap();
    for id in accepted {
        assert!(store.load(*id).await.unwrap().is_some_and(|m| m.message.is_some()), "{id} was accepted");
    }
    let done = store.list(InboxState::Done, 100_000).await.unwrap();
    for id in answered {
        assert!(done.iter().any(|message| message.id == *id), "{id} was answered");
    }
    // Whatever was answered was answered as a whole.
    for message in &done {
        let states: Vec<_> = store.deliveries_of(message.id).await.unwrap().iter().map(|d| d.state).collect();
        assert_eq!(states, [DeliveryState::Unknown, DeliveryState::Ready]);
    }
    let count = store.kv_get(&chat_scope(), "answered").await.unwrap().unwrap_or(b"0".to_vec());
    assert_eq!(String::from_utf8(count).unwrap(), done.len().to_string());
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_on_disk() {
    for answers in [1, 20, 57] {
        let dir = tempfile::tempdir().unwrap();
        let (accepted, answered) = witness(start(dir.path(), ""), answers);
        assert!(accepted.len() >= 2 * answers && answered.len() >= answers, "{} {}", accepted.len(), answered.len());
        check(dir.path(), &accepted, &answered).await;
    }
}

/// Each edge of a commit, at several passages.
#[cfg(feature = "failpoints")]
#[tokio::test]
async fn an_abort_at_any_edge_of_a_commit_loses_nothing() {
    for edge in ["store.before_commit", "store.after_commit"] {
        for passage in 1..6 {
            let dir = tempfile::tempdir().unwrap();
            let (accepted, answered) = witness(start(dir.path(), &format!("{edge}:{passage}")), usize::MAX);
            assert_eq!(accepted.len() / 2 + answered.len(), passage - 1, "{edge}:{passage}");
            check(dir.path(), &accepted, &answered).await;
        }
    }
}
