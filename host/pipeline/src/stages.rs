//! The life of a message, as one reads it: it is permitted by policy, answered by a reply plugin or framed for a
//! model, and goes out.

use std::sync::Arc;
use std::time::Duration;

use switchhook_core::id::InboxId;
use switchhook_core::message::{Chat, Message};
use switchhook_store::{Approval, InboxState};
use tokio_util::sync::CancellationToken;

use crate::answer::{Answer, Ending, prompt, reply};
use crate::desk::Desk;
use crate::dispatch::Dispatcher;
use crate::outbound::TurnUnderWay;
use crate::permit::{Arrived, Asking, Permitted, permit};
use crate::services::Drafts;
use crate::settle::{InWork, ended, finish, refuse, settle};
use crate::trace::Tracer;
use crate::wiring::ChannelWiring;

/// How often work on a message may have been begun when the host died, before it is set aside.
const MAX_STARTS: u32 = 3;

/// A message that waits in a lane. The body is at hand unless the lane is long.
pub(crate) struct Entry {
    pub(crate) id: InboxId,
    pub(crate) body: Option<Body>,
}

pub(crate) struct Body {
    pub(crate) message: Message,
    pub(crate) unresolved: Option<String>,
}

/// Where the first half of the work led.
pub(crate) enum Front {
    /// Settled, or not ours to decide.
    Over(TurnUnderWay),
    /// No reply plugin took it.
    ForModel(Box<InWork>),
}

/// The first half: policy and reply plugins. Runs at once, also while a model is busy with an earlier message.
pub(crate) async fn front(desk: &Desk, dispatcher: &Arc<Dispatcher>, entry: Entry) -> Front {
    let Some((arrived, mut tracer)) = arrive(desk, entry).await else {
        return Front::Over(TurnUnderWay::GoesOn);
    };
    let (id, message, channel) = (arrived.id, arrived.message.clone(), arrived.channel.clone());
    let permitted = match permit(desk, arrived, Asking::InEarnest, &mut tracer).await {
        Ok(permitted) => permitted,
        Err(refusal) => {
            refuse(desk, dispatcher, (id, &message, &channel), refusal, &mut tracer).await;
            return Front::Over(TurnUnderWay::GoesOn);
        }
    };
    let drafts = Arc::new(Drafts::default());
    let mut answer = reply(desk, &permitted, &drafts, &mut tracer).await;
    let actions = std::mem::take(&mut answer.actions);
    let work = InWork { permitted, actions, drafts, tracer };
    match answer.ending {
        Ending::ForModel => Front::ForModel(Box::new(work)),
        _ => Front::Over(settle(desk, dispatcher, vec![work], answer).await),
    }
}

/// How the second half ended.
pub(crate) enum Back {
    Settled,
    /// Stopped before the model had answered; the messages are as they were.
    Stopped(Vec<InWork>),
}

/// The second half: the model, asked about one message or several together.
pub(crate) async fn back(
    desk: &Desk,
    dispatcher: &Arc<Dispatcher>,
    mut turn: Vec<InWork>,
    stop: &CancellationToken,
) -> Back {
    let Some(newest) = turn.last_mut() else { return Back::Settled };
    let mut tracer = newest.tracer.lend();
    // What the prompt plugin writes counts only if its answer does.
    let drafts = Arc::new(newest.drafts.fork());
    let answer = {
        let newest = &turn[turn.len() - 1].permitted;
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            answer = prompt(desk, &turn, &drafts, &mut tracer) => Some(answer),
            () = keep_typing(desk, newest) => None,
        }
    };
    if let Some(newest) = turn.last_mut() {
        newest.tracer = tracer;
        if answer.is_some() {
            newest.drafts = drafts;
        }
    }
    match answer {
        None => Back::Stopped(turn),
        Some(answer) => {
            settle(desk, dispatcher, turn, answer).await;
            Back::Settled
        }
    }
}

/// Shows that an answer is being made, for as long as it is. Never ends by itself.
async fn keep_typing(desk: &Desk, permitted: &Permitted) {
    let channel = permitted.channel();
    let Some(every) = channel.abilities.typing_every else { return std::future::pending().await };
    let chat: &Chat = &permitted.message().chat;
    loop {
        if let Some(connector) = desk.carriers.connector(&channel.account) {
            // Best effort: a slow notice must not hold the next one up.
            let _ = tokio::time::timeout(every, connector.typing(chat)).await;
        }
        tokio::time::sleep(every).await;
    }
}

/// Settles messages whose model call was cancelled by their sender.
pub(crate) async fn stopped(desk: &Desk, dispatcher: &Arc<Dispatcher>, turn: Vec<InWork>) {
    let answer = Answer { actions: Vec::new(), ending: Ending::Answered };
    settle(desk, dispatcher, turn, answer).await;
}

/// Takes a message up: its body, its channel as it is now, and what the operator said of its sender.
async fn arrive(desk: &Desk, entry: Entry) -> Option<(Arrived, Tracer)> {
    let id = entry.id;
    let (mut message, unresolved, approved, attempts) = match entry.body {
        Some(body) => (body.message, body.unresolved, Approval::Replay, 0),
        None => fetch(desk, id).await?,
    };
    let wiring = desk.wiring.load_full();
    // Without its channel it waits in the journal until the channel returns.
    let channel = wiring.channel(&message.account)?.clone();
    if let Some(end) = overdue(desk, &message, &channel, attempts) {
        finish(desk, &channel, ended(vec![id], end.0, end.1)).await;
        return None;
    }
    desk.store.begin(id).await;
    message.channel = channel.name.clone();
    let standing = desk.store.standing(&mut message.sender.ids());
    message.sender.standing = standing;
    desk.store.remember_contact(&message.sender, &channel.name).await;
    let tracer = Tracer::start(wiring.number, channel.name.as_str());
    let approved = approved == Approval::Approved;
    Some((Arrived { id, message: Arc::new(message), unresolved, approved, channel }, tracer))
}

async fn fetch(desk: &Desk, id: InboxId) -> Option<(Message, Option<String>, Approval, u32)> {
    match desk.store.load(id).await {
        Ok(Some(stored)) if stored.state == InboxState::Pending => {
            let approved = if stored.approved { Approval::Approved } else { Approval::Replay };
            stored.message.map(|message| (message, stored.unresolved, approved, stored.attempts))
        }
        Ok(_) => None,
        Err(error) => {
            tracing::error!(message = %id, %error, "a message can't be read from the journal");
            None
        }
    }
}

/// Whether a message comes too late, or has brought the host down too often.
fn overdue(desk: &Desk, message: &Message, channel: &ChannelWiring, attempts: u32) -> Option<(InboxState, String)> {
    let age = desk.clock.now().since(message.sent_at);
    if age > channel.max_age {
        let hours = |d: Duration| d.as_secs_f64() / 3600.0;
        return Some((
            InboxState::Expired,
            format!("{:.1} h old, max_age is {:.1} h", hours(age), hours(channel.max_age)),
        ));
    }
    if attempts >= MAX_STARTS {
        return Some((InboxState::Dead, format!("the host died {attempts} times while working on it")));
    }
    None
}
