//! The door to the lanes: what the runtime does with them.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use switchhook_core::connector::Inbox;
use switchhook_core::id::{AccountId, InboxId, OutboxId};
use switchhook_core::time::{Clock, UnixMillis};
use switchhook_store::{Approval, Store, StoreError, Waiting};
use tokio::runtime::Handle;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::desk::{Carriers, Desk};
use crate::dispatch::Dispatcher;
use crate::event::Event;
use crate::intake::Intake;
use crate::lanes::Lanes;
use crate::stages::Entry;
use crate::wiring::Wiring;

/// Says, for each step, on which runtime it is best taken. Asked from any thread, the journal's own among them.
pub type Placement = Arc<dyn Fn() -> Handle + Send + Sync>;

/// What a pipeline is made of.
pub struct PipelineParts {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub carriers: Arc<dyn Carriers>,
    /// Where lanes run: with the guests that they call, so that a call needs no other thread.
    pub lanes: Placement,
    /// Where a lane's own calls wait for their sockets (models, deliveries, notices): where the lane is, so that the answer
    /// wakes no other thread, unless a guest may keep that one.
    pub calls: Placement,
    /// Where connectors run, and everything that is for them to do.
    pub network: Handle,
}

/// All lanes and everything on its way out. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    pub(crate) desk: Arc<Desk>,
    lanes: Arc<Lanes>,
    pub(crate) dispatcher: Arc<Dispatcher>,
}

/// How much of an account is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Load {
    /// Accepted and not settled.
    pub waiting: usize,
    /// To be delivered.
    pub outgoing: usize,
}

/// Something that a drain did not see the end of. It is in the journal, and goes on at the next start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Straggler {
    pub account: AccountId,
    pub what: &'static str,
}

impl Pipeline {
    pub fn new(parts: PipelineParts, wiring: Wiring) -> Self {
        let PipelineParts { store, clock, carriers, lanes, calls, network } = parts;
        let desk = Arc::new(Desk::new(store, clock, carriers, calls, network, wiring));
        let dispatcher = Arc::new(Dispatcher::new(desk.clone()));
        let lanes = Arc::new(Lanes::new(desk.clone(), dispatcher.clone(), lanes));
        Self { desk, lanes, dispatcher }
    }

    /// Puts another generation in force. Work that has begun keeps its own.
    pub fn publish(&self, wiring: Wiring) {
        self.desk.wiring.store(Arc::new(wiring));
        self.dispatcher.rewired();
    }

    pub fn wiring(&self) -> Arc<Wiring> {
        self.desk.wiring.load_full()
    }

    /// Where the connector of an account puts what it receives.
    pub fn inbox(&self, account: &AccountId) -> Arc<dyn Inbox> {
        Arc::new(Intake { desk: self.desk.clone(), lanes: self.lanes.clone(), account: account.clone() })
    }

    /// Takes up what the journal holds for accounts that can be served: at start, and when a channel returns. What is
    /// owed to a chat stands in its queue before any lane moves: a quick answer must not overtake it.
    pub async fn resume(&self, accounts: &[AccountId]) -> Result<(), StoreError> {
        let waiting = self.desk.store.waiting().await?;
        for account in accounts {
            self.dispatcher.resume(account).await?;
        }
        self.take_up(waiting.into_iter().filter(|w| accounts.contains(&w.account)).collect());
        Ok(())
    }

    fn take_up(&self, waiting: Vec<Waiting>) {
        for Waiting { id, conversation, .. } in waiting {
            self.lanes.push(&conversation, Entry { id, body: None });
        }
    }

    /// The connection of an account stands: what waits to go out need not wait longer.
    pub fn connected(&self, account: &AccountId) {
        self.dispatcher.connected(account);
    }

    /// Brings a held or dead message back to work, under the generation in force now.
    pub async fn replay(&self, id: InboxId, approval: Approval) -> Result<(), StoreError> {
        self.desk.store.release(id, approval).await?;
        if let Some(stored) = self.desk.store.load(id).await?
            && let Some(message) = stored.message
        {
            self.lanes.push(&message.conversation(), Entry { id, body: None });
        }
        Ok(())
    }

    /// Brings a dead or parked delivery back to work.
    pub async fn resend(&self, id: OutboxId) -> Result<(), StoreError> {
        self.desk.store.release_delivery(id).await?;
        self.dispatcher.take_up(self.desk.store.delivery(id).await?.into_iter().collect());
        Ok(())
    }

    /// The operator said something of a contact: every permission is looked at again before it is used.
    pub fn standing_changed(&self) {
        self.desk.standing_changed();
    }

    /// Takes up the timers that are due, and says when the next one will be.
    pub async fn fire_timers(&self) -> Result<Option<UnixMillis>, StoreError> {
        let due = self.desk.store.fire_timers(self.desk.clock.now()).await?;
        self.take_up(due);
        self.desk.store.next_timer().await
    }

    /// Returns when a timer was scheduled that may be due before all others.
    pub async fn timer_scheduled(&self) {
        self.desk.timers.notified().await;
    }

    pub fn load(&self, account: &AccountId) -> Load {
        Load { waiting: self.lanes.load(account), outgoing: self.dispatcher.load(account) }
    }

    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.desk.events()
    }

    /// Lets the lanes finish and the outbox flush. Intake must have stopped. What is not done when the time is up stays
    /// in the journal, and is named.
    pub async fn drain(&self, limit: Duration) -> Vec<Straggler> {
        let deadline = Instant::now() + limit;
        self.desk.lanes.close();
        // The last fifth is for what the lanes have made: cut off on the wire, it would be unknown.
        let lanes = tokio::time::timeout(limit.mul_f64(0.8), self.desk.lanes.wait()).await;
        let mut stragglers = Vec::new();
        if lanes.is_err() {
            let late = self.lanes.busy().into_iter().map(|account| Straggler { account, what: "messages at work" });
            stragglers.extend(late);
            self.lanes.abandon.cancel();
        }
        self.dispatcher.hurry.cancel();
        self.dispatcher.tasks.close();
        if tokio::time::timeout_at(deadline, self.dispatcher.tasks.wait()).await.is_err() {
            let late = self.dispatcher.busy().into_iter().map(|account| Straggler { account, what: "deliveries" });
            stragglers.extend(late);
        }
        stragglers
    }
}
