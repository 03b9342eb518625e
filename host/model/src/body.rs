//! What a provider is sent: a request of ours as the JSON of chat completions.

use serde::Serialize;
use serde_json::{Map, Value, json};
use switchhook_core::model::{ModelRequest, Parameters, PromptMessage, Role, Tool, ToolCall};

/// What `extra` may not set: the operator chose the model, and the host reads the stream.
const RESERVED: [&str; 6] = ["model", "messages", "tools", "stream", "stream_options", "n"];

/// Why a request can't be put to any provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the extra parameter `{name}` is not JSON: {reason}")]
    BadExtra { name: String, reason: String },
    #[error("the extra parameter `{name}` is the host's to set: leave it out")]
    ReservedExtra { name: String },
    #[error("the parameters of the tool `{name}` are not a JSON Schema: {reason}")]
    BadTool { name: String, reason: String },
}

/// What each provider is told in its own way, before what all of them are told.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    /// As the provider names it.
    model: &'a str,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    rest: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> Body<'a> {
    /// `rest` is what [`of`] made.
    pub(crate) fn new(model: &'a str, stream: bool, rest: &'a Map<String, Value>) -> Self {
        // A whole answer counts its tokens unasked.
        Self { model, stream, stream_options: stream.then_some(StreamOptions { include_usage: true }), rest }
    }
}

/// Everything that no provider is told in its own way.
pub(crate) fn of(request: &ModelRequest) -> Result<Map<String, Value>, BodyError> {
    let mut body = Map::new();
    body.insert("messages".into(), request.messages.iter().map(message).collect());
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect::<Result<_, _>>()?);
    }
    parameters(&request.parameters, &mut body)?;
    Ok(body)
}

fn message(message: &PromptMessage) -> Value {
    let mut out = json!({ "role": role(message.role), "content": message.text });
    if !message.tool_calls.is_empty() {
        out["tool_calls"] = message.tool_calls.iter().map(tool_call).collect();
        if message.text.is_empty() {
            out["content"] = Value::Null;
        }
    }
    if let Some(id) = &message.tool_call_id {
        out["tool_call_id"] = id.as_str().into();
    }
    out
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

fn tool_call(call: &ToolCall) -> Value {
    json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": call.arguments } })
}

fn tool(tool: &Tool) -> Result<Value, BodyError> {
    let schema: Map<String, Value> = serde_json::from_str(&tool.parameters)
        .map_err(|error| BodyError::BadTool { name: tool.name.clone(), reason: error.to_string() })?;
    let function = json!({ "name": tool.name, "description": tool.description, "parameters": schema });
    Ok(json!({ "type": "function", "function": function }))
}

fn parameters(parameters: &Parameters, body: &mut Map<String, Value>) -> Result<(), BodyError> {
    if let Some(max_tokens) = parameters.max_tokens {
        body.insert("max_tokens".into(), max_tokens.into());
    }
    // By way of its shortest text: 0.7 as an `f32` would arrive as 0.699999988.
    if let Some(temperature) = parameters.temperature.and_then(|t| t.to_string().parse::<f64>().ok()) {
        body.insert("temperature".into(), temperature.into());
    }
    if !parameters.stop.is_empty() {
        body.insert("stop".into(), parameters.stop.clone().into());
    }
    for (name, text) in &parameters.extra {
        if RESERVED.contains(&name.as_str()) {
            return Err(BodyError::ReservedExtra { name: name.clone() });
        }
        let value = serde_json::from_str(text)
            .map_err(|error| BodyError::BadExtra { name: name.clone(), reason: error.to_string() })?;
        body.insert(name.clone(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> PromptMessage {
        PromptMessage {
            role: Role::User,
            text: text.into(),
            attachments: vec![],
            tool_calls: vec![],
            tool_call_id: None,
        }
    }

    fn with_extra(name: &str, value: &str) -> ModelRequest {
        let parameters = Parameters { extra: vec![(name.into(), value.into())], ..Parameters::default() };
        ModelRequest { messages: vec![user("hi")], parameters, ..ModelRequest::default() }
    }

    #[test]
    fn a_conversation_with_tools_takes_the_wire_form() {
        let call = ToolCall { id: "c1".into(), name: "clock".into(), arguments: "{}".into() };
        let asked = PromptMessage { role: Role::Assistant, tool_calls: vec![call], ..user("") };
        let told = PromptMessage { role: Role::Tool, tool_call_id: Some("c1".into()), ..user("noon") };
        let clock =
            Tool { name: "clock".into(), description: "the time".into(), parameters: r#"{"type":"object"}"#.into() };
        let parameters = Parameters {
            max_tokens: Some(5),
            temperature: Some(0.7),
            stop: vec!["END".into()],
            extra: vec![("seed".into(), "7".into())],
        };
        let request =
            ModelRequest { messages: vec![user("when?"), asked, told], tools: vec![clock], parameters, state: vec![] };
        let function = json!({ "name": "clock", "description": "the time", "parameters": { "type": "object" } });
        let mut expected = json!({
            "model": "m",
            "messages": [
                { "role": "user", "content": "when?" },
                { "role": "assistant", "content": null, "tool_calls": [
                    { "id": "c1", "type": "function", "function": { "name": "clock", "arguments": "{}" } },
                ] },
                { "role": "tool", "content": "noon", "tool_call_id": "c1" },
            ],
            "tools": [{ "type": "function", "function": function }],
            "stream": true,
            "stream_options": { "include_usage": true },
            "max_tokens": 5,
            "temperature": 0.7,
            "stop": ["END"],
            "seed": 7,
        });
        let rest = of(&request).unwrap();
        let told = |stream| serde_json::to_value(Body::new("m", stream, &rest)).unwrap();
        assert_eq!(told(true), expected);
        expected["stream"] = false.into();
        expected.as_object_mut().unwrap().remove("stream_options");
        assert_eq!(told(false), expected);
    }

    #[test]
    fn extra_parameters_are_json_and_leave_the_hosts_alone() {
        assert_eq!(of(&with_extra("top_p", "0.5")).unwrap()["top_p"], 0.5);
        assert!(matches!(of(&with_extra("top_p", "{")), Err(BodyError::BadExtra { .. })));
        for name in RESERVED {
            assert!(matches!(of(&with_extra(name, "1")), Err(BodyError::ReservedExtra { .. })), "{name}");
        }
    }

    #[test]
    fn a_tool_needs_a_schema() {
        let bad = Tool { name: "t".into(), description: String::new(), parameters: "[]".into() };
        let request = ModelRequest { tools: vec![bad], ..ModelRequest::default() };
        assert!(matches!(of(&request), Err(BodyError::BadTool { .. })));
    }
}
