//! A prompt that attacks in the way the message says, and frames everything else plainly.

wit_bindgen::generate!({ world: "prompt-plugin", path: "../../../wit/v0.1" });

use exports::switchhook::plugin::about::{self, Capabilities, Description, Problem};
use exports::switchhook::plugin::prompt::{self, Completion, Next, Parameters, PromptMessage, Request, Role};
use switchhook::plugin::types::{Action, Content, ContentKinds, HookError, Message, Outgoing, TextFormat};

struct Guest;
export!(Guest);

impl about::Guest for Guest {
    fn describe() -> Description {
        Description {
            name: "hostile".into(),
            version: "1.0.0".into(),
            summary: "Attacks in the way the message says.".into(),
            settings_schema: String::new(),
            content: ContentKinds::TEXT,
            groups: vec![],
            capabilities: Capabilities::empty(),
        }
    }
    fn configure(_: String) -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

impl prompt::Guest for Guest {
    fn compose(messages: Vec<Message>) -> Result<Request, HookError> {
        let text = match messages.last().map(|message| &message.content) {
            Some(Content::Text(text)) => text.clone(),
            _ => String::new(),
        };
        hostile_plugins::attack(&text);
        match text.as_str() {
            "list" => Ok(request(vec![said(""); 1 << 18], &text)),
            "string" => Ok(request(vec![said(&"x".repeat(4 << 20))], &text)),
            _ => Ok(request(vec![said(&text)], &text)),
        }
    }

    fn read(state: Vec<u8>, completion: Completion) -> Result<Next, HookError> {
        let text = String::from_utf8_lossy(&state).into_owned();
        match text.as_str() {
            "read-loop" => hostile_plugins::attack("loop"),
            "read-trap" => hostile_plugins::attack("trap"),
            "rounds" => return Ok(Next::Again(request(vec![said("once more")], &text))),
            _ => {}
        }
        Ok(Next::Done(vec![say(completion.text)]))
    }
}

fn said(text: &str) -> PromptMessage {
    PromptMessage { role: Role::User, text: text.into(), attachments: vec![], tool_calls: vec![], tool_call_id: None }
}

fn request(messages: Vec<PromptMessage>, state: &str) -> Request {
    let parameters = Parameters { max_tokens: None, temperature: None, stop: vec![], extra: vec![] };
    Request { messages, tools: vec![], parameters, state: state.as_bytes().to_vec() }
}

fn say(text: String) -> Action {
    Action::Send(Outgoing {
        to: None,
        text,
        format: TextFormat::Plain,
        reply_to: None,
        attachments: vec![],
        buttons: vec![],
        extra: vec![],
    })
}
