//! The life of a message, as one reads it: it is permitted by policy, answered by a reply plugin or framed for a
//! model, and goes out.

use std::sync::Arc;
use std::time::Duration;

use switchhook_core::id::InboxId;
use switchhook_core::message::{Chat, Message};
use switchhook_core::time::UnixMillis;
use switchhook_store::{InboxState, StoreError, StoredMessage};
use tokio_util::sync::CancellationToken;

use crate::answer::{Answer, Ending, prompt, reply};
use crate::desk::Desk;
use crate::dispatch::Dispatcher;
use crate::errands::Errands;
use crate::outbound::TurnUnderWay;
use crate::permit::{Arrived, Asking, Permitted, permit};
use crate::revoke::weed;
use crate::services::Drafts;
use crate::settle::{InWork, Settled, ended, finish, refuse, settle};
use crate::trace::Tracer;
use crate::wiring::ChannelWiring;

/// How often work on a message may be begun and not ended (by a death of the host, or a drain that ran out of time)
/// before it is set aside: it may be what kills the host.
const MAX_STARTS: u32 = 5;

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
        _ => match settle(desk, dispatcher, vec![work], answer).await {
            Settled::Done(under_way) => Front::Over(under_way),
            Settled::Again(_) => Front::Over(TurnUnderWay::GoesOn),
        },
    }
}

/// How the second half ended.
pub(crate) enum Back {
    Settled,
    /// Stopped before the model had answered; the messages are as they were.
    Stopped(Vec<InWork>),
    /// Somebody else's part of the turn was revoked: these are to be asked about again.
    Again(Vec<InWork>),
}

/// The second half: the model, asked about one message or several together.
pub(crate) async fn back(
    desk: &Desk,
    dispatcher: &Arc<Dispatcher>,
    turn: Vec<InWork>,
    stop: &CancellationToken,
) -> Back {
    // Nobody's text is shown to a model after they were taken off the list.
    let mut turn = weed(desk, turn).await;
    let Some(newest) = turn.last_mut() else { return Back::Settled };
    let mut tracer = newest.tracer.lend();
    // What the prompt plugin writes counts only if its answer does.
    let drafts = Arc::new(newest.drafts.fork());
    let errands = Errands::default();
    let answer = {
        let newest = &turn[turn.len() - 1].permitted;
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            answer = prompt(desk, &errands, &turn, &drafts, &mut tracer) => Some(answer),
            () = keep_typing(desk, &errands, newest) => None,
        }
    };
    errands.over().await;
    if let Some(newest) = turn.last_mut() {
        newest.tracer = tracer;
        if answer.is_some() {
            newest.drafts = drafts;
        }
    }
    match answer {
        None => Back::Stopped(turn),
        Some(answer) => match settle(desk, dispatcher, turn, answer).await {
            Settled::Done(_) => Back::Settled,
            Settled::Again(rest) => Back::Again(rest),
        },
    }
}

/// An answer that comes sooner needs no notice that it is coming: a notice is a call of the provider, as dear as the
/// answer's own.
const NOTICE_AFTER: Duration = Duration::from_millis(300);

/// Shows that an answer is being made, for as long as it is. Never ends by itself.
async fn keep_typing(desk: &Desk, errands: &Errands, permitted: &Permitted) {
    let channel = permitted.channel();
    let Some(every) = channel.abilities.typing_every else { return std::future::pending().await };
    let chat: Arc<Chat> = Arc::new(permitted.message().chat.clone());
    tokio::time::sleep(NOTICE_AFTER).await;
    loop {
        if let Some(connector) = desk.carriers.connector(&channel.account) {
            let (chat, runtime) = (chat.clone(), desk.calls_of(&*connector));
            // Best effort: a slow notice must not hold the next one up.
            let notice = async move { tokio::time::timeout(every, connector.typing(&chat)).await };
            let _ = errands.run(&runtime, notice).await;
        }
        tokio::time::sleep(every).await;
    }
}

/// Settles messages whose model call was cancelled by their sender.
pub(crate) async fn stopped(desk: &Desk, dispatcher: &Arc<Dispatcher>, mut turn: Vec<InWork>) {
    loop {
        let answer = Answer { actions: Vec::new(), ending: Ending::Answered };
        match settle(desk, dispatcher, turn, answer).await {
            Settled::Done(_) => return,
            Settled::Again(rest) => turn = rest,
        }
    }
}

/// Sets messages aside whose work panicked: a fault of ours, which must not hold their chat up.
pub(crate) async fn panicked(desk: &Desk, ids: &[InboxId]) {
    tracing::error!(messages = ?ids, "the host panicked while working on these; they are parked");
    let reason = "the host panicked while working on it".to_owned();
    if let Err(error) = desk.store.commit_outcome(ended(ids.to_vec(), InboxState::Dead, reason)).await {
        tracing::error!(messages = ?ids, %error, "they can't be parked; they are taken up at the next start");
    }
}

/// A message with what the journal knows of it.
struct Fetched {
    message: Message,
    unresolved: Option<String>,
    approved: bool,
    attempts: u32,
    /// Its age counts from here: when it was sent, or when it was last accepted, where that is later. What came while the
    /// host was down, and what an operator let in days later, is as new as that.
    counts_from: UnixMillis,
}

impl Fetched {
    fn from(stored: StoredMessage) -> Option<Self> {
        let message = stored.message?;
        let counts_from = message.sent_at.max(stored.accepted_at);
        let StoredMessage { unresolved, approved, attempts, .. } = stored;
        Some(Self { message, unresolved, approved, attempts, counts_from })
    }
    fn fresh(body: Body) -> Self {
        let Body { message, unresolved } = body;
        Self { counts_from: message.sent_at, message, unresolved, approved: false, attempts: 0 }
    }
}

/// Takes a message up: its body, its channel as it is now, and what the operator said of its sender.
async fn arrive(desk: &Desk, entry: Entry) -> Option<(Arrived, Tracer)> {
    let id = entry.id;
    let fetched = match entry.body {
        Some(body) => Fetched::fresh(body),
        None => fetch(desk, id).await?,
    };
    let wiring = desk.wiring.load_full();
    // Without its channel it waits in the journal until the channel returns.
    let channel = wiring.channel(&fetched.message.account)?.clone();
    if let Some(end) = overdue(desk, &fetched, &channel) {
        finish(desk, &channel, ended(vec![id], end.0, end.1)).await;
        return None;
    }
    match desk.store.begin(id).await {
        Ok(()) => {}
        Err(StoreError::Closed) => return None,
        // Its outcome can't be written either, and waits until the journal takes it.
        Err(error) => tracing::error!(message = %id, %error, "the start of work on it is not counted"),
    }
    let Fetched { mut message, unresolved, approved, .. } = fetched;
    message.channel = channel.name.clone();
    let standing = desk.store.standing(&mut message.sender.ids());
    message.sender.standing = standing;
    desk.store.remember_contact(&message.sender, &channel.name).await;
    let tracer = Tracer::start(wiring.number, channel.name.as_str());
    Some((Arrived { id, message: Arc::new(message), unresolved, approved, channel }, tracer))
}

/// The longest wait between two tries to read the journal.
const READ_BACKOFF_CAP: Duration = Duration::from_secs(30);

/// Reads a message that waits. None where it is settled, or can never be read.
async fn fetch(desk: &Desk, id: InboxId) -> Option<Fetched> {
    let mut wait = Duration::from_millis(250);
    loop {
        match desk.store.load(id).await {
            Ok(Some(stored)) if stored.state == InboxState::Pending => return Fetched::from(stored),
            Ok(_) | Err(StoreError::Closed) => return None,
            Err(error @ (StoreError::Unsealable { .. } | StoreError::Unreadable { .. })) => {
                tracing::error!(message = %id, %error, "a message can't be opened");
                return None;
            }
            Err(error) => tracing::error!(message = %id, %error, ?wait, "the journal can't be read; trying again"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(READ_BACKOFF_CAP);
    }
}

/// Whether a message comes too late, or has brought the host down too often.
fn overdue(desk: &Desk, fetched: &Fetched, channel: &ChannelWiring) -> Option<(InboxState, String)> {
    let age = desk.clock.now().since(fetched.counts_from);
    if age > channel.max_age {
        let hours = |d: Duration| d.as_secs_f64() / 3600.0;
        let reason = format!("{:.1} h old, max_age is {:.1} h", hours(age), hours(channel.max_age));
        return Some((InboxState::Expired, reason));
    }
    if fetched.attempts >= MAX_STARTS {
        let reason = format!("work on it was begun {} times and never ended", fetched.attempts);
        return Some((InboxState::Dead, reason));
    }
    None
}
