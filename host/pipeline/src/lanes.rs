//! One lane for each conversation: order holds within it, and no lane waits for another.
//!
//! A lane has two halves. The front (policy and reply plugins) takes messages one after the other and at once; the back
//! (the model) is single-flight, and the route's `while_busy` says what a newer message does. So a command may overtake
//! a model's answer, and an answer of the model never overtakes another.

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use parking_lot::Mutex;
use switchhook_core::id::{AccountId, InboxId};
use switchhook_core::message::Conversation;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::desk::Desk;
use crate::dispatch::Dispatcher;
use crate::outbound::TurnUnderWay;
use crate::pipeline::Placement;
use crate::settle::InWork;
use crate::stages::{Back, Entry, Front, back, front, panicked, stopped};
use crate::wiring::WhileBusy;

/// How many bodies a lane keeps at hand; further messages wait in the journal.
const BODIES_AT_HAND: usize = 8;

/// All lanes that have work.
pub(crate) struct Lanes {
    desk: Arc<Desk>,
    dispatcher: Arc<Dispatcher>,
    state: Mutex<State>,
    place: Placement,
    /// Set at the end of a drain: what is not finished stays in the journal.
    pub(crate) abandon: CancellationToken,
}

#[derive(Default)]
struct State {
    lanes: HashMap<Conversation, Lane>,
    /// Every message that some lane holds, so that none is taken up twice.
    in_hand: HashSet<InboxId>,
}

#[derive(Default)]
struct Lane {
    front: VecDeque<Entry>,
    front_busy: bool,
    back: VecDeque<InWork>,
    under_way: Option<UnderWay>,
}

/// A model call.
struct UnderWay {
    stop: CancellationToken,
    /// What happens to its messages when it is stopped.
    then: AfterStop,
}

/// What a model is asked about next, and what stops it.
struct Turn {
    works: Vec<InWork>,
    stop: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterStop {
    /// They are settled without an answer: their sender said stop.
    Settle,
    /// They are asked about again, together with the newer one.
    TakeAlong,
}

impl Lane {
    fn is_idle(&self) -> bool {
        !self.front_busy && self.front.is_empty() && self.back.is_empty() && self.under_way.is_none()
    }
}

impl Lanes {
    pub(crate) fn new(desk: Arc<Desk>, dispatcher: Arc<Dispatcher>, place: Placement) -> Self {
        let abandon = CancellationToken::new();
        Self { desk, dispatcher, state: Mutex::default(), place, abandon }
    }

    /// Puts a message at the end of its lane. One that a lane already holds is left alone.
    pub(crate) fn push(self: &Arc<Self>, conversation: &Conversation, mut entry: Entry) {
        let mut state = self.state.lock();
        if !state.in_hand.insert(entry.id) {
            return;
        }
        let lane = state.lanes.entry(conversation.clone()).or_default();
        if lane.front.len() >= BODIES_AT_HAND {
            entry.body = None;
        }
        lane.front.push_back(entry);
        let idle = !std::mem::replace(&mut lane.front_busy, true);
        // Whoever is woken looks at the state at once.
        drop(state);
        if idle {
            self.desk.lanes.spawn_on(self.clone().run_front(conversation.clone()), &(self.place)());
        }
    }

    /// How many messages of an account are in some lane.
    pub(crate) fn load(&self, account: &AccountId) -> usize {
        let state = self.state.lock();
        let of = |(c, lane): (&Conversation, &Lane)| {
            let busy = usize::from(lane.front_busy) + usize::from(lane.under_way.is_some());
            if c.account == *account { lane.front.len() + lane.back.len() + busy } else { 0 }
        };
        state.lanes.iter().map(of).sum()
    }

    /// The channels whose lanes are not empty, for the log of a drain that ran out of time.
    pub(crate) fn busy(&self) -> Vec<AccountId> {
        let state = self.state.lock();
        let accounts: HashSet<_> = state.lanes.keys().map(|c| c.account.clone()).collect();
        accounts.into_iter().collect()
    }

    /// The last message's turn goes on in the same task: a task of its own would wait behind the guests that have one.
    async fn run_front(self: Arc<Self>, conversation: Conversation) {
        let mut turn = None;
        while let Some(entry) = self.next_front(&conversation) {
            if let Some(turn) = turn.take() {
                self.spawn_turn(&conversation, turn);
            }
            let id = entry.id;
            let span = tracing::info_span!("message", %id);
            let work = front(&self.desk, &self.dispatcher, entry).instrument(span);
            let front = AssertUnwindSafe(work).catch_unwind().await;
            match front {
                Err(_) => {
                    panicked(&self.desk, &[id]).await;
                    self.done(&[id]);
                }
                Ok(Front::Over(under_way)) => {
                    self.done(&[id]);
                    if under_way == TurnUnderWay::Cancelled {
                        self.stop_turn(&conversation, AfterStop::Settle);
                    }
                }
                Ok(Front::ForModel(work)) => turn = self.push_back(&conversation, *work),
            }
        }
        if let Some(turn) = turn {
            // Apart, so that a message which asks no model does not take the room for it.
            Box::pin(self.run_turn(conversation, turn)).await;
        }
    }

    /// The next message for the front half; without one the half ends, and the lane with it if it is idle.
    fn next_front(&self, conversation: &Conversation) -> Option<Entry> {
        let mut state = self.state.lock();
        let lane = state.lanes.get_mut(conversation)?;
        let next = if self.abandon.is_cancelled() { None } else { lane.front.pop_front() };
        if next.is_none() {
            lane.front_busy = false;
            if lane.is_idle() {
                state.lanes.remove(conversation);
            }
        }
        next
    }

    fn done(&self, ids: &[InboxId]) {
        let mut state = self.state.lock();
        for id in ids {
            state.in_hand.remove(id);
        }
    }

    /// Puts a message at the end of the back half. The turn that begins with it, where none is under way, is for the caller
    /// to run.
    #[must_use]
    fn push_back(&self, conversation: &Conversation, work: InWork) -> Option<Turn> {
        let interrupt = work.permitted.route().while_busy == WhileBusy::Interrupt;
        let mut state = self.state.lock();
        let lane = state.lanes.entry(conversation.clone()).or_default();
        lane.back.push_back(work);
        if lane.under_way.is_none() {
            return self.begin_turn(lane);
        }
        if interrupt {
            drop(state);
            self.stop_turn(conversation, AfterStop::TakeAlong);
        }
        None
    }

    /// The next turn of a lane that has none under way; it is under way from now on.
    fn begin_turn(&self, lane: &mut Lane) -> Option<Turn> {
        let works = next_turn(&mut lane.back);
        if works.is_empty() {
            return None;
        }
        let stop = self.abandon.child_token();
        lane.under_way = Some(UnderWay { stop: stop.clone(), then: AfterStop::Settle });
        Some(Turn { works, stop })
    }

    fn spawn_turn(self: &Arc<Self>, conversation: &Conversation, turn: Turn) {
        self.desk.lanes.spawn_on(self.clone().run_turn(conversation.clone(), turn), &(self.place)());
    }

    fn stop_turn(&self, conversation: &Conversation, then: AfterStop) {
        let mut state = self.state.lock();
        if let Some(under_way) = state.lanes.get_mut(conversation).and_then(|lane| lane.under_way.as_mut()) {
            // Who said stop is not taken along by what is written next.
            if !under_way.stop.is_cancelled() {
                under_way.then = then;
            }
            under_way.stop.cancel();
        }
    }

    async fn run_turn(self: Arc<Self>, conversation: Conversation, Turn { works, stop }: Turn) {
        let ids: Vec<_> = works.iter().map(|work| work.permitted.id()).collect();
        let span = tracing::info_span!("turn", messages = ?ids);
        let work = back(&self.desk, &self.dispatcher, works, &stop).instrument(span);
        let back = AssertUnwindSafe(work).catch_unwind().await;
        match back {
            Err(_) => {
                panicked(&self.desk, &ids).await;
                self.done(&ids);
            }
            Ok(Back::Settled) => self.done(&ids),
            Ok(Back::Stopped(_)) if self.abandon.is_cancelled() => {}
            Ok(Back::Stopped(turn)) => self.after_stop(&conversation, &ids, turn).await,
            Ok(Back::Again(rest)) => self.put_back(&conversation, &ids, rest),
        }
        let mut state = self.state.lock();
        let Some(lane) = state.lanes.get_mut(&conversation) else { return };
        lane.under_way = None;
        if !self.abandon.is_cancelled()
            && let Some(turn) = self.begin_turn(lane)
        {
            self.spawn_turn(&conversation, turn);
        }
        if lane.is_idle() {
            state.lanes.remove(&conversation);
        }
    }

    async fn after_stop(&self, conversation: &Conversation, ids: &[InboxId], turn: Vec<InWork>) {
        let then = self.state.lock().lanes.get(conversation).and_then(|l| l.under_way.as_ref()).map(|u| u.then);
        if then == Some(AfterStop::TakeAlong) {
            self.put_back(conversation, ids, turn);
        } else {
            stopped(&self.desk, &self.dispatcher, turn).await;
            self.done(ids);
        }
    }

    /// Puts what is left of a turn back to the head of the lane's back half; the others of `ids` are done.
    fn put_back(&self, conversation: &Conversation, ids: &[InboxId], rest: Vec<InWork>) {
        let mut state = self.state.lock();
        for id in ids.iter().filter(|id| rest.iter().all(|work| work.permitted.id() != **id)) {
            state.in_hand.remove(id);
        }
        if let Some(lane) = state.lanes.get_mut(conversation) {
            for work in rest.into_iter().rev() {
                lane.back.push_front(work);
            }
        }
    }
}

/// What the model is asked about next: one message, or all that wait where the route wants them together. Only messages
/// of the same route of the same generation go together.
fn next_turn(back: &mut VecDeque<InWork>) -> Vec<InWork> {
    let Some(first) = back.pop_front() else { return Vec::new() };
    let together = first.permitted.route().while_busy != WhileBusy::Queue;
    let route = first.permitted.route().clone();
    let mut turn = vec![first];
    while together && back.front().is_some_and(|next| Arc::ptr_eq(next.permitted.route(), &route)) {
        turn.extend(back.pop_front());
    }
    turn
}
