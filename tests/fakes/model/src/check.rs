//! Rejects what a real provider rejects. Unknown fields are tolerated, as providers do; wrong types are not.

use serde_json::{Value, json};

/// What the client did wrong, as OpenAI puts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<&'static str>,
}

impl Rejection {
    pub(crate) fn body(&self) -> Value {
        json!({ "error": {
            "message": self.message,
            "type": "invalid_request_error",
            "param": self.param,
            "code": self.code,
        } })
    }
}

type Checked = Result<(), Rejection>;

fn bad(param: &str, message: impl Into<String>) -> Rejection {
    Rejection { status: 400, message: message.into(), param: Some(param.into()), code: None }
}

fn expect(holds: bool, param: &str, expected: &str) -> Checked {
    if holds { Ok(()) } else { Err(bad(param, format!("Invalid type for '{param}': expected {expected}."))) }
}

/// `header` is what the client sent as `Authorization`.
pub(crate) fn key(demanded: Option<&str>, header: Option<&str>) -> Checked {
    let Some(demanded) = demanded else { return Ok(()) };
    if header.and_then(|value| value.strip_prefix("Bearer ")) == Some(demanded) {
        return Ok(());
    }
    let (message, code) = match header {
        None => ("You didn't provide an API key.", None),
        Some(_) => ("Incorrect API key provided.", Some("invalid_api_key")),
    };
    Err(Rejection { status: 401, message: message.into(), param: None, code })
}

/// A body of chat completions; `models` are the known ones, or empty for any.
pub(crate) fn body(body: &Value, models: &[String]) -> Checked {
    expect(body.is_object(), "body", "an object")?;
    model(&body["model"], models)?;
    messages(&body["messages"])?;
    tools(body.get("tools"))?;
    parameters(body)
}

fn model(model: &Value, models: &[String]) -> Checked {
    let name = match model {
        Value::Null => "",
        Value::String(name) => name,
        _ => return expect(false, "model", "a string"),
    };
    if name.is_empty() {
        return Err(bad("model", "you must provide a model parameter"));
    }
    if models.is_empty() || models.iter().any(|known| known == name) {
        return Ok(());
    }
    let message = format!("The model `{name}` does not exist or you do not have access to it.");
    Err(Rejection { status: 404, message, param: None, code: Some("model_not_found") })
}

fn messages(messages: &Value) -> Checked {
    let Some(messages) = messages.as_array() else {
        return Err(bad("messages", "Missing or invalid parameter: 'messages' must be an array."));
    };
    if messages.is_empty() {
        return Err(bad("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1."));
    }
    // The calls of the assistant that have no answer yet, and those that had one.
    let mut open: Vec<&str> = vec![];
    let mut answered: Vec<&str> = vec![];
    for (index, message) in messages.iter().enumerate() {
        let at = format!("messages[{index}]");
        expect(message.is_object(), &at, "an object")?;
        let role = role(message, &at)?;
        content(message, role, &at)?;
        if role == "tool" {
            let id = tool_call_id(message, &at)?;
            if !open.contains(&id) && !answered.contains(&id) {
                return Err(bad(&at, "'tool' must be a response to a preceding message with 'tool_calls'."));
            }
            open.retain(|call| *call != id);
            answered.push(id);
            continue;
        }
        unanswered(&open, &at)?;
        answered.clear();
        if role == "assistant" {
            open = tool_calls(message.get("tool_calls"), &at)?;
        }
    }
    unanswered(&open, "messages")
}

fn unanswered(open: &[&str], at: &str) -> Checked {
    match open {
        [] => Ok(()),
        [id, ..] => Err(bad(at, format!("'tool_calls' must be followed by tool messages: none answers '{id}'."))),
    }
}

fn role<'a>(message: &'a Value, at: &str) -> Result<&'a str, Rejection> {
    const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];
    let role = message["role"].as_str().filter(|role| ROLES.contains(role));
    role.ok_or_else(|| bad(&format!("{at}.role"), format!("Invalid role: expected one of {ROLES:?}.")))
}

fn content(message: &Value, role: &str, at: &str) -> Checked {
    let at = format!("{at}.content");
    match &message["content"] {
        Value::String(_) => Ok(()),
        Value::Null if role == "assistant" && !message["tool_calls"].is_null() => Ok(()),
        Value::Null => Err(bad(&at, format!("Invalid value for '{at}': expected a string, got null."))),
        Value::Array(parts) if !parts.is_empty() => parts.iter().try_for_each(|part| {
            let known = match part["type"].as_str() {
                Some("text") => part["text"].is_string(),
                Some("image_url") => part["image_url"]["url"].is_string(),
                _ => false,
            };
            expect(known, &at, "parts of type 'text' or 'image_url'")
        }),
        _ => expect(false, &at, "a string or an array of parts"),
    }
}

fn tool_call_id<'a>(message: &'a Value, at: &str) -> Result<&'a str, Rejection> {
    let at = format!("{at}.tool_call_id");
    let id = message["tool_call_id"].as_str().filter(|id| !id.is_empty());
    id.ok_or_else(|| bad(&at, format!("Missing required parameter: '{at}'.")))
}

fn tool_calls<'a>(calls: Option<&'a Value>, at: &str) -> Result<Vec<&'a str>, Rejection> {
    let at = format!("{at}.tool_calls");
    let calls = match calls {
        None | Some(Value::Null) => return Ok(vec![]),
        Some(calls) => calls.as_array().filter(|calls| !calls.is_empty()),
    };
    let calls = calls.ok_or_else(|| bad(&at, format!("Invalid '{at}': expected a non-empty array.")))?;
    calls
        .iter()
        .map(|call| {
            let function = &call["function"];
            expect(call["type"] == "function", &at, "calls of type 'function'")?;
            expect(function["name"].is_string(), &at, "a function name")?;
            expect(function["arguments"].is_string(), &at, "arguments as a string of JSON")?;
            call["id"].as_str().ok_or_else(|| bad(&at, format!("Missing required parameter: '{at}.id'.")))
        })
        .collect()
}

fn tools(tools: Option<&Value>) -> Checked {
    let tools = match tools {
        None | Some(Value::Null) => return Ok(()),
        Some(tools) => tools.as_array().filter(|tools| !tools.is_empty()),
    };
    let tools = tools.ok_or_else(|| bad("tools", "Invalid 'tools': expected a non-empty array."))?;
    tools.iter().enumerate().try_for_each(|(index, tool)| {
        let at = format!("tools[{index}]");
        expect(tool["type"] == "function", &at, "a tool of type 'function'")?;
        let name = tool["function"]["name"].as_str().unwrap_or_default();
        let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        expect(legal && (1..=64).contains(&name.len()), &at, "a name of 1 to 64 letters, digits, '_' or '-'")?;
        let parameters = &tool["function"]["parameters"];
        expect(parameters.is_null() || parameters.is_object(), &at, "a JSON Schema as 'parameters'")
    })
}

fn parameters(body: &Value) -> Checked {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    let number = |name: &str, max: f64| {
        let fits = |value: &Value| value.as_f64().is_some_and(|number| (0.0..=max).contains(&number));
        expect(given(name).is_none_or(fits), name, &format!("a number from 0 to {max}"))
    };
    number("temperature", 2.0)?;
    number("top_p", 1.0)?;
    for name in ["max_tokens", "max_completion_tokens", "n"] {
        let fits = |value: &Value| value.as_u64().is_some_and(|number| number > 0);
        expect(given(name).is_none_or(fits), name, "an integer above 0")?;
    }
    let stop = |value: &Value| match value {
        Value::String(_) => true,
        Value::Array(stops) => stops.len() <= 4 && stops.iter().all(Value::is_string),
        _ => false,
    };
    expect(given("stop").is_none_or(stop), "stop", "a string or at most 4 of them")?;
    expect(given("stream").is_none_or(Value::is_boolean), "stream", "a boolean")?;
    expect(given("stream_options").is_none_or(Value::is_object), "stream_options", "an object")?;
    if given("stream_options").is_some() && body["stream"] != true {
        return Err(bad("stream_options", "'stream_options' is only allowed when 'stream' is enabled."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Value {
        json!({ "role": "user", "content": "hi" })
    }

    fn calling(ids: &[&str]) -> Value {
        let call = |id: &&str| json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": "{}" } });
        json!({ "role": "assistant", "content": null, "tool_calls": ids.iter().map(call).collect::<Vec<_>>() })
    }

    fn told(id: &str) -> Value {
        json!({ "role": "tool", "tool_call_id": id, "content": "done" })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut body = json!({ "model": "m", "messages": [user()] });
        body[name] = value;
        body
    }

    #[test]
    fn good_requests_pass() {
        for good in [
            with("whatever", json!(1)),
            with("messages", json!([user(), calling(&["a", "b"]), told("b"), told("a"), user()])),
            with("messages", json!([{ "role": "user", "content": [{ "type": "text", "text": "hi" }] }])),
            with("tools", json!([{ "type": "function", "function": { "name": "f" } }])),
            with("stop", json!(["a", "b"])),
            with("temperature", json!(null)),
        ] {
            assert_eq!(body(&good, &[]), Ok(()), "{good}");
        }
    }

    #[test]
    fn bad_requests_are_rejected_with_their_place() {
        let nameless = json!({ "type": "function", "function": {} });
        let no_id = json!({ "role": "tool", "content": "done" });
        for (request, param) in [
            (json!([]), "body"),
            (json!({ "model": "m" }), "messages"),
            (with("model", json!("")), "model"),
            (with("model", json!(3)), "model"),
            (with("messages", json!([])), "messages"),
            (with("messages", json!([3])), "messages[0]"),
            (with("messages", json!([{ "role": "robot", "content": "hi" }])), "messages[0].role"),
            (with("messages", json!([{ "role": "user" }])), "messages[0].content"),
            (with("messages", json!([{ "role": "assistant", "content": null }])), "messages[0].content"),
            (with("messages", json!([user(), calling(&["a"]), no_id])), "messages[2].tool_call_id"),
            (with("messages", json!([user(), told("a")])), "messages[1]"),
            (with("messages", json!([user(), calling(&["a", "b"]), told("a"), user()])), "messages[3]"),
            (with("messages", json!([user(), calling(&["a"])])), "messages"),
            (with("messages", json!([user(), calling(&[])])), "messages[1].tool_calls"),
            (with("tools", json!([])), "tools"),
            (with("tools", json!([nameless])), "tools[0]"),
            (with("temperature", json!("warm")), "temperature"),
            (with("temperature", json!(3)), "temperature"),
            (with("max_tokens", json!(0)), "max_tokens"),
            (with("stop", json!(["a", "b", "c", "d", "e"])), "stop"),
            (with("stream", json!("yes")), "stream"),
            (with("stream_options", json!({})), "stream_options"),
        ] {
            let rejection = body(&request, &[]).unwrap_err();
            assert_eq!((rejection.status, rejection.param.as_deref()), (400, Some(param)), "{request}");
        }
    }

    #[test]
    fn keys_and_models_are_known_or_not() {
        assert_eq!(key(None, None), Ok(()));
        assert_eq!(key(Some("k"), Some("Bearer k")), Ok(()));
        for header in [None, Some("k"), Some("Bearer x"), Some("Basic k")] {
            assert_eq!(key(Some("k"), header).unwrap_err().status, 401, "{header:?}");
        }
        let known = ["m".to_owned()];
        assert_eq!(body(&with("x", json!(1)), &known), Ok(()));
        assert_eq!(body(&with("model", json!("other")), &known).unwrap_err().status, 404);
    }
}
