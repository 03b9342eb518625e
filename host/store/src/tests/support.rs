use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use switchhook_core::action::{Action, Outgoing};
use switchhook_core::hook::KvSpace;
use switchhook_core::id::{AccountId, ChannelName, InboxId, PluginName};
use switchhook_core::message::{Chat, ChatKind, Content, Conversation, Message, Party, Standing};
use switchhook_core::person::PersonId;
use switchhook_core::time::{Clock, UnixMillis};
use tempfile::TempDir;

use crate::*;

pub(super) const START: u64 = 1_700_000_000_000;

/// A clock that stands until it is moved.
pub(super) struct HeldClock(AtomicU64);

impl HeldClock {
    pub(super) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for HeldClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

pub(super) struct Fixture {
    pub(super) dir: TempDir,
    pub(super) clock: Arc<HeldClock>,
    pub(super) store: Store,
}

pub(super) fn options(dir: &Path) -> StoreOptions {
    StoreOptions {
        dir: dir.to_owned(),
        keys: ring(1, &[]),
        durability: Durability::Process,
        network_fs: Some(false),
        clock: Arc::new(HeldClock(AtomicU64::new(START))),
    }
}

/// A store whose awaited commits are synced.
pub(super) fn powered() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let clock = Fixture::new().clock;
    let options = StoreOptions { clock: clock.clone(), durability: Durability::Power, ..options(dir.path()) };
    let (store, _) = Store::open(options).unwrap();
    Fixture { dir, clock, store }
}

pub(super) fn ring(current: u8, old: &[u8]) -> Keyring {
    let key = |byte| MasterKey::from_bytes([byte; 32]);
    Keyring { current: key(current), old: old.iter().map(|b| key(*b)).collect() }
}

impl Fixture {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(HeldClock(AtomicU64::new(START)));
        let (store, recovered) = Store::open(StoreOptions { clock: clock.clone(), ..options(dir.path()) }).unwrap();
        assert_eq!(recovered, Recovered::default());
        Self { dir, clock, store }
    }

    /// Closes in order and opens again.
    pub(super) fn reopen(self) -> (Self, Recovered) {
        let Self { dir, clock, store } = self;
        store.close();
        let (store, recovered) = Store::open(StoreOptions { clock: clock.clone(), ..options(dir.path()) }).unwrap();
        (Self { dir, clock, store }, recovered)
    }

    /// Opens what a process that dies now would leave: a copy of the files as they are. The old store is never closed.
    pub(super) fn crash(self) -> (Self, Recovered) {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        let clock = self.clock.clone();
        std::mem::forget(self);
        let (store, recovered) = Store::open(StoreOptions { clock: clock.clone(), ..options(copy.path()) }).unwrap();
        (Self { dir: copy, clock, store }, recovered)
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// Accepts one text and waits until it is on disk.
    pub(super) async fn accept(&self, key: &str, text: &str) -> InboxId {
        match self.accept_all(vec![new(key, text)]).await.unwrap()[..] {
            [Accepted::New(id)] => id,
            ref other => panic!("{other:?}"),
        }
    }

    pub(super) async fn accept_all(&self, batch: Vec<NewMessage>) -> Result<Vec<Accepted>, StoreError> {
        let accepting = self.store.accept(batch).await;
        accepting.durable.await.unwrap()?;
        accepting.seen.await.unwrap()
    }

    /// Accepts a message and answers it with these texts, all armed or none.
    pub(super) async fn answered(&self, key: &str, answers: &[&str], armed: bool) -> (InboxId, Vec<OutboxIdOf>) {
        let id = self.accept(key, "question").await;
        let deliveries = answers.iter().map(|text| delivery(text, armed)).collect();
        let ids = self.store.commit_outcome(Outcome { deliveries, ..done(id) }).await.unwrap();
        (id, ids)
    }
}

pub(super) type OutboxIdOf = switchhook_core::id::OutboxId;

pub(super) fn account() -> AccountId {
    AccountId::new("telegram", "4242")
}

pub(super) fn channel() -> ChannelName {
    ChannelName::new("me-on-telegram").unwrap()
}

pub(super) fn person(text: &str) -> PersonId {
    PersonId::new("tg", text)
}

pub(super) fn party(id: &str, name: Option<&str>) -> Party {
    Party { id: person(id), aliases: Vec::new(), name: name.map(str::to_owned), standing: Standing::Unknown }
}

pub(super) fn message(text: &str) -> Message {
    Message {
        id: "77".to_owned(),
        channel: channel(),
        connector: "telegram".to_owned(),
        account: account(),
        chat: Chat { id: "900".to_owned(), kind: ChatKind::Direct, title: None, thread: None },
        sender: party("12345", Some("Ada")),
        content: Content::Text(text.to_owned()),
        attachments: Vec::new(),
        mentions_me: true,
        quoted: None,
        sent_at: UnixMillis(START),
        extra: Vec::new(),
    }
}

pub(super) fn new(key: &str, text: &str) -> NewMessage {
    NewMessage { dedupe_key: key.to_owned(), message: message(text), unresolved: None }
}

pub(super) fn conversation() -> Conversation {
    message("").conversation()
}

pub(super) fn delivery(text: &str, armed: bool) -> NewDelivery {
    NewDelivery {
        channel: channel(),
        account: account(),
        chat: "900".to_owned(),
        chat_kind: ChatKind::Direct,
        thread: None,
        action: Action::Send(Outgoing::text(text)),
        answers: Some("77".to_owned()),
        armed,
        fingerprint: "f1".to_owned(),
    }
}

pub(super) fn done(id: InboxId) -> Outcome {
    Outcome {
        messages: vec![id],
        state: InboxState::Done,
        reason: None,
        erase: false,
        deliveries: Vec::new(),
        kv: Vec::new(),
        turns: Vec::new(),
        forget: Vec::new(),
        timers: Vec::new(),
        trace: None,
    }
}

pub(super) fn plugin() -> PluginName {
    PluginName::new("limiter").unwrap()
}

pub(super) fn chat_scope() -> KvScope {
    KvScope { space: KvSpace::Chat, plugin: plugin(), chat: Some((channel(), conversation())) }
}

pub(super) fn kv(key: &str, change: KvChange) -> KvWrite {
    KvWrite { scope: chat_scope(), key: key.to_owned(), change }
}

/// Keeps the writer busy inside a transaction until it is let go.
pub(super) struct Blocked {
    release: mpsc::SyncSender<()>,
    started: tokio::sync::oneshot::Receiver<()>,
}

impl Blocked {
    pub(super) async fn queue(store: &Store) -> Self {
        let (release, wait) = mpsc::sync_channel(1);
        let (begun, started) = tokio::sync::oneshot::channel();
        let mut begun = Some(begun);
        let work = move |_: &mut crate::writer::Batch<'_>| {
            if let Some(begun) = begun.take() {
                let _ = begun.send(());
            }
            let _ = wait.recv();
            Ok(())
        };
        store.order("blocker", work).await;
        Self { release, started }
    }
    pub(super) async fn started(&mut self) {
        (&mut self.started).await.unwrap();
    }
    pub(super) fn release(self) {
        self.release.send(()).unwrap();
    }
}
