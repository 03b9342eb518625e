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

use crate::event::{EVENT_BUFFER, Event, EventKind};
use crate::wiring::Wiring;

/// Finds the connector that carries for an account, if it is running.
pub trait Carriers: Send + Sync + 'static {
    fn connector(&self, account: &AccountId) -> Option<Arc<dyn Connector>>;
}

/// The tools of the trade, shared by all lanes.
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) carriers: Arc<dyn Carriers>,
    /// Where sockets are waited for. Lanes run elsewhere, beside guests that may keep a thread for a while.
    pub(crate) network: Handle,
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
        network: Handle,
        wiring: Wiring,
    ) -> Self {
        let (events, _) = broadcast::channel(EVENT_BUFFER);
        Self {
            store,
            clock,
            carriers,
            network,
            wiring: ArcSwap::from_pointee(wiring),
            standings: AtomicU64::new(1),
            events,
            timers: Notify::new(),
        }
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
