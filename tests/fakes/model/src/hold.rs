//! Lets a test decide when the model answers.

use tokio::sync::watch;

/// A gate before the first token.
pub(crate) struct Hold {
    held: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Default for Hold {
    fn default() -> Self {
        Self { held: watch::Sender::new(false), waiting: watch::Sender::new(0) }
    }
}

/// Somebody who waits, until dropped.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Hold {
    pub(crate) fn close(&self) {
        self.held.send_replace(true);
    }

    pub(crate) fn open(&self) {
        self.held.send_replace(false);
    }

    pub(crate) async fn pass(&self) {
        if !*self.held.borrow() {
            return;
        }
        self.waiting.send_modify(|count| *count += 1);
        let _waiting = Waiting(&self.waiting);
        // The sender is ours, so this can't end in any other way.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
    }

    pub(crate) fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }
}
