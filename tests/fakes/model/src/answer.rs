//! What the model says, in the forms in which a provider says it.

use serde::Deserialize;
use serde_json::{Value, json};

/// How many words a piece of a streamed answer has.
const WORDS: usize = 3;

/// A scripted answer, or the echo.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Text(String),
    ToolCalls(Vec<Call>),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Call {
    name: String,
    /// A text is sent as it is, anything else as its JSON.
    arguments: Value,
}

impl Call {
    fn arguments(&self) -> String {
        self.arguments.as_str().map_or_else(|| self.arguments.to_string(), str::to_owned)
    }
}

/// Repeats the last message of the user.
pub(crate) fn echo(body: &Value) -> Answer {
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let last = messages.iter().rfind(|message| message["role"] == "user");
    Answer::Text(format!("echo: {}", last.map(|message| text(&message["content"])).unwrap_or_default()))
}

fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// An answer to one request, ready to be written.
pub(crate) struct Writing<'a> {
    pub(crate) answer: &'a Answer,
    pub(crate) number: u64,
    pub(crate) created: u64,
    pub(crate) request: &'a Value,
}

impl Writing<'_> {
    /// What comes before the first token.
    pub(crate) fn opening(&self) -> Value {
        let content = match self.answer {
            Answer::Text(_) => json!(""),
            Answer::ToolCalls(_) => Value::Null,
        };
        self.chunk(json!({ "role": "assistant", "content": content }), None)
    }

    /// The pieces, the first token being in the first. An empty text has none.
    pub(crate) fn pieces(&self) -> Vec<Value> {
        match self.answer {
            Answer::Text(text) => {
                let words: Vec<&str> = text.split_inclusive(' ').collect();
                words.chunks(WORDS).map(|some| self.chunk(json!({ "content": some.concat() }), None)).collect()
            }
            Answer::ToolCalls(calls) => {
                calls.iter().enumerate().flat_map(|(index, call)| self.call_pieces(index, call)).collect()
            }
        }
    }

    /// The finish, and the count of tokens where it was asked for.
    pub(crate) fn closing(&self) -> Vec<Value> {
        let mut chunks = vec![self.chunk(json!({}), Some(self.finish()))];
        if self.counts() {
            let mut count = self.chunk(json!({}), None);
            count["choices"] = json!([]);
            count["usage"] = self.usage();
            chunks.push(count);
        }
        chunks
    }

    /// The answer in one piece.
    pub(crate) fn whole(&self) -> Value {
        let message = match self.answer {
            Answer::Text(text) => json!({ "role": "assistant", "content": text, "refusal": null }),
            Answer::ToolCalls(calls) => {
                let calls: Vec<_> = calls
                    .iter()
                    .enumerate()
                    .map(|(index, call)| {
                        let function = json!({ "name": call.name, "arguments": call.arguments() });
                        json!({ "id": self.call_id(index), "type": "function", "function": function })
                    })
                    .collect();
                json!({ "role": "assistant", "content": null, "refusal": null, "tool_calls": calls })
            }
        };
        let mut whole = self.envelope("chat.completion");
        whole["choices"] =
            json!([{ "index": 0, "message": message, "logprobs": null, "finish_reason": self.finish() }]);
        whole["usage"] = self.usage();
        whole
    }

    fn call_pieces(&self, index: usize, call: &Call) -> Vec<Value> {
        let arguments = call.arguments();
        let (first, second) = arguments.split_at(arguments.floor_char_boundary(arguments.len() / 2));
        let function = json!({ "name": call.name, "arguments": "" });
        let head = json!({ "index": index, "id": self.call_id(index), "type": "function", "function": function });
        let piece = |text: &str| json!({ "index": index, "function": { "arguments": text } });
        [head, piece(first), piece(second)].map(|call| self.chunk(json!({ "tool_calls": [call] }), None)).into()
    }

    fn call_id(&self, index: usize) -> String {
        format!("call_{}_{index}", self.number)
    }

    fn finish(&self) -> &'static str {
        match self.answer {
            Answer::Text(_) => "stop",
            Answer::ToolCalls(_) => "tool_calls",
        }
    }

    fn chunk(&self, delta: Value, finish: Option<&str>) -> Value {
        let mut chunk = self.envelope("chat.completion.chunk");
        chunk["choices"] = json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]);
        if self.counts() {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    fn envelope(&self, object: &str) -> Value {
        json!({
            "id": format!("chatcmpl-{}", self.number),
            "object": object,
            "created": self.created,
            "model": self.request["model"],
            "system_fingerprint": "fp_fake",
        })
    }

    fn counts(&self) -> bool {
        self.request["stream_options"]["include_usage"] == true
    }

    /// A word is a token here.
    fn usage(&self) -> Value {
        let words = |text: &str| text.split_whitespace().count();
        let messages = self.request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let asked: usize = messages.iter().map(|message| words(&text(&message["content"]))).sum();
        let said = match self.answer {
            Answer::Text(text) => words(text),
            Answer::ToolCalls(calls) => calls.iter().map(|call| 1 + words(&call.arguments())).sum(),
        };
        json!({ "prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_echo_repeats_the_last_user_to_the_letter() {
        let part = json!([{ "type": "text", "text": "two  \nlines " }]);
        let messages = json!([{ "role": "user", "content": "one" }, { "role": "user", "content": part },
            { "role": "assistant", "content": "no" }]);
        let request = json!({ "model": "m", "messages": messages });
        let answer = echo(&request);
        assert_eq!(answer, Answer::Text("echo: two  \nlines ".into()));
        let writing = Writing { answer: &answer, number: 1, created: 0, request: &request };
        let said: String =
            writing.pieces().iter().map(|c| c["choices"][0]["delta"]["content"].as_str().unwrap().to_owned()).collect();
        assert_eq!(said, "echo: two  \nlines ");
        assert_eq!(writing.usage()["prompt_tokens"], 4);
    }

    #[test]
    fn scripts_take_arguments_as_text_or_as_an_object() {
        let parse = |json: &str| serde_json::from_str::<Answer>(json);
        let Answer::ToolCalls(calls) =
            parse(r#"{"tool_calls":[{"name":"f","arguments":"{x"},{"name":"g","arguments":{"x":1}}]}"#).unwrap()
        else {
            panic!("not calls")
        };
        assert_eq!([calls[0].arguments(), calls[1].arguments()], ["{x", "{\"x\":1}"]);
        assert_eq!(parse(r#"{"text":"hi"}"#).unwrap(), Answer::Text("hi".into()));
        assert!(parse(r#"{"txt":"hi"}"#).is_err());
    }
}
