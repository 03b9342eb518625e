//! How much a guest returned, in bytes: every text and list counts, and so does each element of a list.

use switchhook_core::action::{Action, AttachmentSource, Outgoing};
use switchhook_core::hook::{Next, Outcome, Verdict};
use switchhook_core::model::{ModelRequest, PromptMessage, Tool};

/// What one element of a list weighs beside its texts, so that a million empty ones are not nothing.
const ELEMENT: usize = 16;

pub(crate) trait Weight {
    fn weight(&self) -> usize;
    /// How many things it wants done.
    fn actions(&self) -> usize {
        0
    }
}

impl Weight for Verdict {
    fn weight(&self) -> usize {
        match self {
            Self::Pass => 0,
            Self::Deny { reason, notice } => reason.len() + option(notice),
            Self::Hold { reason } => reason.len(),
            Self::Route { name } => name.len(),
        }
    }
}

impl Weight for Outcome {
    fn weight(&self) -> usize {
        match self {
            Self::Pass => 0,
            Self::Continue(actions) | Self::Answered(actions) => list(actions, action),
        }
    }
    fn actions(&self) -> usize {
        match self {
            Self::Pass => 0,
            Self::Continue(actions) | Self::Answered(actions) => actions.len(),
        }
    }
}

impl Weight for Next {
    fn weight(&self) -> usize {
        match self {
            Self::Done(actions) => list(actions, action),
            Self::Again(request) => request.weight(),
        }
    }
    fn actions(&self) -> usize {
        match self {
            Self::Done(actions) => actions.len(),
            Self::Again(_) => 0,
        }
    }
}

impl Weight for ModelRequest {
    fn weight(&self) -> usize {
        list(&self.messages, prompt_message)
            + list(&self.tools, tool)
            + list(&self.parameters.stop, String::len)
            + list(&self.parameters.extra, pair)
            + self.state.len()
    }
}

fn list<T>(items: &[T], weigh: impl Fn(&T) -> usize) -> usize {
    items.iter().map(|item| ELEMENT + weigh(item)).sum()
}

fn option(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn pair((name, value): &(String, String)) -> usize {
    name.len() + value.len()
}

fn action(action: &Action) -> usize {
    match action {
        Action::Send(message) => outgoing(message),
        Action::Edit { message_id, text, .. } => message_id.len() + text.len(),
        Action::Delete { message_id } => message_id.len(),
        Action::React { message_id, emoji } => message_id.len() + option(emoji),
        Action::Forward { message_id, to } => message_id.len() + to.len(),
        Action::Schedule { name, .. } => name.len(),
        Action::Other { kind, json } => kind.len() + json.len(),
        Action::MarkRead | Action::CancelTurn | Action::NewConversation => 0,
    }
}

fn outgoing(m: &Outgoing) -> usize {
    let attachments = list(&m.attachments, |a| {
        let source = match &a.source {
            AttachmentSource::Handle(handle) => handle.len(),
            AttachmentSource::Bytes(bytes) => bytes.len(),
        };
        source + option(&a.media_type) + option(&a.file_name)
    });
    let buttons = list(&m.buttons, |row| list(row, |button| button.label.len() + button.value.len()));
    option(&m.to) + m.text.len() + option(&m.reply_to) + attachments + buttons + list(&m.extra, pair)
}

fn prompt_message(m: &PromptMessage) -> usize {
    let calls = list(&m.tool_calls, |call| call.id.len() + call.name.len() + call.arguments.len());
    m.text.len() + list(&m.attachments, String::len) + calls + option(&m.tool_call_id)
}

fn tool(tool: &Tool) -> usize {
    tool.name.len() + tool.description.len() + tool.parameters.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_elements_count() {
        assert_eq!(Verdict::Deny { reason: "abc".into(), notice: Some("de".into()) }.weight(), 5);
        assert_eq!(Outcome::Answered(vec![Action::Send(Outgoing::text("hello"))]).weight(), ELEMENT + 5);
        assert_eq!(Outcome::Continue(vec![Action::MarkRead; 10]).weight(), 10 * ELEMENT);
    }
}
