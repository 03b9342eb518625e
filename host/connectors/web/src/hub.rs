//! Where the one router meets the channels that are live now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use parking_lot::RwLock;
use switchhook_core::id::ChannelName;
use switchhook_core::origin::OwnNames;

use crate::live::Live;
use crate::log::ChatLog;
use crate::routes;

/// What the hub needs of the app.
pub struct HubOptions {
    /// Signs the cookies of channels that have no `secret` of their own. The same over restarts, or guests lose their
    /// names.
    pub cookie_key: [u8; 32],
    /// What the page shows of the past.
    pub log: Arc<dyn ChatLog>,
    /// The names under which the page may be opened.
    pub names: OwnNames,
}

/// Serves every web channel. Channels come and go; the router stays mounted.
pub struct Hub {
    pub(crate) options: HubOptions,
    live: RwLock<BTreeMap<ChannelName, Arc<Live>>>,
    last_socket: AtomicU64,
}

impl Hub {
    pub fn new(options: HubOptions) -> Arc<Self> {
        Arc::new(Self { options, live: RwLock::default(), last_socket: AtomicU64::new(0) })
    }

    /// The routes `/`, `/chat/…` and `/chat-assets/…`, for the app to mount once.
    pub fn router(self: &Arc<Self>) -> Router {
        routes::router(Arc::clone(self))
    }

    /// How many sockets a channel has open now.
    pub fn connections(&self, channel: &ChannelName) -> usize {
        self.find(channel.as_str()).map_or(0, |live| live.tabs.count())
    }

    pub(crate) fn cookie_key(&self) -> &[u8; 32] {
        &self.options.cookie_key
    }
    pub(crate) fn register(&self, live: Arc<Live>) {
        self.live.write().insert(live.channel.clone(), live);
    }
    /// Takes a channel off, unless another run of it has taken its place.
    pub(crate) fn unregister(&self, live: &Arc<Live>) {
        let mut all = self.live.write();
        if all.get(&live.channel).is_some_and(|current| Arc::ptr_eq(current, live)) {
            all.remove(&live.channel);
        }
    }
    pub(crate) fn find(&self, channel: &str) -> Option<Arc<Live>> {
        self.live.read().get(channel).cloned()
    }
    pub(crate) fn all(&self) -> Vec<Arc<Live>> {
        self.live.read().values().cloned().collect()
    }
    /// The number of a new socket: 1 for the first of this process.
    pub(crate) fn next_socket(&self) -> u64 {
        self.last_socket.fetch_add(1, Ordering::Relaxed) + 1
    }
}
