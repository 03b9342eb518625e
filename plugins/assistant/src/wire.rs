//! To and from the types of the contract.

use crate::dialogue::{Call, Line};
use crate::settings::Settings;
use crate::turn::{self, State};
use crate::{Action, HookError, Outgoing, Parameters, PromptMessage, Request, Role, TextFormat, ToolCall, ToolOffer};

pub(crate) fn request(settings: &Settings, state: State) -> Result<Request, HookError> {
    let tools: Vec<_> = turn::offered(settings, state.rounds)
        .iter()
        .map(|tool| ToolOffer {
            name: tool.name().into(),
            description: tool.description().into(),
            parameters: tool.parameters().into(),
        })
        .collect();
    // Without tools there is no second request, and so nothing to remember.
    let kept = if tools.is_empty() { State { lines: vec![], rounds: state.rounds } } else { state.clone() };
    Ok(Request {
        messages: state.lines.into_iter().map(message).collect(),
        tools,
        parameters: Parameters {
            max_tokens: settings.max_tokens,
            temperature: settings.temperature,
            stop: vec![],
            extra: vec![],
        },
        state: serde_json::to_vec(&kept).map_err(|e| HookError::Internal(e.to_string()))?,
    })
}

pub(crate) fn state(bytes: &[u8]) -> Result<State, HookError> {
    serde_json::from_slice(bytes).map_err(|e| HookError::Internal(format!("the state can't be read: {e}")))
}

fn message(line: Line) -> PromptMessage {
    let plain = |role, text| PromptMessage { role, text, attachments: vec![], tool_calls: vec![], tool_call_id: None };
    match line {
        Line::System(text) => plain(Role::System, text),
        Line::User(text) => plain(Role::User, text),
        Line::Assistant { text, calls } => PromptMessage {
            tool_calls: calls
                .into_iter()
                .map(|Call { id, name, arguments }| ToolCall { id, name, arguments })
                .collect(),
            ..plain(Role::Assistant, text)
        },
        Line::Tool { call, text } => PromptMessage { tool_call_id: Some(call), ..plain(Role::Tool, text) },
    }
}

pub(crate) fn calls(calls: Vec<ToolCall>) -> Vec<Call> {
    calls.into_iter().map(|ToolCall { id, name, arguments }| Call { id, name, arguments }).collect()
}

pub(crate) fn send(text: String) -> Action {
    Action::Send(Outgoing {
        to: None,
        text,
        format: TextFormat::Markdown,
        reply_to: None,
        attachments: vec![],
        buttons: vec![],
        extra: vec![],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Tool;

    fn asked() -> State {
        State { lines: vec![Line::System("Be kind.".into()), Line::User("hi".into())], rounds: 0 }
    }

    #[test]
    fn without_tools_nothing_is_carried() {
        let request = request(&Settings::default(), asked()).unwrap();
        assert_eq!(request.messages.iter().map(|m| m.role).collect::<Vec<_>>(), [Role::System, Role::User]);
        assert_eq!((request.tools.len(), state(&request.state).unwrap()), (0, State::default()));
    }

    #[test]
    fn with_tools_the_whole_list_is_carried() {
        let settings = Settings { tools: vec![Tool::Time], max_tokens: Some(9), ..Settings::default() };
        let request = request(&settings, asked()).unwrap();
        assert_eq!((request.tools[0].name.as_str(), request.parameters.max_tokens), ("time", Some(9)));
        assert_eq!(state(&request.state).unwrap(), asked());
    }

    #[test]
    fn calls_and_results_keep_their_ids() {
        let call = Call { id: "c1".into(), name: "time".into(), arguments: "{}".into() };
        let asking = message(Line::Assistant { text: String::new(), calls: vec![call.clone()] });
        assert_eq!((asking.role, calls(asking.tool_calls)), (Role::Assistant, vec![call]));
        let told = message(Line::Tool { call: "c1".into(), text: "noon".into() });
        assert_eq!((told.role, told.tool_call_id.as_deref()), (Role::Tool, Some("c1")));
    }
}
