//! What a guest may ask of the host, for one call: scoped to its plugin and chat, recorded, and without effect until
//! the outcome of the message is committed.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use switchhook_core::connector::Connector;
use switchhook_core::hook::{HookFailure, HostServices, KvError, KvSpace, LogLevel, MAX_KV_KEY, MAX_KV_VALUE, Turn};
use switchhook_core::id::PluginName;
use switchhook_core::message::Message;
use switchhook_core::person::{Member, PersonId};
use switchhook_store::{KvChange, KvScope, KvWrite, Store};
use tokio::runtime::Handle;

use crate::desk::Desk;
use crate::errands::Errands;
use crate::trace::HostAnswer;
use crate::wiring::{ChannelWiring, Groups};

/// The writes of one message that no commit holds yet. Calls for the same message read them.
#[derive(Default)]
pub(crate) struct Drafts {
    writes: Mutex<Vec<KvWrite>>,
}

impl Drafts {
    /// A copy to write on, which may be thrown away.
    pub(crate) fn fork(&self) -> Self {
        Self { writes: Mutex::new(self.writes.lock().clone()) }
    }
    /// How many writes there are, to come back to.
    pub(crate) fn mark(&self) -> usize {
        self.writes.lock().len()
    }
    /// Forgets what was written since: the call that wrote it has failed.
    pub(crate) fn back_to(&self, mark: usize) {
        self.writes.lock().truncate(mark);
    }
    /// Takes the writes out, in the order they were made.
    pub(crate) fn take(&self) -> Vec<KvWrite> {
        std::mem::take(&mut self.writes.lock())
    }
    fn push(&self, write: KvWrite) {
        self.writes.lock().push(write);
    }
    /// What the drafts make of a stored value.
    fn over(&self, scope: &KvScope, key: &str, mut value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        for write in self.writes.lock().iter().filter(|w| w.scope == *scope && w.key == key) {
            value = match &write.change {
                KvChange::Set(new) => Some(new.clone()),
                KvChange::Delete => None,
                KvChange::Increment(by) => Some(counter(value.as_deref()).saturating_add(*by).to_string().into_bytes()),
            };
        }
        value
    }
    fn bytes(&self, plugin: &PluginName) -> u64 {
        let size = |w: &KvWrite| match &w.change {
            KvChange::Set(value) => w.key.len() + value.len(),
            _ => w.key.len(),
        };
        self.writes.lock().iter().filter(|w| w.scope.plugin == *plugin).map(|w| size(w) as u64).sum()
    }
}

fn counter(value: Option<&[u8]>) -> i64 {
    value.and_then(|v| std::str::from_utf8(v).ok()).and_then(|t| t.trim().parse().ok()).unwrap_or(0)
}

/// The host as one call sees it.
pub(crate) struct Services {
    pub(crate) store: Store,
    pub(crate) channel: Arc<ChannelWiring>,
    pub(crate) connector: Option<Arc<dyn Connector>>,
    network: Handle,
    pub(crate) message: Arc<Message>,
    pub(crate) plugin: PluginName,
    pub(crate) kv_quota: u64,
    pub(crate) drafts: Arc<Drafts>,
    answers: Mutex<Vec<HostAnswer>>,
    /// Why a stored value could not be read, where one could not.
    unread: Mutex<Option<String>>,
}

impl Services {
    pub(crate) fn new(
        desk: &Desk,
        channel: Arc<ChannelWiring>,
        message: Arc<Message>,
        (plugin, kv_quota): (PluginName, u64),
        drafts: Arc<Drafts>,
    ) -> Self {
        let connector = desk.carriers.connector(&channel.account);
        let (store, network) = (desk.store.clone(), desk.network.clone());
        let (answers, unread) = (Mutex::default(), Mutex::default());
        Self { store, channel, connector, network, message, plugin, kv_quota, drafts, answers, unread }
    }

    pub(crate) fn take_answers(&self) -> Vec<HostAnswer> {
        std::mem::take(&mut self.answers.lock())
    }

    /// What a plugin decided that was told of nothing where there was something, is no decision: a limiter whose counter
    /// can't be read must not let everybody in.
    pub(crate) fn checked<T>(&self, answer: Result<T, HookFailure>) -> Result<T, HookFailure> {
        match self.unread.lock().take() {
            Some(reason) => {
                answer.and(Err(HookFailure::Host { detail: format!("a stored value can't be read: {reason}") }))
            }
            None => answer,
        }
    }

    fn record(&self, call: String, answer: impl serde::Serialize) {
        let answer = serde_json::to_value(answer).unwrap_or_default();
        self.answers.lock().push(HostAnswer { call, answer });
    }

    fn scope(&self, space: KvSpace) -> KvScope {
        let chat = match space {
            KvSpace::Chat => Some((self.channel.name.clone(), self.message.conversation())),
            KvSpace::Shared => None,
        };
        KvScope { space, plugin: self.plugin.clone(), chat }
    }

    async fn read(&self, scope: &KvScope, key: &str) -> Option<Vec<u8>> {
        let stored = match self.store.kv_get(scope, key).await {
            Ok(value) => value,
            Err(error) => {
                tracing::error!(plugin = %self.plugin, %error, "a plugin's stored value can't be read");
                *self.unread.lock() = Some(error.to_string());
                None
            }
        };
        self.drafts.over(scope, key, stored)
    }

    async fn check_room(&self, key: &str, value: usize) -> Result<(), KvError> {
        if key.len() > MAX_KV_KEY || value > MAX_KV_VALUE {
            return Err(KvError::TooLarge);
        }
        let used = self.store.kv_usage(&self.plugin).await + self.drafts.bytes(&self.plugin);
        if used + (key.len() + value) as u64 > self.kv_quota { Err(KvError::Quota) } else { Ok(()) }
    }
}

/// Whether somebody, under any of their ids, is in a group.
fn is_in<'a>(groups: &Groups, group: &str, mut ids: impl Iterator<Item = &'a PersonId>) -> bool {
    groups.get(group).is_some_and(|people| ids.any(|id| people.contains(id)))
}

#[async_trait]
impl HostServices for Services {
    fn log(&self, level: LogLevel, text: &str) {
        let plugin = self.plugin.as_str();
        match level {
            LogLevel::Debug => tracing::debug!(plugin, "{text}"),
            LogLevel::Info => tracing::info!(plugin, "{text}"),
            LogLevel::Warn => tracing::warn!(plugin, "{text}"),
            LogLevel::Error => tracing::error!(plugin, "{text}"),
        }
    }

    fn sender_in(&self, group: &str) -> bool {
        let answer = is_in(&self.channel.groups, group, self.message.sender.ids());
        self.record(format!("sender-in {group}"), answer);
        answer
    }

    fn contains(&self, group: &str, party: &str) -> bool {
        let answer = match Member::parse(party, Some(self.channel.id_prefix)) {
            Ok(Member::Person(id)) => is_in(&self.channel.groups, group, std::iter::once(&id)),
            _ => false,
        };
        self.record(format!("contains {group} {party}"), answer);
        answer
    }

    async fn history(&self, max_turns: u32, max_bytes: u32) -> Vec<Turn> {
        let turns = match self.store.history(&self.message.conversation(), max_turns, max_bytes).await {
            Ok(turns) => turns,
            Err(error) => {
                tracing::error!(plugin = %self.plugin, %error, "the history can't be read");
                Vec::new()
            }
        };
        self.record(format!("history {max_turns} {max_bytes}"), &turns);
        turns
    }

    async fn kv_get(&self, space: KvSpace, key: &str) -> Option<Vec<u8>> {
        let value = self.read(&self.scope(space), key).await;
        self.record(format!("kv-get {space:?} {key}"), &value);
        value
    }

    async fn kv_set(&self, space: KvSpace, key: &str, value: Vec<u8>) -> Result<(), KvError> {
        let room = self.check_room(key, value.len()).await;
        self.record(format!("kv-set {space:?} {key}"), room);
        room?;
        self.drafts.push(KvWrite { scope: self.scope(space), key: key.to_owned(), change: KvChange::Set(value) });
        Ok(())
    }

    async fn kv_delete(&self, space: KvSpace, key: &str) {
        self.drafts.push(KvWrite { scope: self.scope(space), key: key.to_owned(), change: KvChange::Delete });
    }

    async fn kv_increment(&self, space: KvSpace, key: &str, by: i64) -> Result<i64, KvError> {
        // A counter is at most 20 digits.
        let room = self.check_room(key, 20).await;
        let scope = self.scope(space);
        let value = match room {
            Ok(()) => Ok(counter(self.read(&scope, key).await.as_deref()).saturating_add(by)),
            Err(error) => Err(error),
        };
        self.record(format!("kv-increment {space:?} {key} {by}"), value);
        if value.is_ok() {
            self.drafts.push(KvWrite { scope, key: key.to_owned(), change: KvChange::Increment(by) });
        }
        value
    }

    async fn attachment(&self, handle: &str, offset: u64, length: u32) -> Option<Vec<u8>> {
        let known = self.message.attachments.iter().any(|a| a.handle == handle);
        let bytes = match (&self.connector, known) {
            (Some(connector), true) => {
                let (connector, handle) = (connector.clone(), handle.to_owned());
                let reading = async move { connector.attachment(&handle, offset, length).await };
                Errands::default().run(&self.network, reading).await
            }
            _ => None,
        };
        self.record(format!("attachment {handle} {offset} {length}"), bytes.as_ref().map(Vec::len));
        bytes
    }
}
