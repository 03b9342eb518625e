//! Tells when everybody who began something before a moment is done with it.

use std::convert::Infallible;

use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Kept by whoever must be waited for. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hold(#[expect(dead_code, reason = "that it is kept is all it says")] mpsc::Sender<Infallible>);

/// Gives out [`Hold`]s, and waits until those of a time are gone.
pub(crate) struct Holds(Mutex<Round>);

struct Round {
    hold: Hold,
    gone: mpsc::Receiver<Infallible>,
}

impl Round {
    fn new() -> Self {
        let (hold, gone) = mpsc::channel(1);
        Self { hold: Hold(hold), gone }
    }
}

impl Holds {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Round::new()))
    }
    pub(crate) fn take(&self) -> Hold {
        self.0.lock().hold.clone()
    }
    /// Returns when every hold taken before is gone. Those taken meanwhile keep nobody waiting.
    pub(crate) async fn passed(&self) {
        let Round { hold, mut gone } = std::mem::replace(&mut *self.0.lock(), Round::new());
        drop(hold);
        // Nothing is ever sent: it ends with the last sender.
        gone.recv().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_was_taken_before_is_waited_for() {
        let holds = Holds::new();
        let before = holds.take();
        let passing = holds.passed();
        tokio::pin!(passing);
        assert!(futures_are_pending(passing.as_mut()).await);
        let _later = holds.take();
        drop(before);
        passing.await;
    }

    async fn futures_are_pending(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        tokio::select! {
            biased;
            () = future => false,
            () = std::future::ready(()) => true,
        }
    }
}
