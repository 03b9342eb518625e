//! What the store knows without asking the disk. It learns of a change when the change is on disk, with two exceptions
//! that bridge the time until then: messages just accepted, and key-value pairs just written.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicUsize;

use parking_lot::{Mutex, RwLock};
use switchhook_core::id::InboxId;
use switchhook_core::message::Standing;
use switchhook_core::time::UnixMillis;

use crate::journal::StoredMessage;
use crate::recent::{Recent, Row};
use crate::tag::Tag;
use crate::traffic::{Tally, Traffic};

/// A change that memory learns of after the commit.
pub(crate) enum Effect {
    /// So many more (or fewer) messages of the account wait.
    Backlog {
        account: Tag,
        by: i64,
    },
    /// The message is no longer as it was when it was accepted.
    Changed(InboxId),
    /// Work on it was begun once more.
    Begun(InboxId),
    KvUsage {
        plugin: Tag,
        by: i64,
    },
    Standing {
        person: Tag,
        standing: Standing,
    },
    /// Something was said in a conversation.
    Said {
        conversation: Tag,
        row: Row,
    },
    /// What was said in a conversation is forgotten.
    Forgotten(Tag),
    /// Old turns of any conversation are forgotten.
    Weeded,
    /// So much more went through the account. It is written with the transaction, once for all its writes.
    Traffic {
        account: Tag,
        quarter: i64,
        traffic: Traffic,
    },
}

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) backlog: Mutex<HashMap<Tag, i64>>,
    pub(crate) fresh: Mutex<Fresh>,
    pub(crate) recent: Mutex<Recent>,
    pub(crate) kv_usage: Mutex<HashMap<Tag, i64>>,
    pub(crate) kv_queued: Mutex<Queued>,
    /// The same for the states of accounts.
    pub(crate) states_queued: Mutex<Queued>,
    /// How often the states of an account were cleared since the start, where they were.
    pub(crate) states_cleared: Mutex<HashMap<Tag, u64>>,
    pub(crate) standings: RwLock<HashMap<Tag, Standing>>,
    pub(crate) contacts: Mutex<HashMap<Tag, Seen>>,
    pub(crate) traffic: Mutex<HashMap<Tag, Tally>>,
    /// Ends of deliveries that are queued and not over: the only ordered writes that a read of deliveries waits for.
    pub(crate) ends: AtomicUsize,
}

/// What is written of a contact already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) print: Tag,
    pub(crate) last: UnixMillis,
}

impl Memory {
    pub(crate) fn times_cleared(&self, account: Tag) -> u64 {
        self.states_cleared.lock().get(&account).copied().unwrap_or_default()
    }
    pub(crate) fn apply(&self, effect: Effect) {
        match effect {
            Effect::Backlog { account, by } => add(&mut self.backlog.lock(), account, by),
            Effect::Changed(id) => self.fresh.lock().forget(id),
            Effect::Begun(id) => self.fresh.lock().begin(id),
            Effect::KvUsage { plugin, by } => add(&mut self.kv_usage.lock(), plugin, by),
            Effect::Said { conversation, row } => self.recent.lock().said(conversation, row),
            Effect::Forgotten(conversation) => self.recent.lock().forget(conversation),
            Effect::Weeded => self.recent.lock().forget_all(),
            Effect::Standing { person, standing: Standing::Unknown } => {
                self.standings.write().remove(&person);
            }
            Effect::Standing { person, standing } => {
                self.standings.write().insert(person, standing);
            }
            Effect::Traffic { account, quarter, traffic } => {
                self.traffic.lock().entry(account).or_default().add(quarter, traffic);
            }
        }
    }
}

fn add(counts: &mut HashMap<Tag, i64>, of: Tag, by: i64) {
    let count = counts.entry(of).or_default();
    *count += by;
    if *count <= 0 {
        counts.remove(&of);
    }
}

/// The last messages accepted, so that work on one starts while its commit is still under way. Bounded: what falls out
/// is read from disk.
#[derive(Default)]
pub(crate) struct Fresh {
    messages: HashMap<InboxId, (StoredMessage, usize)>,
    order: VecDeque<InboxId>,
    bytes: usize,
}

/// Bounds of [`Fresh`]: as many messages as wait for a commit under the worst load, and no more than a small machine
/// can spare.
const FRESH_MESSAGES: usize = 2048;
const FRESH_BYTES: usize = 8 * 1024 * 1024;

impl Fresh {
    /// `bytes` is what the message takes, roughly.
    pub(crate) fn insert(&mut self, message: StoredMessage, bytes: usize) {
        let id = message.id;
        self.bytes += bytes;
        self.messages.insert(id, (message, bytes));
        self.order.push_back(id);
        while self.messages.len() > FRESH_MESSAGES || self.bytes > FRESH_BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            self.forget(oldest);
        }
        // Ids of what was forgotten in between would pile up.
        if self.order.len() > 2 * FRESH_MESSAGES {
            self.order.retain(|id| self.messages.contains_key(id));
        }
    }
    pub(crate) fn get(&self, id: InboxId) -> Option<StoredMessage> {
        self.messages.get(&id).map(|(message, _)| message.clone())
    }
    pub(crate) fn begin(&mut self, id: InboxId) {
        if let Some((message, _)) = self.messages.get_mut(&id) {
            message.attempts += 1;
        }
    }
    /// Counts the start of work on a message where it is the first; false where it is not, or where that is not known.
    pub(crate) fn begin_first(&mut self, id: InboxId) -> bool {
        let first = self.messages.get(&id).is_some_and(|(message, _)| message.attempts == 0);
        if first {
            self.begin(id);
        }
        first
    }
    /// Whether work on a message has begun that is still here.
    pub(crate) fn is_begun(&self, id: InboxId) -> bool {
        self.messages.get(&id).is_some_and(|(message, _)| message.attempts > 0)
    }
    /// Takes no more room than what is here needs.
    pub(crate) fn shrink(&mut self) {
        self.order.retain(|id| self.messages.contains_key(id));
        self.order.shrink_to_fit();
        self.messages.shrink_to_fit();
    }
    pub(crate) fn forget(&mut self, id: InboxId) {
        if let Some((_, bytes)) = self.messages.remove(&id) {
            self.bytes -= bytes;
        }
    }
}

/// Key-value pairs that are queued and not on disk.
#[derive(Default)]
pub(crate) struct Queued {
    pairs: HashMap<Tag, (u64, Pair)>,
    last: u64,
}

/// What is known of a queued pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pair {
    Is(Option<Vec<u8>>),
    /// It depends on what is on disk.
    Open,
}

impl Queued {
    pub(crate) fn get(&self, key: Tag) -> Option<Pair> {
        self.pairs.get(&key).map(|(_, pair)| pair.clone())
    }
    /// Returns the number by which the pair is let go once it is written.
    pub(crate) fn put(&mut self, key: Tag, pair: Pair) -> u64 {
        self.last += 1;
        self.pairs.insert(key, (self.last, pair));
        self.last
    }
    /// Lets go of the pair, unless another write of it has been queued since.
    pub(crate) fn written(&mut self, key: Tag, number: u64) {
        if self.pairs.get(&key).is_some_and(|(last, _)| *last == number) {
            self.pairs.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: i64) -> StoredMessage {
        StoredMessage {
            id: InboxId(id),
            state: crate::InboxState::Pending,
            reason: None,
            message: None,
            unresolved: None,
            accepted_at: UnixMillis(0),
            attempts: 0,
            approved: false,
        }
    }

    #[test]
    fn fresh_messages_are_bounded_in_number_and_bytes() {
        let mut fresh = Fresh::default();
        for id in 0..3 * FRESH_MESSAGES as i64 {
            fresh.insert(message(id), 1);
        }
        assert_eq!(fresh.messages.len(), FRESH_MESSAGES);
        assert!(fresh.get(InboxId(0)).is_none());
        fresh.insert(message(-1), FRESH_BYTES);
        assert_eq!(fresh.messages.len(), 1);
        fresh.forget(InboxId(-1));
        assert_eq!(fresh.bytes, 0);
        for id in 0..10 * FRESH_MESSAGES as i64 {
            fresh.insert(message(id), 1);
            fresh.forget(InboxId(id));
        }
        assert!(fresh.order.len() <= 2 * FRESH_MESSAGES);
    }

    #[test]
    fn what_is_left_takes_little_room() {
        let mut fresh = Fresh::default();
        (0..FRESH_MESSAGES as i64).for_each(|id| fresh.insert(message(id), 1));
        (1..FRESH_MESSAGES as i64).for_each(|id| fresh.forget(InboxId(id)));
        fresh.shrink();
        assert!(fresh.messages.capacity() < 10 && fresh.order.capacity() < 10);
        assert!(fresh.get(InboxId(0)).is_some());
        assert_eq!(fresh.order, [InboxId(0)]);
    }

    #[test]
    fn a_queued_pair_stays_until_its_last_write_is_on_disk() {
        let mut queued = Queued::default();
        let key = Tag([1; 16]);
        let first = queued.put(key, Pair::Is(Some(vec![1])));
        let second = queued.put(key, Pair::Is(None));
        queued.written(key, first);
        assert_eq!(queued.get(key), Some(Pair::Is(None)));
        queued.written(key, second);
        assert_eq!(queued.get(key), None);
    }
}
