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
use crate::permit::{Permitted, Refusal};
use crate::redact::redacted;
use crate::revoke::weed;
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
/// Marks what somebody asked the host to send, which answers nobody.
pub(crate) const ASKED: &str = "asked";

/// How settling went.
pub(crate) enum Settled {
    Done(TurnUnderWay),
    /// Some of the turn were taken out, and the answer was about them, too: the rest is to be asked about again.
    Again(Vec<InWork>),
}

/// Commits what was decided about messages that were answered together, unless a permission was withdrawn meanwhile.
pub(crate) async fn settle(desk: &Desk, dispatcher: &Arc<Dispatcher>, turn: Vec<InWork>, answer: Answer) -> Settled {
    // Read before the permissions are looked at: a word of the operator that comes later is noticed at the way out.
    let standings = desk.standings();
    let asked = turn.len();
    let mut turn = weed(desk, turn).await;
    if turn.is_empty() {
        return Settled::Done(TurnUnderWay::GoesOn);
    }
    if turn.len() < asked {
        return Settled::Again(turn);
    }
    let (state, reason) = match answer.ending {
        Ending::Hold { reason } => (InboxState::Dead, Some(reason)),
        _ => (InboxState::Done, None),
    };
    let dispatch = gather(desk, &mut turn, answer.actions);
    let under_way = dispatch.under_way;
    let outcome = compile(&mut turn, dispatch, state, reason);
    let channel = turn[turn.len() - 1].permitted.channel().clone();
    commit(desk, dispatcher, &channel, outcome, standings).await;
    Settled::Done(under_way)
}

/// Everything the turn brings about: each message's own actions, then the answer, which goes to the last.
fn gather(desk: &Desk, turn: &mut [InWork], answer: Vec<Action>) -> Dispatch {
    let now = desk.clock.now();
    let mut all = Dispatch::default();
    let mut answer = Some(answer);
    let last = turn.len() - 1;
    for (index, work) in turn.iter_mut().enumerate() {
        let mut actions = std::mem::take(&mut work.actions);
        if index == last {
            actions.extend(answer.take().into_iter().flatten());
        }
        all.add_all(address(&work.permitted, actions, now));
    }
    all
}

/// Puts an answer, and what was said, into one outcome. A turn that failed leaves nothing but its trace.
fn compile(turn: &mut [InWork], dispatch: Dispatch, state: InboxState, reason: Option<String>) -> Outcome {
    let messages: Vec<InboxId> = turn.iter().map(|work| work.permitted.id()).collect();
    let trace = together(turn, dispatch.refused).finish(Recordings::Keep);
    if state == InboxState::Dead {
        return Outcome { trace, ..ended(messages, state, reason) };
    }
    // A new conversation starts empty: not with the command that asked for it.
    let turns = if dispatch.forget.is_empty() {
        turn.iter().filter_map(|work| said(work.permitted.message())).chain(dispatch.turns).collect()
    } else {
        Vec::new()
    };
    Outcome {
        deliveries: dispatch.deliveries,
        kv: turn.iter().flat_map(|work| work.drafts.take()).collect(),
        turns,
        forget: dispatch.forget,
        timers: dispatch.timers,
        trace,
        ..ended(messages, state, reason)
    }
}

/// One trace for messages that were answered together: who decided about each of them, in order.
fn together(turn: &mut [InWork], refused: Vec<String>) -> Tracer {
    let last = turn.len() - 1;
    let mut tracer = turn[last].tracer.lend();
    let mut steps = Vec::new();
    for work in &mut turn[..last] {
        steps.append(&mut work.tracer.trace.steps);
    }
    steps.append(&mut tracer.trace.steps);
    tracer.trace.steps = steps;
    tracer.trace.refused = refused;
    tracer
}

/// What a person said, to be remembered.
fn said(message: &Message) -> Option<(switchhook_core::message::Conversation, Turn)> {
    let Content::Text(text) = &message.content else { return None };
    let turn =
        Turn { speaker: Speaker::Person, name: message.sender.name.clone(), text: text.clone(), at: message.sent_at };
    Some((message.conversation(), turn))
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
            commit(desk, dispatcher, channel, outcome, desk.standings()).await;
        }
        Refusal::Held { reason } => {
            tracing::info!(channel = %channel.name, message = %id, "held for the operator");
            let trace = tracer.finish(Recordings::Keep);
            finish(desk, channel, Outcome { trace, ..ended(vec![id], InboxState::Held, reason) }).await;
        }
        Refusal::Failed { reason } => {
            tracing::error!(channel = %channel.name, message = %id, reason = %redacted(&reason), "a policy failed: the message is parked");
            let trace = tracer.finish(Recordings::Keep);
            finish(desk, channel, Outcome { trace, ..ended(vec![id], InboxState::Dead, reason) }).await;
        }
    }
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
async fn commit(
    desk: &Desk,
    dispatcher: &Arc<Dispatcher>,
    channel: &ChannelWiring,
    mut outcome: Outcome,
    standings: u64,
) {
    let reserved = dispatcher.reserve(&mut outcome.deliveries);
    let deliveries = outcome.deliveries.clone();
    let messages = outcome.messages.clone();
    let state = outcome.state;
    let scheduled = !outcome.timers.is_empty();
    let Some(ids) = write(desk, outcome).await else {
        dispatcher.release(reserved);
        return;
    };
    dispatcher.send(&messages, deliveries.into_iter().zip(ids), standings, reserved);
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
