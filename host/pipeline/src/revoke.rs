//! Revocation: a permission is looked at again before it is used, and what it rested on may be gone.

use std::sync::Arc;

use switchhook_core::message::Message;
use switchhook_store::{InboxState, Outcome};

use crate::desk::Desk;
use crate::permit::{Arrived, Asking, Basis, Permitted, Refusal, permit};
use crate::settle::{InWork, ended, finish};
use crate::trace::{Recordings, Tracer};

/// Why a permission holds no more.
enum Withdrawn {
    Refused(Refusal),
    /// The message stays in the journal until its channel returns.
    ChannelGone,
}

/// Takes out of a turn whoever may no longer be answered, and settles them; gives back the rest.
pub(crate) async fn weed(desk: &Desk, turn: Vec<InWork>) -> Vec<InWork> {
    let mut kept = Vec::with_capacity(turn.len());
    for mut work in turn {
        match still_permitted(desk, &work.permitted, &mut work.tracer).await {
            Ok(()) => kept.push(work),
            Err(Withdrawn::Refused(refusal)) => revoke(desk, work, refusal).await,
            Err(Withdrawn::ChannelGone) => {}
        }
    }
    kept
}

/// Asks policy again where what the permission rests on has changed.
async fn still_permitted(desk: &Desk, permitted: &Permitted, tracer: &mut Tracer) -> Result<(), Withdrawn> {
    let wiring = desk.wiring.load_full();
    let message = permitted.message();
    let channel = wiring.channel(&message.account).ok_or(Withdrawn::ChannelGone)?.clone();
    let standing = desk.store.standing(&mut message.sender.ids());
    if Basis::of(&channel, standing) == *permitted.basis() {
        return Ok(());
    }
    let mut message = Message::clone(message);
    message.sender.standing = standing;
    let arrived = Arrived {
        id: permitted.id(),
        message: Arc::new(message),
        unresolved: None,
        approved: permitted.approved(),
        channel,
    };
    permit(desk, arrived, Asking::Again, tracer).await.map(drop).map_err(Withdrawn::Refused)
}

async fn revoke(desk: &Desk, mut work: InWork, refusal: Refusal) {
    let (state, reason, erase) = match refusal {
        Refusal::Denied { reason, .. } => (InboxState::Revoked, reason, true),
        Refusal::Held { reason } => (InboxState::Revoked, reason, false),
        Refusal::Failed { reason } => (InboxState::Dead, reason, false),
    };
    let trace = work.tracer.finish(if erase { Recordings::Erase } else { Recordings::Keep });
    let outcome = Outcome { erase, trace, ..ended(vec![work.permitted.id()], state, reason) };
    finish(desk, work.permitted.channel(), outcome).await;
}
