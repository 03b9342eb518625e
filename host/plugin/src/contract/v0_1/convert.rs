//! Between the records of contract 0.1 and the types of `core`. Nothing is decided here.

use switchhook_core::action::{Action, AttachmentSource, Button, Outgoing, OutgoingAttachment, TextFormat};
use switchhook_core::catalogue::{Capability, SettingsProblem};
use switchhook_core::hook::{HookError, KvError, Next, Outcome, Speaker, Turn, Verdict};
use switchhook_core::message::{
    Attachment, AttachmentKind, Chat, ChatKind, Content, ContentKind, Message, Party, Quoted, Standing,
};
use switchhook_core::model::{Completion, FinishReason, ModelRequest, Parameters, PromptMessage, Role, Tool, ToolCall};

use super::Described;
use super::bindings::exports::switchhook::plugin::{about, policy, prompt, reply};
use super::bindings::switchhook::plugin::{history, kv, types};

pub(super) fn described(d: about::Description) -> Described {
    Described {
        name: d.name,
        version: d.version,
        summary: d.summary,
        settings_schema: d.settings_schema,
        content: content_kinds(d.content),
        groups: d.groups,
        capabilities: capabilities(d.capabilities),
    }
}

fn content_kinds(wanted: types::ContentKinds) -> Vec<ContentKind> {
    use types::ContentKinds as F;
    [
        (F::TEXT, ContentKind::Text),
        (F::EDITED, ContentKind::Edited),
        (F::DELETED, ContentKind::Deleted),
        (F::REACTION, ContentKind::Reaction),
        (F::BUTTON, ContentKind::Button),
        (F::JOINED, ContentKind::Joined),
        (F::LEFT, ContentKind::Left),
        (F::TIMER, ContentKind::Timer),
        (F::OTHER, ContentKind::Other),
    ]
    .into_iter()
    .filter_map(|(flag, kind)| wanted.contains(flag).then_some(kind))
    .collect()
}

fn capabilities(wanted: about::Capabilities) -> Vec<Capability> {
    use about::Capabilities as F;
    [
        (F::HISTORY, Capability::History),
        (F::KV, Capability::Kv),
        (F::KV_SHARED, Capability::KvShared),
        (F::ATTACHMENTS, Capability::Attachments),
        (F::HTTP, Capability::Http),
    ]
    .into_iter()
    .filter_map(|(flag, capability)| wanted.contains(flag).then_some(capability))
    .collect()
}

pub(super) fn problems(problems: Vec<about::Problem>) -> Vec<SettingsProblem> {
    problems.into_iter().map(|p| SettingsProblem { path: p.path, message: p.message }).collect()
}

pub(super) fn hook_error(error: types::HookError) -> HookError {
    match error {
        types::HookError::Settings(text) => HookError::Settings(text),
        types::HookError::Unavailable(text) => HookError::Unavailable(text),
        types::HookError::Internal(text) => HookError::Internal(text),
    }
}

pub(super) fn kv_error(error: KvError) -> kv::KvError {
    match error {
        KvError::Quota => kv::KvError::Quota,
        KvError::TooLarge => kv::KvError::TooLarge,
    }
}

pub(super) fn turn(turn: Turn) -> history::Turn {
    let speaker = match turn.speaker {
        Speaker::Person => history::Speaker::Person,
        Speaker::Us => history::Speaker::Us,
    };
    history::Turn { speaker, name: turn.name, text: turn.text, at_ms: turn.at.0 }
}

pub(super) fn message(m: &Message) -> types::Message {
    types::Message {
        id: m.id.clone(),
        channel: m.channel.as_str().to_owned(),
        connector: m.connector.clone(),
        account: m.account.as_str().to_owned(),
        chat: chat(&m.chat),
        sender: party(&m.sender),
        content: content(&m.content),
        attachments: m.attachments.iter().map(attachment).collect(),
        mentions_me: m.mentions_me,
        quoted: m.quoted.as_ref().map(quoted),
        sent_at_ms: m.sent_at.0,
        extra: m.extra.clone(),
    }
}

fn chat(chat: &Chat) -> types::Chat {
    let kind = match chat.kind {
        ChatKind::Direct => types::ChatKind::Direct,
        ChatKind::Group => types::ChatKind::Group,
        ChatKind::Channel => types::ChatKind::Channel,
    };
    types::Chat { id: chat.id.clone(), kind, title: chat.title.clone(), thread: chat.thread.clone() }
}

fn party(party: &Party) -> types::Party {
    types::Party {
        id: party.id.as_str().to_owned(),
        aliases: party.aliases.iter().map(|id| id.as_str().to_owned()).collect(),
        name: party.name.clone(),
        standing: match party.standing {
            Standing::Unknown => types::Standing::Unknown,
            Standing::Approved => types::Standing::Approved,
            Standing::Blocked => types::Standing::Blocked,
        },
    }
}

fn parties(people: &[Party]) -> Vec<types::Party> {
    people.iter().map(party).collect()
}

fn content(content: &Content) -> types::Content {
    match content {
        Content::Text(text) => types::Content::Text(text.clone()),
        Content::Edited { message_id, text } => {
            types::Content::Edited(types::Edited { message_id: message_id.clone(), text: text.clone() })
        }
        Content::Deleted { message_id } => types::Content::Deleted(message_id.clone()),
        Content::Reaction { message_id, emoji } => {
            types::Content::Reaction(types::Reaction { message_id: message_id.clone(), emoji: emoji.clone() })
        }
        Content::Button(value) => types::Content::Button(value.clone()),
        Content::Joined(people) => types::Content::Joined(parties(people)),
        Content::Left(people) => types::Content::Left(parties(people)),
        Content::Timer(name) => types::Content::Timer(name.clone()),
        Content::Other { kind, json } => types::Content::Other((kind.clone(), json.clone())),
    }
}

fn attachment(a: &Attachment) -> types::Attachment {
    types::Attachment {
        handle: a.handle.clone(),
        kind: kind_to_guest(a.kind),
        media_type: a.media_type.clone(),
        file_name: a.file_name.clone(),
        size: a.size,
    }
}

fn quoted(q: &Quoted) -> types::Quoted {
    types::Quoted { message_id: q.message_id.clone(), sender: q.sender.as_ref().map(party), text: q.text.clone() }
}

fn kind_to_guest(kind: AttachmentKind) -> types::AttachmentKind {
    use types::AttachmentKind as G;
    match kind {
        AttachmentKind::Image => G::Image,
        AttachmentKind::Video => G::Video,
        AttachmentKind::Audio => G::Audio,
        AttachmentKind::Voice => G::Voice,
        AttachmentKind::Document => G::Document,
        AttachmentKind::Sticker => G::Sticker,
        AttachmentKind::Location => G::Location,
        AttachmentKind::Contact => G::Contact,
        AttachmentKind::Other => G::Other,
    }
}

fn kind_from_guest(kind: types::AttachmentKind) -> AttachmentKind {
    use types::AttachmentKind as G;
    match kind {
        G::Image => AttachmentKind::Image,
        G::Video => AttachmentKind::Video,
        G::Audio => AttachmentKind::Audio,
        G::Voice => AttachmentKind::Voice,
        G::Document => AttachmentKind::Document,
        G::Sticker => AttachmentKind::Sticker,
        G::Location => AttachmentKind::Location,
        G::Contact => AttachmentKind::Contact,
        G::Other => AttachmentKind::Other,
    }
}

pub(super) fn verdict(verdict: policy::Verdict) -> Verdict {
    match verdict {
        policy::Verdict::Pass => Verdict::Pass,
        policy::Verdict::Deny(denial) => Verdict::Deny { reason: denial.reason, notice: denial.notice },
        policy::Verdict::Hold(reason) => Verdict::Hold { reason },
        policy::Verdict::Route(name) => Verdict::Route { name },
    }
}

pub(super) fn outcome(outcome: reply::Outcome) -> Outcome {
    match outcome {
        reply::Outcome::Pass => Outcome::Pass,
        reply::Outcome::Continue(list) => Outcome::Continue(actions(list)),
        reply::Outcome::Answered(list) => Outcome::Answered(actions(list)),
    }
}

pub(super) fn next(next: prompt::Next) -> Next {
    match next {
        prompt::Next::Done(list) => Next::Done(actions(list)),
        prompt::Next::Again(again) => Next::Again(request(again)),
    }
}

fn actions(list: Vec<types::Action>) -> Vec<Action> {
    list.into_iter().map(action).collect()
}

fn action(action: types::Action) -> Action {
    match action {
        types::Action::Send(message) => Action::Send(outgoing(message)),
        types::Action::Edit(e) => Action::Edit { message_id: e.message_id, text: e.text, format: format(e.format) },
        types::Action::Delete(message_id) => Action::Delete { message_id },
        types::Action::React(r) => Action::React { message_id: r.message_id, emoji: r.emoji },
        types::Action::MarkRead => Action::MarkRead,
        types::Action::Forward(f) => Action::Forward { message_id: f.message_id, to: f.to },
        types::Action::Schedule(t) => Action::Schedule { name: t.name, after_ms: t.after_ms },
        types::Action::CancelTurn => Action::CancelTurn,
        types::Action::NewConversation => Action::NewConversation,
        types::Action::Other((kind, json)) => Action::Other { kind, json },
    }
}

fn format(format: types::TextFormat) -> TextFormat {
    match format {
        types::TextFormat::Plain => TextFormat::Plain,
        types::TextFormat::Markdown => TextFormat::Markdown,
    }
}

fn outgoing(m: types::Outgoing) -> Outgoing {
    Outgoing {
        to: m.to,
        text: m.text,
        format: format(m.format),
        reply_to: m.reply_to,
        attachments: m.attachments.into_iter().map(outgoing_attachment).collect(),
        buttons: m.buttons.into_iter().map(|row| row.into_iter().map(button).collect()).collect(),
        extra: m.extra,
    }
}

fn outgoing_attachment(a: types::OutgoingAttachment) -> OutgoingAttachment {
    let source = match a.source {
        types::AttachmentSource::Handle(handle) => AttachmentSource::Handle(handle),
        types::AttachmentSource::Bytes(bytes) => AttachmentSource::Bytes(bytes),
    };
    OutgoingAttachment { source, kind: kind_from_guest(a.kind), media_type: a.media_type, file_name: a.file_name }
}

fn button(button: types::Button) -> Button {
    Button { label: button.label, value: button.value }
}

pub(super) fn request(r: prompt::Request) -> ModelRequest {
    let parameters = Parameters {
        max_tokens: r.parameters.max_tokens,
        temperature: r.parameters.temperature,
        stop: r.parameters.stop,
        extra: r.parameters.extra,
    };
    let tool = |t: prompt::Tool| Tool { name: t.name, description: t.description, parameters: t.parameters };
    ModelRequest {
        messages: r.messages.into_iter().map(prompt_message).collect(),
        tools: r.tools.into_iter().map(tool).collect(),
        parameters,
        state: r.state,
    }
}

fn prompt_message(m: prompt::PromptMessage) -> PromptMessage {
    let role = match m.role {
        prompt::Role::System => Role::System,
        prompt::Role::User => Role::User,
        prompt::Role::Assistant => Role::Assistant,
        prompt::Role::Tool => Role::Tool,
    };
    let call = |c: prompt::ToolCall| ToolCall { id: c.id, name: c.name, arguments: c.arguments };
    PromptMessage {
        role,
        text: m.text,
        attachments: m.attachments,
        tool_calls: m.tool_calls.into_iter().map(call).collect(),
        tool_call_id: m.tool_call_id,
    }
}

pub(super) fn completion(c: &Completion) -> prompt::Completion {
    let call =
        |c: &ToolCall| prompt::ToolCall { id: c.id.clone(), name: c.name.clone(), arguments: c.arguments.clone() };
    prompt::Completion {
        text: c.text.clone(),
        tool_calls: c.tool_calls.iter().map(call).collect(),
        finish: match c.finish {
            FinishReason::Stop => prompt::FinishReason::Stop,
            FinishReason::Length => prompt::FinishReason::Length,
            FinishReason::ToolCalls => prompt::FinishReason::ToolCalls,
            FinishReason::Filtered => prompt::FinishReason::Filtered,
            FinishReason::Other => prompt::FinishReason::Other,
        },
        model: c.model.clone(),
        usage: prompt::Usage { input_tokens: c.usage.input_tokens, output_tokens: c.usage.output_tokens },
    }
}
