//! The open sockets of one channel, by chat.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

use crate::visitor::Visitor;

/// Frames that wait for a slow reader before it is disconnected.
pub(crate) const QUEUE: usize = 64;
/// Sockets of one visitor: nobody has more tabs open, a script might.
const MAX_TABS: usize = 32;
/// Sockets of one channel: each may hold a full queue.
const MAX_SOCKETS: usize = 4096;

/// Why a socket is closed from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The channel stops: what is queued still goes out.
    Stopping,
    /// The cookie no longer proves the visitor's name.
    Disowned,
    /// The reader doesn't keep up: nothing more would get through.
    TooSlow,
}

/// Ends one socket, once.
#[derive(Clone, Default)]
pub(crate) struct Hangup {
    token: CancellationToken,
    why: Arc<OnceLock<Ending>>,
}

impl Hangup {
    fn end(&self, why: Ending) {
        self.why.get_or_init(|| why);
        self.token.cancel();
    }
    pub(crate) async fn ended(&self) -> Ending {
        self.token.cancelled().await;
        *self.why.get().expect("the reason is set before the token")
    }
}

/// One open socket, as those who write to it see it.
#[derive(Clone)]
struct Tab {
    serial: u64,
    proof: String,
    queue: mpsc::Sender<Utf8Bytes>,
    hangup: Hangup,
}

/// The socket's own end of a [`Tab`].
pub(crate) struct TabEnd {
    pub(crate) serial: u64,
    pub(crate) queue: mpsc::Receiver<Utf8Bytes>,
    /// For what the socket says to itself.
    pub(crate) sender: mpsc::Sender<Utf8Bytes>,
    pub(crate) hangup: Hangup,
}

/// The most sockets are open already.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Crowded {
    #[error("you have this chat open {MAX_TABS} times: close a tab")]
    Tabs,
    #[error("too many people are here right now: try again later")]
    Channel,
}

#[derive(Default)]
pub(crate) struct Tabs {
    by_chat: Mutex<HashMap<String, Vec<Tab>>>,
}

impl Tabs {
    pub(crate) fn open(&self, visitor: &Visitor, serial: u64) -> Result<TabEnd, Crowded> {
        let mut by_chat = self.by_chat.lock();
        if by_chat.values().map(Vec::len).sum::<usize>() >= MAX_SOCKETS {
            return Err(Crowded::Channel);
        }
        if by_chat.get(&visitor.name).is_some_and(|tabs| tabs.len() >= MAX_TABS) {
            return Err(Crowded::Tabs);
        }
        let (sender, queue) = mpsc::channel(QUEUE);
        let hangup = Hangup::default();
        let tab = Tab { serial, proof: visitor.proof.clone(), queue: sender.clone(), hangup: hangup.clone() };
        by_chat.entry(visitor.name.clone()).or_default().push(tab);
        Ok(TabEnd { serial, queue, sender, hangup })
    }

    pub(crate) fn close(&self, chat: &str, serial: u64) {
        let mut by_chat = self.by_chat.lock();
        if let Some(tabs) = by_chat.get_mut(chat) {
            tabs.retain(|tab| tab.serial != serial);
            if tabs.is_empty() {
                by_chat.remove(chat);
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.by_chat.lock().values().map(Vec::len).sum()
    }

    /// Queues a frame to every socket of a chat but `except`. A socket whose queue is full is ended: its page connects
    /// again and reads what it missed from the history.
    pub(crate) fn send(&self, chat: &str, frame: &Utf8Bytes, except: Option<u64>) {
        let by_chat = self.by_chat.lock();
        for tab in by_chat.get(chat).into_iter().flatten().filter(|tab| Some(tab.serial) != except) {
            push(tab, frame);
        }
    }

    /// As [`Tabs::send`], for what may as well be missed.
    pub(crate) fn hint(&self, chat: &str, frame: &Utf8Bytes) {
        let by_chat = self.by_chat.lock();
        for tab in by_chat.get(chat).into_iter().flatten() {
            // A full queue or a closed one: the hint is not worth ending a socket for.
            let _ = tab.queue.try_send(frame.clone());
        }
    }

    pub(crate) fn send_to_all(&self, frame: &Utf8Bytes) {
        for tab in self.by_chat.lock().values().flatten() {
            push(tab, frame);
        }
    }

    pub(crate) fn end_all(&self, why: Ending) {
        self.end_where(why, |_| true);
    }

    /// Ends the sockets whose cookie is not `good` any more.
    pub(crate) fn end_disowned(&self, good: impl Fn(&str) -> bool) {
        self.end_where(Ending::Disowned, |tab| !good(&tab.proof));
    }

    fn end_where(&self, why: Ending, which: impl Fn(&Tab) -> bool) {
        self.by_chat.lock().values().flatten().filter(|tab| which(tab)).for_each(|tab| tab.hangup.end(why));
    }
}

fn push(tab: &Tab, frame: &Utf8Bytes) {
    if let Err(TrySendError::Full(_)) = tab.queue.try_send(frame.clone()) {
        tab.hangup.end(Ending::TooSlow);
    }
}
