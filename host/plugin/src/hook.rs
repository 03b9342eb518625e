//! A plugin with its settings, as the hook traits of `core`.

use std::sync::Arc;

use async_trait::async_trait;
use switchhook_core::catalogue::Limits;
use switchhook_core::hook::{
    Call, Hook, HookError, HookFailure, Next, Outcome, PolicyHook, PromptHook, ReplyHook, Verdict,
};
use switchhook_core::message::Message;
use switchhook_core::model::{Completion, ModelRequest};

use crate::contract::{BoundHook, Invocation, Policy, Prompt, Reply};
use crate::log::clean;
use crate::sandbox::{Job, Plugin, Sandbox};
use crate::state::Permissions;
use crate::weight::Weight;

/// The most actions of one call. Each is a row in the journal and a call of the provider: the largest answer that
/// anybody would read needs some dozens.
const MAX_ACTIONS: usize = 256;

/// The most characters of a guest's own error: a few lines.
const MAX_COMPLAINT: usize = 500;

/// All that a call needs beside its arguments.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) plugin: Arc<Plugin>,
    /// JSON, written once.
    pub(crate) settings: Arc<str>,
    pub(crate) limits: Limits,
    pub(crate) permissions: Arc<Permissions>,
}

impl Caller {
    pub(crate) fn into_hook(self) -> Hook {
        match self.plugin.bound.hook.clone() {
            BoundHook::Policy(hook) => Hook::Policy(Arc::new(Called { caller: self, hook })),
            BoundHook::Reply(hook) => Hook::Reply(Arc::new(Called { caller: self, hook })),
            BoundHook::Prompt(hook) => Hook::Prompt(Arc::new(Called { caller: self, hook })),
        }
    }

    async fn call<R: Weight + Send + 'static>(
        &self,
        call: Call,
        invocation: Invocation<Result<R, HookError>>,
    ) -> Result<R, HookFailure> {
        let job = Job {
            plugin: Arc::clone(&self.plugin),
            limits: self.limits,
            permissions: Arc::clone(&self.permissions),
            settings: Some(Arc::clone(&self.settings)),
            call: Some(call),
            invocation,
        };
        let answer = self.sandbox.run(job).await?.map_err(shortened)?;
        let (weight, limit) = (answer.weight(), self.limits.output);
        if weight > limit {
            return Err(HookFailure::Limit { what: format!("it returned {weight} bytes; {limit} is the most") });
        }
        if answer.actions() > MAX_ACTIONS {
            let what = format!("it wanted {} things done; {MAX_ACTIONS} is the most", answer.actions());
            return Err(HookFailure::Limit { what });
        }
        Ok(answer)
    }
}

/// What a guest says went wrong is for the operator's log: one line without numbers, and no longer than anybody reads.
fn shortened(error: HookError) -> HookError {
    let short = |text: String| clean(&text.chars().take(MAX_COMPLAINT).collect::<String>());
    match error {
        HookError::Settings(text) => HookError::Settings(short(text)),
        HookError::Unavailable(text) => HookError::Unavailable(short(text)),
        HookError::Internal(text) => HookError::Internal(short(text)),
    }
}

struct Called<H: ?Sized> {
    caller: Caller,
    hook: Arc<H>,
}

#[async_trait]
impl PolicyHook for Called<dyn Policy> {
    async fn decide(&self, call: Call, message: &Message) -> Result<Verdict, HookFailure> {
        self.caller.call(call, self.hook.decide(message)).await
    }
}

#[async_trait]
impl ReplyHook for Called<dyn Reply> {
    async fn handle(&self, call: Call, message: &Message) -> Result<Outcome, HookFailure> {
        self.caller.call(call, self.hook.handle(message)).await
    }
}

#[async_trait]
impl PromptHook for Called<dyn Prompt> {
    async fn compose(&self, call: Call, messages: &[Message]) -> Result<ModelRequest, HookFailure> {
        self.caller.call(call, self.hook.compose(messages)).await
    }
    async fn read(&self, call: Call, state: &[u8], completion: &Completion) -> Result<Next, HookFailure> {
        self.caller.call(call, self.hook.read(state, completion)).await
    }
}
