//! What every stage has at hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use switchhook_core::connector::Connector;
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::time::Clock;
use switchhook_store::Store;
use tokio::runtime::Handle;
use tokio::sync::{Notify, broadcast};
use tokio_util::task::TaskTracker;

use crate::event::{EVENT_BUFFER, Event, EventKind};
use crate::pipeline::Placement;
use crate::wiring::Wiring;

/// So many lanes at work are few. On two cores, the gain for a message that comes alone is the same from 2 on; in a burst,
/// 8 change nothing, and without a limit every message cost a tenth more.
const FEW_LANES: usize = 8;

/// Finds the connector that carries for an account, if it is running.
pub trait Carriers: Send + Sync + 'static {
    fn connector(&self, account: &AccountId) -> Option<Arc<dyn Connector>>;
}

/// The tools of the trade, shared by all lanes.
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) carriers: Arc<dyn Carriers>,
    /// Where a call waits for its socket while few lanes are at work.
    here: Placement,
    /// Where connectors run. Lanes run elsewhere, beside guests that may keep a thread for a while.
    pub(crate) network: Handle,
    /// Everything that lanes are doing.
    pub(crate) lanes: TaskTracker,
    /// The generation in force. Replaced as a whole by a reload.
    pub(crate) wiring: ArcSwap<Wiring>,
    /// Counts the operator's words on contacts: while it stands still, no standing has changed.
    standings: AtomicU64,
    events: broadcast::Sender<Event>,
    /// Told when a timer was scheduled.
    pub(crate) timers: Notify,
}

impl Desk {
    pub(crate) fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        carriers: Arc<dyn Carriers>,
        here: Placement,
        network: Handle,
        wiring: Wiring,
    ) -> Self {
        let (events, _) = broadcast::channel(EVENT_BUFFER);
        Self {
            store,
            clock,
            carriers,
            here,
            network,
            lanes: TaskTracker::new(),
            wiring: ArcSwap::from_pointee(wiring),
            standings: AtomicU64::new(1),
            events,
            timers: Notify::new(),
        }
    }
    /// Where a call waits for its socket. While many lanes are at work the network's runtime does it better: it is woken for
    /// several answers at once, and wakes the lanes of all of them.
    pub(crate) fn calls(&self) -> Handle {
        if self.lanes.len() <= FEW_LANES { (self.here)() } else { self.network.clone() }
    }
    /// The same for what a connector carries.
    pub(crate) fn calls_of(&self, connector: &dyn Connector) -> Handle {
        if connector.delivers_by_calls() { self.calls() } else { self.network.clone() }
    }
    pub(crate) fn standings(&self) -> u64 {
        self.standings.load(Ordering::Acquire)
    }
    pub(crate) fn standing_changed(&self) {
        self.standings.fetch_add(1, Ordering::AcqRel);
    }
    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
    pub(crate) fn tell(&self, channel: &ChannelName, what: EventKind) {
        // Nobody watching is no error.
        let _ = self.events.send(Event { at: self.clock.now(), channel: channel.clone(), what });
    }
}
