//! The end of a message's work: its outcome is committed as a whole, unless its permission was withdrawn meanwhile.

use std::sync::Arc;
use std::time::Duration;

use switchhook_core::action::{Action, Outgoing};
use switchhook_core::hook::{Speaker, Turn};
use switchhook_core::id::InboxId;
use switchhook_core::message::{Content, Message};
use switchhook_store::{InboxState, KvChange, KvScope, KvWrite, NewDelivery, Outcome, StoreError};

use crate::answer::{Answer, Ending};
use crate::desk::Desk;
use crate::dispatch::Dispatcher;
use crate::event::EventKind;
use crate::outbound::{Dispatch, TurnUnderWay, address};
use crate::permit::{Arrived, Asking, Basis, Permitted, Refusal, permit};
use crate::services::Drafts;
use crate::trace::{Recordings, Tracer};
use crate::wiring::{ChannelWiring, DenialNotice};

/// A permitted message on its way through the stages, with what it has brought about so far.
pub(crate) struct InWork {
    pub(crate) permitted: Permitted,
    /// What reply plugins want done besides the model's answer.
    pub(crate) actions: Vec<Action>,
    pub(crate) drafts: Arc<Drafts>,
    pub(crate) tracer: Tracer,
}

/// Marks deliveries that rest on a denial, not on a permission: nothing withdraws them.
pub(crate) const NOTICE: &str = "notice";

/// Commits what was decided about messages that were answered together. The last one carries the trace.
pub(crate) async fn settle(
    desk: &Desk,
    dispatcher: &Arc<Dispatcher>,
    mut turn: Vec<InWork>,
    answer: Answer,
) -> TurnUnderWay {
    for work in &mut turn {
        if let Err(refusal) = still_permitted(desk, &work.permitted, &mut work.tracer).await {
            let Some(refusal) = refusal else { return TurnUnderWay::GoesOn };
            revoke(desk, turn, refusal).await;
            return TurnUnderWay::GoesOn;
        }
    }
    let Some(last) = turn.last_mut() else { return TurnUnderWay::GoesOn };
    let mut actions = std::mem::take(&mut last.actions);
    actions.extend(answer.actions);
    let dispatch = address(&last.permitted, actions, desk.clock.now());
    let under_way = dispatch.under_way;
    let (state, reason) = match answer.ending {
        Ending::Hold { reason } => (InboxState::Dead, Some(reason)),
        _ => (InboxState::Done, None),
    };
    let outcome = compile(&mut turn, dispatch, state, reason);
    commit(desk, dispatcher, &turn[turn.len() - 1].permitted.channel().clone(), outcome).await;
    under_way
}

/// Puts an answer, and what was said, into one outcome.
fn compile(turn: &mut [InWork], dispatch: Dispatch, state: InboxState, reason: Option<String>) -> Outcome {
    let dead = state == InboxState::Dead;
    let mut turns: Vec<_> = turn.iter().filter_map(|work| said(work.permitted.message())).collect();
    if dispatch.forget.is_empty() {
        turns.extend(dispatch.turns);
    } else {
        // A new conversation starts empty: not with the command that asked for it.
        turns.clear();
    }
    let last = turn.len() - 1;
    turn[last].tracer.trace.refused = dispatch.refused;
    Outcome {
        messages: turn.iter().map(|work| work.permitted.id()).collect(),
        state,
        reason,
        erase: false,
        deliveries: if dead { Vec::new() } else { dispatch.deliveries },
        kv: if dead { Vec::new() } else { turn.iter().flat_map(|work| work.drafts.take()).collect() },
        turns: if dead { Vec::new() } else { turns },
        forget: dispatch.forget,
        timers: dispatch.timers,
        trace: turn[last].tracer.finish(Recordings::Keep),
    }
}

/// What a person said, to be remembered.
fn said(message: &Message) -> Option<(switchhook_core::message::Conversation, Turn)> {
    let Content::Text(text) = &message.content else { return None };
    let turn =
        Turn { speaker: Speaker::Person, name: message.sender.name.clone(), text: text.clone(), at: message.sent_at };
    Some((message.conversation(), turn))
}

/// Asks policy again where what the permission rests on has changed. `Err(None)`: the channel is gone, and the message
/// stays in the journal until it returns.
async fn still_permitted(desk: &Desk, permitted: &Permitted, tracer: &mut Tracer) -> Result<(), Option<Refusal>> {
    let wiring = desk.wiring.load_full();
    let message = permitted.message();
    let channel = wiring.channel(&message.account).ok_or(None)?.clone();
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
    permit(desk, arrived, Asking::Again, tracer).await.map(drop).map_err(Some)
}

async fn revoke(desk: &Desk, mut turn: Vec<InWork>, refusal: Refusal) {
    let (state, reason, erase) = match refusal {
        Refusal::Denied { reason, .. } => (InboxState::Revoked, reason, true),
        Refusal::Held { reason } => (InboxState::Revoked, reason, false),
        Refusal::Failed { reason } => (InboxState::Dead, reason, false),
    };
    let last = turn.len() - 1;
    let keep = if erase { Recordings::Erase } else { Recordings::Keep };
    let channel = turn[last].permitted.channel().clone();
    let messages: Vec<_> = turn.iter().map(|work| work.permitted.id()).collect();
    let trace = turn[last].tracer.finish(keep);
    finish(desk, &channel, Outcome { erase, trace, ..ended(messages, state, reason) }).await;
}

/// Commits a refusal: nobody is answered, and what was denied is erased.
pub(crate) async fn refuse(
    desk: &Desk,
    dispatcher: &Arc<Dispatcher>,
    (id, message, channel): (InboxId, &Message, &Arc<ChannelWiring>),
    refusal: Refusal,
    tracer: &mut Tracer,
) {
    match refusal {
        Refusal::Denied { reason, notice } => {
            tracing::info!(channel = %channel.name, message = %id, reason = %redacted(&reason), "denied");
            let trace = tracer.finish(Recordings::Erase);
            let mut outcome = Outcome { erase: true, trace, ..ended(vec![id], InboxState::Denied, reason) };
            if let (DenialNotice::Daily, Some(text)) = (channel.denial_notice, notice) {
                notify(desk, message, channel, text, &mut outcome).await;
            }
            commit(desk, dispatcher, channel, outcome).await;
        }
        Refusal::Held { reason } => {
            tracing::info!(channel = %channel.name, message = %id, "held for the operator");
            let trace = tracer.finish(Recordings::Keep);
            finish(desk, channel, Outcome { trace, ..ended(vec![id], InboxState::Held, reason) }).await;
        }
        Refusal::Failed { reason } => {
            tracing::error!(channel = %channel.name, message = %id, %reason, "a policy failed: the message is parked");
            let trace = tracer.finish(Recordings::Keep);
            finish(desk, channel, Outcome { trace, ..ended(vec![id], InboxState::Dead, reason) }).await;
        }
    }
}

/// Numbers of people stay out of the log; the journal has them sealed.
fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = 0;
    for c in text.chars() {
        run = if c.is_ascii_digit() { run + 1 } else { 0 };
        out.push(if run > 3 { '*' } else { c });
    }
    out
}

/// Tells a denied sender, where the config wants it, at most once a day.
async fn notify(desk: &Desk, message: &Message, channel: &ChannelWiring, text: String, outcome: &mut Outcome) {
    let Ok(plugin) = "denial-notices".parse() else { return };
    let chat = Some((channel.name.clone(), message.conversation()));
    let scope = KvScope { space: switchhook_core::hook::KvSpace::Chat, plugin, chat };
    let today = (desk.clock.now().0 / Duration::from_secs(86_400).as_millis() as u64).to_string().into_bytes();
    if desk.store.kv_get(&scope, "last-day").await.ok().flatten().as_ref() == Some(&today) {
        return;
    }
    outcome.kv.push(KvWrite { scope, key: "last-day".to_owned(), change: KvChange::Set(today) });
    outcome.deliveries.push(NewDelivery {
        channel: channel.name.clone(),
        account: channel.account.clone(),
        chat: message.chat.id.clone(),
        chat_kind: message.chat.kind,
        thread: message.chat.thread.clone(),
        action: Action::Send(Outgoing::text(text)),
        answers: None,
        armed: false,
        fingerprint: NOTICE.to_owned(),
    });
}

/// An outcome with nothing in it but how it ended.
pub(crate) fn ended(messages: Vec<InboxId>, state: InboxState, reason: impl Into<Option<String>>) -> Outcome {
    Outcome {
        messages,
        state,
        reason: reason.into(),
        erase: false,
        deliveries: Vec::new(),
        kv: Vec::new(),
        turns: Vec::new(),
        forget: Vec::new(),
        timers: Vec::new(),
        trace: None,
    }
}

/// Commits an outcome that sends nothing.
pub(crate) async fn finish(desk: &Desk, channel: &ChannelWiring, outcome: Outcome) {
    let messages = outcome.messages.clone();
    let state = outcome.state;
    if write(desk, outcome).await.is_some() {
        tell(desk, channel, &messages, state);
    }
}

/// Commits an outcome and hands its deliveries to the dispatcher, the first of each idle chat armed by the commit.
async fn commit(desk: &Desk, dispatcher: &Arc<Dispatcher>, channel: &ChannelWiring, mut outcome: Outcome) {
    let reserved = dispatcher.reserve(&mut outcome.deliveries);
    let deliveries = outcome.deliveries.clone();
    let messages = outcome.messages.clone();
    let state = outcome.state;
    let scheduled = !outcome.timers.is_empty();
    let Some(ids) = write(desk, outcome).await else {
        dispatcher.release(reserved);
        return;
    };
    dispatcher.send(&messages, deliveries, ids, reserved);
    if scheduled {
        desk.timers.notify_one();
    }
    tell(desk, channel, &messages, state);
}

fn tell(desk: &Desk, channel: &ChannelWiring, messages: &[InboxId], state: InboxState) {
    metrics::counter!("switchhook_messages_total", "channel" => channel.name.to_string(), "state" => format!("{state:?}").to_lowercase())
        .increment(messages.len() as u64);
    for message in messages {
        tell_one(desk, channel, *message, state);
    }
}

fn tell_one(desk: &Desk, channel: &ChannelWiring, message: InboxId, state: InboxState) {
    desk.tell(&channel.name, EventKind::Settled { message, state: format!("{state:?}").to_lowercase() });
}

/// The longest wait between two tries to write the journal.
const WRITE_BACKOFF_CAP: Duration = Duration::from_secs(30);

/// Writes until the journal takes it: a full disk holds a chat up, it does not lose its answer. None where the message
/// is no longer this lane's to decide.
async fn write(desk: &Desk, outcome: Outcome) -> Option<Vec<switchhook_core::id::OutboxId>> {
    let mut wait = Duration::from_millis(250);
    loop {
        match desk.store.commit_outcome(outcome.clone()).await {
            Ok(ids) => return Some(ids),
            Err(StoreError::NotPending { .. }) => {
                tracing::info!(messages = ?outcome.messages, "decided elsewhere meanwhile");
                return None;
            }
            Err(StoreError::Closed) => return None,
            Err(error) => tracing::error!(%error, ?wait, "the journal can't be written; trying again"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(WRITE_BACKOFF_CAP);
    }
}
