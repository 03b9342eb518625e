//! The decisions of the four plugins as native code: what the work itself costs.

use async_trait::async_trait;
use switchhook_core::action::{Action, Outgoing, TextFormat};
use switchhook_core::hook::{Call, HookFailure, Next, Outcome, PolicyHook, PromptHook, ReplyHook, Speaker, Verdict};
use switchhook_core::message::{Message, Standing};
use switchhook_core::model::{Completion, ModelRequest, PromptMessage, Role};

use crate::{HISTORY, SYSTEM};

/// The budget of text that `assistant` has by default, in bytes.
const MAX_BYTES: u32 = 16 * 1024;

pub(crate) struct Allowlist;

#[async_trait]
impl PolicyHook for Allowlist {
    async fn decide(&self, call: Call, message: &Message) -> Result<Verdict, HookFailure> {
        let known = message.sender.standing == Standing::Approved || call.host.sender_in("allow_from");
        if known && message.sender.standing != Standing::Blocked {
            return Ok(Verdict::Pass);
        }
        Ok(Verdict::Deny { reason: format!("{} is not in allow_from", message.sender.id), notice: None })
    }
}

/// A router without rules.
pub(crate) struct Router;

#[async_trait]
impl PolicyHook for Router {
    async fn decide(&self, _: Call, _: &Message) -> Result<Verdict, HookFailure> {
        Ok(Verdict::Pass)
    }
}

pub(crate) struct Commands;

#[async_trait]
impl ReplyHook for Commands {
    async fn handle(&self, _: Call, message: &Message) -> Result<Outcome, HookFailure> {
        let command = message.text().is_some_and(|text| text.trim_start().starts_with('/'));
        if command { Ok(Outcome::Answered(vec![Action::Send(Outgoing::text("a command"))])) } else { Ok(Outcome::Pass) }
    }
}

pub(crate) struct Assistant;

#[async_trait]
impl PromptHook for Assistant {
    async fn compose(&self, call: Call, messages: &[Message]) -> Result<ModelRequest, HookFailure> {
        let said = call.host.history(HISTORY, MAX_BYTES).await;
        let earlier = said.into_iter().map(|turn| match turn.speaker {
            Speaker::Us => line(Role::Assistant, turn.text),
            Speaker::Person => line(Role::User, turn.text),
        });
        let new = messages.iter().filter_map(Message::text).map(|text| line(Role::User, text.to_owned()));
        let messages = [line(Role::System, SYSTEM.to_owned())].into_iter().chain(earlier).chain(new).collect();
        Ok(ModelRequest { messages, ..ModelRequest::default() })
    }
    async fn read(&self, _: Call, _: &[u8], completion: &Completion) -> Result<Next, HookFailure> {
        let outgoing = Outgoing { format: TextFormat::Markdown, ..Outgoing::text(completion.text.clone()) };
        Ok(Next::Done(vec![Action::Send(outgoing)]))
    }
}

fn line(role: Role, text: String) -> PromptMessage {
    PromptMessage { role, text, attachments: vec![], tool_calls: vec![], tool_call_id: None }
}
