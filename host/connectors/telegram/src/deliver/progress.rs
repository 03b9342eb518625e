//! How far deliveries of several calls have come.

use std::collections::VecDeque;

use switchhook_core::connector::Receipt;
use switchhook_core::id::OutboxId;

/// Deliveries remembered; more than this at once are only ever half done when Telegram is in trouble.
const REMEMBERED: usize = 256;

/// What was sent of deliveries that failed half-way, so that another attempt does not send it twice. In memory only: after
/// a restart such a delivery is `unknown` and is treated so.
#[derive(Debug, Default)]
pub(crate) struct Progress(VecDeque<(OutboxId, Done)>);

/// Calls that succeeded, and the receipt of the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) calls: usize,
    pub(super) receipt: Receipt,
}

impl Progress {
    /// Takes out what is known of a delivery.
    pub(super) fn take(&mut self, id: OutboxId) -> Done {
        let at = self.0.iter().position(|(known, _)| *known == id);
        at.and_then(|at| self.0.remove(at)).map(|(_, done)| done).unwrap_or_default()
    }

    pub(super) fn keep(&mut self, id: OutboxId, done: Done) {
        if done.calls == 0 {
            return;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((id, done));
    }
}
