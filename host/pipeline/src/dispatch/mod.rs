//! The way out: deliveries leave in order within a chat, side by side over chats, at the provider's pace, and are tried
//! again until there is a definitive answer.

mod attempt;
mod pace;
mod quota;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::{Mutex, MutexGuard};
use switchhook_core::id::{AccountId, InboxId, OutboxId};
use switchhook_store::{DeliveryState, NewDelivery, StoreError, StoredDelivery};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::desk::Desk;
use pace::Pace;
use quota::Quota;

/// How many deliveries of one account may be on the wire at once.
const ON_THE_WIRE: usize = 64;

/// Between two looks at a disk that takes no writes.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Everything on its way out.
pub(crate) struct Dispatcher {
    desk: Arc<Desk>,
    state: Mutex<State>,
    pub(crate) tasks: TaskTracker,
    /// Set when a drain begins: what would have to wait stays in the journal.
    pub(crate) hurry: CancellationToken,
    /// Told when another generation is in force: limits may be others.
    rewired: Notify,
}

#[derive(Default)]
struct State {
    chats: HashMap<ChatKey, VecDeque<Outgoing>>,
    in_hand: HashSet<OutboxId>,
    /// Accounts that are not taken up yet, with what has come since.
    held: HashMap<AccountId, Vec<Outgoing>>,
    accounts: HashMap<AccountId, Arc<AccountState>>,
}

/// What the chats of an account share.
struct AccountState {
    pace: Mutex<Pace>,
    quota: Mutex<Quota>,
    wire: Semaphore,
    /// Told when the connection stands again: what waits for its next try goes at once.
    connected: Notify,
}

/// Order holds within one of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ChatKey {
    account: AccountId,
    chat: String,
}

/// A delivery in memory.
struct Outgoing {
    row: StoredDelivery,
    /// The count of the operator's words on contacts when its permission was last looked at; 0 for never in this process.
    standings: u64,
}

/// Chats kept free for deliveries that a commit is about to arm.
pub(crate) struct Reserved(Vec<ChatKey>);

impl Dispatcher {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self {
            desk,
            state: Mutex::default(),
            tasks: TaskTracker::new(),
            hurry: CancellationToken::new(),
            rewired: Notify::new(),
        }
    }

    /// Arms the first delivery of every chat where nothing is waiting: it leaves as soon as its commit is on disk.
    pub(crate) fn reserve(&self, deliveries: &mut [NewDelivery]) -> Reserved {
        let mut state = self.state.lock();
        let mut reserved = Vec::new();
        for delivery in deliveries {
            let key = ChatKey { account: delivery.account.clone(), chat: delivery.chat.clone() };
            if !state.chats.contains_key(&key) && !state.held.contains_key(&key.account) {
                state.chats.insert(key.clone(), VecDeque::new());
                delivery.armed = true;
                reserved.push(key);
            }
        }
        Reserved(reserved)
    }

    /// Gives reserved chats back: their commit failed.
    pub(crate) fn release(self: &Arc<Self>, reserved: Reserved) {
        for key in reserved.0 {
            // Something may have queued up behind the reservation.
            self.start(key);
        }
    }

    /// Sends what a commit has just made. `standings` is the count of the operator's words when the permission it rests on
    /// was last looked at.
    pub(crate) fn send(
        self: &Arc<Self>,
        messages: &[InboxId],
        deliveries: impl Iterator<Item = (NewDelivery, OutboxId)>,
        standings: u64,
        reserved: Reserved,
    ) {
        let Some(message) = messages.last() else { return self.release(reserved) };
        let mut started = reserved.0;
        let mut state = self.state.lock();
        for (delivery, id) in deliveries {
            let outgoing = Outgoing { row: stored(id, *message, delivery), standings };
            started.extend(enqueue(&mut state, outgoing));
        }
        drop(state);
        for key in started {
            self.start(key);
        }
    }

    /// Takes up what waits in the journal for an account: at start, and when its channel returns. Where the disk does not
    /// take what has happened to it, that is waited for, and everything of the account with it: a later answer must not
    /// overtake what is owed, and nothing could leave anyway.
    pub(crate) async fn resume(self: &Arc<Self>, account: &AccountId) -> Result<(), StoreError> {
        match self.desk.store.deliveries(account).await {
            Ok(rows) => self.take_up(rows),
            Err(error) if error.is_of_the_disk() => {
                tracing::error!(%account, %error, "what is to be sent waits for the disk");
                // Once only: what has come since the first time stays.
                if let Entry::Vacant(held) = self.state.lock().held.entry(account.clone()) {
                    held.insert(Vec::new());
                    self.tasks.spawn_on(self.clone().resume_later(account.clone()), &self.desk.network);
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn resume_later(self: Arc<Self>, account: AccountId) {
        let rows = loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.hurry.cancelled() => return,
            }
            match self.desk.store.deliveries(&account).await {
                Ok(rows) => break rows,
                Err(error) if error.is_of_the_disk() => {}
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!(%account, %error, "what is to be sent can't be read; it is tried at the next start");
                    break Vec::new();
                }
            }
        };
        let mut state = self.state.lock();
        let since = state.held.remove(&account).unwrap_or_default();
        self.take_in(state, rows.into_iter().map(owed).chain(since));
    }

    pub(crate) fn take_up(self: &Arc<Self>, rows: Vec<StoredDelivery>) {
        self.take_in(self.state.lock(), rows.into_iter().map(owed));
    }

    fn take_in(self: &Arc<Self>, mut state: MutexGuard<'_, State>, all: impl Iterator<Item = Outgoing>) {
        let started: Vec<_> = all.filter_map(|outgoing| enqueue(&mut state, outgoing)).collect();
        drop(state);
        for key in started {
            self.start(key);
        }
    }

    /// The connection of an account stands again.
    pub(crate) fn connected(&self, account: &AccountId) {
        self.account(account).connected.notify_waiters();
    }

    /// Another generation is in force: what waits for a limit looks again.
    pub(crate) fn rewired(&self) {
        self.rewired.notify_waiters();
    }

    /// How many deliveries of an account are in memory.
    pub(crate) fn load(&self, account: &AccountId) -> usize {
        let state = self.state.lock();
        state.chats.iter().filter(|(key, _)| key.account == *account).map(|(_, rows)| rows.len()).sum()
    }

    /// Accounts that still have something to send.
    pub(crate) fn busy(&self) -> Vec<AccountId> {
        let state = self.state.lock();
        let accounts: HashSet<_> = state.chats.keys().map(|key| key.account.clone()).collect();
        accounts.into_iter().collect()
    }

    fn account(&self, account: &AccountId) -> Arc<AccountState> {
        let mut state = self.state.lock();
        state.accounts.entry(account.clone()).or_insert_with(|| Arc::new(AccountState::new())).clone()
    }

    /// Where it begins it stays, also when it has to wait: what is late then is not hurt by a guest's turn.
    fn start(self: &Arc<Self>, key: ChatKey) {
        let connector = self.desk.carriers.connector(&key.account);
        let runtime = connector.map_or_else(|| self.desk.network.clone(), |c| self.desk.calls_of(&*c));
        self.tasks.spawn_on(self.clone().run(key), &runtime);
    }

    /// Sends the rows of one chat, one after the other, until there is none.
    async fn run(self: Arc<Self>, key: ChatKey) {
        let account = self.account(&key.account);
        while let Some(outgoing) = self.next(&key) {
            let id = outgoing.row.id;
            let carried = match AssertUnwindSafe(self.carry(&account, outgoing)).catch_unwind().await {
                Ok(carried) => carried,
                Err(_) => {
                    tracing::error!(delivery = %id, "the connector panicked; the delivery stays in the journal");
                    Carried::Stays
                }
            };
            let mut state = self.state.lock();
            state.in_hand.remove(&id);
            if carried == Carried::Stays {
                // The chat's later rows wait behind this one, in the journal.
                let rest = state.chats.remove(&key).unwrap_or_default();
                for outgoing in rest {
                    state.in_hand.remove(&outgoing.row.id);
                }
                return;
            }
        }
    }

    fn next(&self, key: &ChatKey) -> Option<Outgoing> {
        let mut state = self.state.lock();
        let next = state.chats.get_mut(key)?.pop_front();
        if next.is_none() {
            state.chats.remove(key);
        }
        next
    }
}

/// Puts a row at the end of its chat; the key is returned where a task must be started for it.
fn enqueue(state: &mut State, outgoing: Outgoing) -> Option<ChatKey> {
    if let Some(since) = state.held.get_mut(&outgoing.row.account) {
        since.push(outgoing);
        return None;
    }
    if !state.in_hand.insert(outgoing.row.id) {
        return None;
    }
    let key = ChatKey { account: outgoing.row.account.clone(), chat: outgoing.row.chat.clone() };
    let fresh = !state.chats.contains_key(&key);
    state.chats.entry(key.clone()).or_default().push_back(outgoing);
    fresh.then_some(key)
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    Enough,
    /// The host is draining: nobody waits any more.
    Hurry,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    /// It has an end: sent, dead, parked or revoked.
    Ended,
    /// It stays in the journal, to be taken up later.
    Stays,
}

impl AccountState {
    fn new() -> Self {
        Self {
            pace: Mutex::default(),
            quota: Mutex::default(),
            wire: Semaphore::new(ON_THE_WIRE),
            connected: Notify::new(),
        }
    }
}

/// What an earlier commit made: whether it may leave is looked at anew.
fn owed(row: StoredDelivery) -> Outgoing {
    Outgoing { row, standings: 0 }
}

fn stored(id: OutboxId, message: InboxId, new: NewDelivery) -> StoredDelivery {
    StoredDelivery {
        id,
        message,
        channel: new.channel,
        account: new.account,
        chat: new.chat,
        chat_kind: new.chat_kind,
        thread: new.thread,
        action: Some(new.action),
        answers: new.answers,
        state: if new.armed { DeliveryState::Armed } else { DeliveryState::Ready },
        reason: None,
        attempts: u32::from(new.armed),
        unknowns: 0,
        not_before: Default::default(),
        fingerprint: new.fingerprint,
        provider_id: None,
    }
}
