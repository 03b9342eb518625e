//! A process that is killed: what it said was on disk is there. This program is the victim, too: called with `victim`
//! and a folder, it accepts and answers until it is dead.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use switchhook_core::action::{Action, Outgoing};
use switchhook_core::hook::KvSpace;
use switchhook_core::id::{AccountId, ChannelName, InboxId, PluginName};
use switchhook_core::message::{Chat, ChatKind, Content, Message, Party, Standing};
use switchhook_core::person::PersonId;
use switchhook_core::time::{SystemClock, UnixMillis};
use switchhook_store::*;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["victim", folder] => runtime.block_on(victim(Path::new(folder))),
        ["--list", ..] => {}
        _ => {
            runtime.block_on(a_kill_loses_nothing_that_was_on_disk());
            #[cfg(feature = "failpoints")]
            runtime.block_on(an_abort_at_any_edge_of_a_commit_loses_nothing());
            println!("a process that is killed: ok");
        }
    }
}

/// F6
async fn a_kill_loses_nothing_that_was_on_disk() {
    for answers in [1, 20, 57] {
        let folder = tempfile::tempdir().unwrap();
        let (accepted, answered) = witness(start(folder.path(), ""), answers);
        assert!(accepted.len() >= 2 * answers && answered.len() >= answers, "{} {}", accepted.len(), answered.len());
        check(folder.path(), &accepted, &answered).await;
    }
}

/// F6: each edge of a commit, at several passages.
#[cfg(feature = "failpoints")]
async fn an_abort_at_any_edge_of_a_commit_loses_nothing() {
    for edge in ["store.before_commit", "store.after_commit"] {
        for passage in 1..6 {
            let folder = tempfile::tempdir().unwrap();
            let (accepted, answered) = witness(start(folder.path(), &format!("{edge}:{passage}")), usize::MAX);
            assert_eq!(accepted.len() / 2 + answered.len(), passage - 1, "{edge}:{passage}");
            check(folder.path(), &accepted, &answered).await;
        }
    }
}

/// Accepts and answers until it is dead, and says what is on disk.
async fn victim(folder: &Path) {
    let (store, _) = Store::open(options(folder)).unwrap();
    for n in 0.. {
        let accepting = store.accept(vec![new(&n.to_string()), new(&format!("{n}b"))]).await;
        accepting.durable.await.unwrap().unwrap();
        let accepted = accepting.seen.await.unwrap().unwrap();
        let [Accepted::New(first), Accepted::New(second)] = accepted[..] else { panic!("{accepted:?}") };
        println!("accepted {first} {second}");
        store.commit_outcome(answer(first)).await.unwrap();
        println!("answered {first}");
    }
}

fn start(folder: &Path, abort_at: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .env("SWITCHHOOK_ABORT_AT", abort_at)
        .arg("victim")
        .arg(folder)
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
        let (what, ids) = line.split_once(' ').unwrap();
        let ids = ids.split(' ').map(|id| id.parse::<InboxId>().unwrap());
        match what {
            "accepted" => accepted.extend(ids),
            _ => answered.extend(ids),
        }
        if answered.len() == answers {
            // It may have died by itself.
            let _ = child.kill();
        }
    }
    child.wait().unwrap();
    (accepted, answered)
}

async fn check(folder: &Path, accepted: &[InboxId], answered: &[InboxId]) {
    let (store, _) = Store::open(options(folder)).unwrap();
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
    let count = store.kv_get(&scope(), "answered").await.unwrap().unwrap_or(b"0".to_vec());
    assert_eq!(String::from_utf8(count).unwrap(), done.len().to_string());
}

fn options(folder: &Path) -> StoreOptions {
    StoreOptions {
        dir: folder.to_owned(),
        keys: Keyring { current: MasterKey::from_bytes([1; 32]), old: Vec::new() },
        durability: Durability::Process,
        network_fs: Some(false),
        clock: Arc::new(SystemClock),
    }
}

fn account() -> AccountId {
    AccountId::new("telegram", "4242")
}

fn channel() -> ChannelName {
    ChannelName::new("me-on-telegram").unwrap()
}

fn new(key: &str) -> NewMessage {
    NewMessage { dedupe_key: key.to_owned(), message: message(), unresolved: None }
}

fn message() -> Message {
    let sender =
        Party { id: PersonId::new("tg", "12345"), aliases: Vec::new(), name: None, standing: Standing::Unknown };
    Message {
        id: "77".to_owned(),
        channel: channel(),
        connector: "telegram".to_owned(),
        account: account(),
        chat: Chat { id: "900".to_owned(), kind: ChatKind::Direct, title: None, thread: None },
        sender,
        content: Content::Text("x".to_owned()),
        attachments: Vec::new(),
        mentions_me: true,
        quoted: None,
        sent_at: UnixMillis(1),
        extra: Vec::new(),
    }
}

fn scope() -> KvScope {
    let chat = Some((channel(), message().conversation()));
    KvScope { space: KvSpace::Chat, plugin: PluginName::new("limiter").unwrap(), chat }
}

/// An answer that is leaving and one that waits, and a counter.
fn answer(id: InboxId) -> Outcome {
    let delivery = |text: &str, armed| NewDelivery {
        channel: channel(),
        account: account(),
        chat: "900".to_owned(),
        chat_kind: ChatKind::Direct,
        thread: None,
        action: Action::Send(Outgoing::text(text)),
        answers: Some("77".to_owned()),
        armed,
        fingerprint: "f1".to_owned(),
    };
    Outcome {
        messages: vec![id],
        state: InboxState::Done,
        reason: None,
        erase: false,
        deliveries: vec![delivery("a", true), delivery("b", false)],
        kv: vec![KvWrite { scope: scope(), key: "answered".to_owned(), change: KvChange::Increment(1) }],
        turns: Vec::new(),
        forget: Vec::new(),
        timers: Vec::new(),
        trace: None,
    }
}
