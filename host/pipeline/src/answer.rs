//! The second stage: what is answered, by a reply plugin or with the help of a model.

use std::sync::Arc;
use std::time::{Duration, Instant};

use switchhook_core::action::{Action, Outgoing};
use switchhook_core::hook::{HookFailure, Next, Outcome, PromptHook, ReplyHook};
use switchhook_core::message::Message;
use switchhook_core::model::{Completion, ModelError, ModelRequest};

use crate::desk::Desk;
use crate::errands::Errands;
use crate::permit::{Permitted, Session};
use crate::redact::redacted;
use crate::services::Drafts;
use crate::settle::InWork;
use crate::trace::{ModelStep, Tracer, failure};
use crate::wiring::{OnFailure, PromptWiring, Step};

/// The most questions to the model for one message: the tool loop ends there.
pub(crate) const MAX_ROUNDS: usize = 8;

/// What an apology says when a plugin or every model failed.
const APOLOGY: &str = "Sorry, something went wrong on our side. Please try again in a moment.";

/// What is to be done about a permitted message.
pub(crate) struct Answer {
    pub(crate) actions: Vec<Action>,
    pub(crate) ending: Ending,
}

pub(crate) enum Ending {
    /// Nothing more to do.
    Answered,
    /// No reply plugin took it: it is for the model.
    ForModel,
    /// Park it, with this reason.
    Hold { reason: String },
}

/// Asks the reply plugins in order, until one has answered.
pub(crate) async fn reply(desk: &Desk, permitted: &Permitted, drafts: &Arc<Drafts>, tracer: &mut Tracer) -> Answer {
    let mut actions = Vec::new();
    let kind = permitted.message().content.kind();
    for step in permitted.route().replies.iter().filter(|s| s.content.contains(&kind)) {
        match handle(desk, permitted, step, drafts, tracer).await {
            Ok(Outcome::Pass) => {}
            Ok(Outcome::Continue(more)) => actions.extend(more),
            Ok(Outcome::Answered(more)) => {
                actions.extend(more);
                return Answer { actions, ending: Ending::Answered };
            }
            Err(error) => match on_failure(step.on_failure, failure(&step.plugin, &error)) {
                None => {}
                Some(answer) => return answer,
            },
        }
    }
    let wanted = permitted.route().prompt.as_ref().is_some_and(|p| p.step.content.contains(&kind));
    Answer { actions, ending: if wanted { Ending::ForModel } else { Ending::Answered } }
}

async fn handle(
    desk: &Desk,
    permitted: &Permitted,
    step: &Step<dyn ReplyHook>,
    drafts: &Arc<Drafts>,
    tracer: &mut Tracer,
) -> Result<Outcome, HookFailure> {
    let session = Session::open(desk, permitted.channel(), permitted.message(), step, drafts);
    let answer = session.checked(step.hook.handle(session.call(), permitted.message()).await);
    let summary = answer.as_ref().map(|outcome| match outcome {
        Outcome::Pass => "pass".to_owned(),
        Outcome::Continue(actions) => counted("continue", actions),
        Outcome::Answered(actions) => counted("answered", actions),
    });
    session.close("handle", summary, tracer);
    answer
}

fn counted(how: &str, actions: &[Action]) -> String {
    if actions.len() == 1 { format!("{how}, 1 action") } else { format!("{how}, {} actions", actions.len()) }
}

/// What the config wants done when a plugin failed; none means to go on without it.
fn on_failure(wish: OnFailure, reason: String) -> Option<Answer> {
    tracing::warn!("{}", redacted(&reason));
    match wish {
        OnFailure::Skip => None,
        OnFailure::Apologise => Some(apology()),
        OnFailure::Hold => Some(Answer { actions: Vec::new(), ending: Ending::Hold { reason } }),
    }
}

fn apology() -> Answer {
    Answer { actions: vec![Action::Send(Outgoing::text(APOLOGY))], ending: Ending::Answered }
}

/// Frames one message, or several together, asks the model, and reads its answer, as often as the plugin wants.
pub(crate) async fn prompt(
    desk: &Desk,
    errands: &Errands,
    turn: &[InWork],
    drafts: &Arc<Drafts>,
    tracer: &mut Tracer,
) -> Answer {
    let nothing = || Answer { actions: Vec::new(), ending: Ending::Answered };
    let Some(first) = turn.first() else { return nothing() };
    let Some(wiring) = first.permitted.route().prompt.as_ref() else { return nothing() };
    let mark = drafts.mark();
    let outcome = converse((desk, errands), turn, wiring, drafts, tracer).await;
    if outcome.is_err() {
        drafts.back_to(mark);
    }
    match outcome {
        Ok(actions) => Answer { actions, ending: Ending::Answered },
        Err(reason) => on_failure(wiring.step.on_failure, reason).unwrap_or_else(nothing),
    }
}

async fn converse(
    (desk, errands): (&Desk, &Errands),
    turn: &[InWork],
    wiring: &PromptWiring,
    drafts: &Arc<Drafts>,
    tracer: &mut Tracer,
) -> Result<Vec<Action>, String> {
    let step = &wiring.step;
    let named = |error: HookFailure| failure(&step.plugin, &error);
    let mut request = compose(desk, turn, step, drafts, tracer).await.map_err(named)?;
    for _ in 0..MAX_ROUNDS {
        let state = std::mem::take(&mut request.state);
        let completion = ask((desk, errands), wiring, request, tracer).await.map_err(|error| error.to_string())?;
        match read(desk, turn, step, (&state, &completion), drafts, tracer).await.map_err(named)? {
            Next::Done(actions) => return Ok(actions),
            Next::Again(next) => request = next,
        }
    }
    Err(format!("plugin `{}` asked the model more than {MAX_ROUNDS} times about one message", step.plugin))
}

async fn compose(
    desk: &Desk,
    turn: &[InWork],
    step: &Step<dyn PromptHook>,
    drafts: &Arc<Drafts>,
    tracer: &mut Tracer,
) -> Result<ModelRequest, HookFailure> {
    let latest = &turn[turn.len() - 1].permitted;
    let session = Session::open(desk, latest.channel(), latest.message(), step, drafts);
    let messages: Vec<Message> = turn.iter().map(|w| Message::clone(w.permitted.message())).collect();
    let answer = session.checked(step.hook.compose(session.call(), &messages).await);
    let summary = answer.as_ref().map(|r| format!("{} messages, {} tools", r.messages.len(), r.tools.len()));
    session.close("compose", summary, tracer);
    answer
}

async fn read(
    desk: &Desk,
    turn: &[InWork],
    step: &Step<dyn PromptHook>,
    (state, completion): (&[u8], &Completion),
    drafts: &Arc<Drafts>,
    tracer: &mut Tracer,
) -> Result<Next, HookFailure> {
    let latest = &turn[turn.len() - 1].permitted;
    let session = Session::open(desk, latest.channel(), latest.message(), step, drafts);
    let answer = session.checked(step.hook.read(session.call(), state, completion).await);
    let summary = answer.as_ref().map(|next| match next {
        Next::Done(actions) => counted("done", actions),
        Next::Again(request) => format!("again, {} messages", request.messages.len()),
    });
    session.close("read", summary, tracer);
    answer
}

async fn ask(
    (desk, errands): (&Desk, &Errands),
    wiring: &PromptWiring,
    request: ModelRequest,
    tracer: &mut Tracer,
) -> Result<Completion, ModelError> {
    let started = Instant::now();
    let model = wiring.model.clone();
    let answer = errands.run(&desk.calls(), async move { model.complete(&request).await }).await;
    let millis = Duration::as_millis(&started.elapsed()) as u64;
    tracer.trace.models.push(match &answer {
        Ok(c) => ModelStep {
            model: c.model.clone(),
            result: format!("{:?}, {} bytes", c.finish, c.text.len()),
            millis,
            input_tokens: c.usage.input_tokens,
            output_tokens: c.usage.output_tokens,
        },
        Err(error) => {
            ModelStep { model: String::new(), result: error.to_string(), millis, input_tokens: 0, output_tokens: 0 }
        }
    });
    answer
}
