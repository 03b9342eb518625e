//! An answer as it grows, chunk by chunk.

use std::collections::BTreeMap;

use serde_json::Value;
use switchhook_core::id::ModelName;
use switchhook_core::model::{Completion, FinishReason, ToolCall, Usage};

use crate::failure::Failure;
use crate::wire::{Choice, Chunk, Content, Delta, Part, Tokens, ToolDelta, message_of};

/// The longest answer that is accepted, in bytes of text and of tool calls: far more than any chat takes, and little
/// enough that a provider gone wild can't exhaust the host.
pub(crate) const MAX_ANSWER: usize = 4 << 20;

/// More tool calls than this in one answer are a mistake of the model (the number is ours; no provider names one).
const MAX_TOOL_CALLS: usize = 128;

#[derive(Debug, Default)]
pub(crate) struct Answer {
    text: String,
    calls: BTreeMap<u32, ToolCall>,
    last_call: u32,
    /// Bytes of text and tool calls so far.
    size: usize,
    started: bool,
    finish: Option<FinishReason>,
    usage: Usage,
}

impl Answer {
    /// Whether the model has begun to answer, to think or to call.
    pub(crate) fn is_started(&self) -> bool {
        self.started
    }

    /// Whether the provider said that this is all.
    pub(crate) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Takes the JSON of a chunk, or of a whole answer.
    pub(crate) fn take(&mut self, json: &str) -> Result<(), Failure> {
        let chunk: Chunk = serde_json::from_str(json).map_err(|error| unreadable(&error))?;
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(Failure::InStream { message: message_of(&error).map(str::to_owned) });
        }
        if chunk.choices.is_none() && chunk.usage.is_none() {
            return Err(Failure::Malformed("JSON without `choices`".into()));
        }
        if let Some(Tokens { prompt_tokens, completion_tokens }) = chunk.usage {
            self.usage = Usage { input_tokens: prompt_tokens, output_tokens: completion_tokens };
        }
        for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index == 0) {
            self.take_choice(choice)?;
        }
        Ok(())
    }

    /// The provider ended the answer in good order, with or without saying why.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        if !self.started {
            return Err(Failure::Malformed("it holds no choice".into()));
        }
        self.finish.get_or_insert(FinishReason::Other);
        Ok(())
    }

    /// What a finished answer amounts to. Unfinished ones are never handed on.
    pub(crate) fn complete(self, model: &ModelName) -> Result<Completion, Failure> {
        let finish = self.finish.ok_or(Failure::Cut)?;
        let tool_calls = self.calls.into_iter().map(whole_call).collect::<Result<Vec<_>, _>>()?;
        // Some servers stop with `stop` though they call.
        let calls_though = finish != FinishReason::Length && finish != FinishReason::Filtered && !tool_calls.is_empty();
        let finish = if calls_though { FinishReason::ToolCalls } else { finish };
        Ok(Completion { text: self.text, tool_calls, finish, model: model.to_string(), usage: self.usage })
    }

    fn take_choice(&mut self, choice: Choice) -> Result<(), Failure> {
        if let Some(delta) = choice.delta {
            self.take_delta(delta)?;
        }
        match choice.finish_reason.as_deref() {
            None | Some("") => {}
            // OpenRouter's word for a model that broke off.
            Some("error") => return Err(Failure::InStream { message: None }),
            Some(reason) => {
                self.started = true;
                self.finish = Some(finish_reason(reason));
            }
        }
        Ok(())
    }

    fn take_delta(&mut self, delta: Delta) -> Result<(), Failure> {
        match delta.content {
            Some(Content::Text(text)) => self.append(&text)?,
            Some(Content::Parts(parts)) => {
                for Part { text } in parts {
                    self.append(&text.unwrap_or_default())?;
                }
            }
            None => {}
        }
        self.append(&delta.refusal.unwrap_or_default())?;
        let thought = |value: Option<Value>| value.is_some_and(|value| !value.is_null() && value != "");
        self.started |= thought(delta.reasoning) || thought(delta.reasoning_content);
        for call in delta.tool_calls.into_iter().flatten() {
            self.take_call(call)?;
        }
        Ok(())
    }

    fn append(&mut self, text: &str) -> Result<(), Failure> {
        self.started |= !text.is_empty();
        self.text.push_str(text);
        self.grow(text.len())
    }

    fn take_call(&mut self, delta: ToolDelta) -> Result<(), Failure> {
        self.started = true;
        let index = delta.index.unwrap_or_else(|| self.guess_index(delta.id.as_deref()));
        if self.calls.len() >= MAX_TOOL_CALLS && !self.calls.contains_key(&index) {
            return Err(Failure::Malformed(format!("more than {MAX_TOOL_CALLS} tool calls")));
        }
        self.last_call = index;
        let empty = || ToolCall { id: String::new(), name: String::new(), arguments: String::new() };
        let call = self.calls.entry(index).or_insert_with(empty);
        let before = call.id.len() + call.name.len() + call.arguments.len();
        set_once(&mut call.id, delta.id);
        if let Some(function) = delta.function {
            set_once(&mut call.name, function.name);
            match function.arguments {
                Some(Value::String(piece)) => call.arguments.push_str(&piece),
                None | Some(Value::Null) => {}
                Some(object) => call.arguments.push_str(&object.to_string()),
            }
        }
        let grown = call.id.len() + call.name.len() + call.arguments.len() - before;
        self.grow(grown)
    }

    /// For servers that number nothing: another id is another call.
    fn guess_index(&self, id: Option<&str>) -> u32 {
        let current = self.calls.get(&self.last_call);
        match (current, id) {
            (Some(call), Some(id)) if !id.is_empty() && call.id != id => self.last_call.saturating_add(1),
            _ => self.last_call,
        }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Failure> {
        self.size += bytes;
        if self.size > MAX_ANSWER { Err(Failure::TooLarge(MAX_ANSWER)) } else { Ok(()) }
    }
}

fn set_once(field: &mut String, value: Option<String>) {
    if field.is_empty() {
        *field = value.unwrap_or_default();
    }
}

fn whole_call((index, mut call): (u32, ToolCall)) -> Result<ToolCall, Failure> {
    if call.name.is_empty() {
        return Err(Failure::Malformed("a tool call without a name".into()));
    }
    if call.id.is_empty() {
        call.id = format!("call_{index}");
    }
    if call.arguments.is_empty() {
        call.arguments = "{}".into();
    }
    Ok(call)
}

fn finish_reason(reason: &str) -> FinishReason {
    match reason {
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::Filtered,
        _ => FinishReason::Other,
    }
}

/// The parser's own words would quote the answer.
fn unreadable(error: &serde_json::Error) -> Failure {
    let what = if error.is_data() { "JSON of another shape than chat completions" } else { "broken JSON" };
    Failure::Malformed(what.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn assembled(chunks: &[Value]) -> Result<Completion, Failure> {
        let mut answer = Answer::default();
        for chunk in chunks {
            answer.take(&chunk.to_string())?;
        }
        answer.complete(&ModelName::new("main").unwrap())
    }

    fn delta(delta: Value) -> Value {
        json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
    }

    fn finish(reason: &str) -> Value {
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })
    }

    #[test]
    fn text_and_usage_add_up() {
        let usage = json!({ "choices": [], "usage": { "prompt_tokens": 3, "completion_tokens": 2 } });
        let chunks = [
            delta(json!({ "role": "assistant", "content": "" })),
            delta(json!({ "content": "Hel" })),
            delta(json!({ "content": [{ "type": "text", "text": "lo" }] })),
            finish("stop"),
            usage,
        ];
        let completion = assembled(&chunks).unwrap();
        assert_eq!((completion.text.as_str(), completion.finish), ("Hello", FinishReason::Stop));
        assert_eq!(completion.usage, Usage { input_tokens: 3, output_tokens: 2 });
        assert_eq!(completion.model, "main");
    }

    #[test]
    fn tool_calls_are_assembled_by_index() {
        let begin =
            |index: u32, id: &str, name: &str| json!({ "index": index, "id": id, "function": { "name": name } });
        let go_on = |index: u32, piece: &str| json!({ "index": index, "function": { "arguments": piece } });
        let chunks = [
            delta(json!({ "tool_calls": [begin(1, "b", "second"), begin(0, "a", "first")] })),
            delta(json!({ "tool_calls": [go_on(0, "{\"x\"")] })),
            delta(json!({ "tool_calls": [go_on(0, ":1}")] })),
            finish("stop"),
        ];
        let completion = assembled(&chunks).unwrap();
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        assert_eq!(completion.tool_calls, [call("a", "first", "{\"x\":1}"), call("b", "second", "{}")]);
        assert_eq!(completion.finish, FinishReason::ToolCalls);
    }

    #[test]
    fn servers_without_indexes_or_with_object_arguments_are_understood() {
        let call = |id: &str| json!({ "id": id, "function": { "name": "f", "arguments": { "x": id } } });
        let whole = json!({ "choices": [{ "message": { "content": null, "tool_calls": [call("a"), call("b")] },
            "finish_reason": "tool_calls" }] });
        let calls = assembled(&[whole]).unwrap().tool_calls;
        let seen: Vec<_> = calls.iter().map(|c| (c.id.as_str(), c.arguments.as_str())).collect();
        assert_eq!(seen, [("a", "{\"x\":\"a\"}"), ("b", "{\"x\":\"b\"}")]);
    }

    #[test]
    fn finish_reasons_are_mapped() {
        for (reason, expected) in [
            ("stop", FinishReason::Stop),
            ("length", FinishReason::Length),
            ("function_call", FinishReason::ToolCalls),
            ("content_filter", FinishReason::Filtered),
            ("eos", FinishReason::Other),
        ] {
            assert_eq!(assembled(&[finish(reason)]).unwrap().finish, expected, "{reason}");
        }
        assert_eq!(assembled(&[finish("error")]), Err(Failure::InStream { message: None }));
    }

    #[test]
    fn what_is_no_answer_is_a_failure() {
        assert_eq!(assembled(&[delta(json!({ "content": "half" }))]), Err(Failure::Cut));
        let kind = |chunk| assembled(&[chunk]).unwrap_err().kind();
        assert_eq!(kind(json!({ "foo": 1 })), crate::FailureKind::Malformed);
        assert_eq!(kind(json!({ "choices": [{ "delta": { "content": 7 } }] })), crate::FailureKind::Malformed);
        assert_eq!(kind(json!({ "error": { "message": "overloaded" } })), crate::FailureKind::Server);
        let nameless = delta(json!({ "tool_calls": [{ "index": 0, "id": "a" }] }));
        assert!(matches!(assembled(&[nameless, finish("tool_calls")]), Err(Failure::Malformed(_))));
    }

    #[test]
    fn size_is_bounded() {
        let mut answer = Answer::default();
        let half = delta(json!({ "content": "x".repeat(MAX_ANSWER / 2) })).to_string();
        answer.take(&half).unwrap();
        answer.take(&half).unwrap();
        let more = delta(json!({ "content": "x" })).to_string();
        assert_eq!(answer.take(&more), Err(Failure::TooLarge(MAX_ANSWER)));
    }

    #[test]
    fn thoughts_are_a_sign_of_life_and_no_text() {
        let mut answer = Answer::default();
        answer
            .take(&delta(json!({ "role": "assistant", "content": "", "reasoning_content": null })).to_string())
            .unwrap();
        assert!(!answer.is_started());
        answer.take(&delta(json!({ "content": "", "reasoning_content": "hm" })).to_string()).unwrap();
        assert!(answer.is_started());
        assert_eq!(answer.text, "");
    }
}
