//! A prompt plugin that asks again once.

wit_bindgen::generate!({ world: "prompt-plugin", path: "../../../../wit/v0.1" });

use exports::switchhook::plugin::about::{Capabilities, Description, Problem};
use exports::switchhook::plugin::prompt::*;
use switchhook::plugin::types::{Content, ContentKinds, Outgoing, TextFormat};

struct Guest;
export!(Guest);

impl exports::switchhook::plugin::about::Guest for Guest {
    fn describe() -> Description {
        Description {
            name: "asker".into(),
            version: "1.0.0".into(),
            summary: "Asks a model, twice.".into(),
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

fn request(messages: Vec<PromptMessage>, state: Vec<u8>) -> Request {
    Request {
        messages,
        tools: vec![Tool { name: "add".into(), description: "Adds.".into(), parameters: "{}".into() }],
        parameters: Parameters {
            max_tokens: Some(10),
            temperature: Some(0.5),
            stop: vec!["END".into()],
            extra: vec![("top_k".into(), "1".into())],
        },
        state,
    }
}

impl Guest {
    fn line(role: Role, text: &str) -> PromptMessage {
        PromptMessage { role, text: text.into(), attachments: vec![], tool_calls: vec![], tool_call_id: None }
    }
}

impl exports::switchhook::plugin::prompt::Guest for Guest {
    fn compose(messages: Vec<Message>) -> Result<Request, HookError> {
        let mut lines = vec![Guest::line(Role::System, "Be brief.")];
        for message in &messages {
            if let Content::Text(text) = &message.content {
                lines.push(Guest::line(Role::User, text));
            }
        }
        Ok(request(lines, b"first".to_vec()))
    }

    fn read(state: Vec<u8>, completion: Completion) -> Result<Next, HookError> {
        if state == b"first" {
            let mut line = Guest::line(Role::Tool, "3");
            line.tool_call_id = completion.tool_calls.first().map(|call| call.id.clone());
            return Ok(Next::Again(request(vec![line], b"second".to_vec())));
        }
        Ok(Next::Done(vec![Action::Send(Outgoing {
            to: None,
            text: completion.text,
            format: TextFormat::Plain,
            reply_to: None,
            attachments: vec![],
            buttons: vec![],
            extra: vec![],
        })]))
    }
}
