//! What providers answer. One set of types reads a chunk of a stream and a whole answer alike; whatever else they hold
//! is ignored.

use serde::Deserialize;
use serde_json::Value;

/// The longest piece of a provider's message that an error of ours repeats, in bytes.
const MAX_MESSAGE: usize = 300;

#[derive(Debug, Deserialize)]
pub(crate) struct Chunk {
    pub(crate) choices: Option<Vec<Choice>>,
    pub(crate) usage: Option<Tokens>,
    pub(crate) error: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    pub(crate) index: u32,
    /// `message` in a whole answer.
    #[serde(alias = "message")]
    pub(crate) delta: Option<Delta>,
    pub(crate) finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Delta {
    pub(crate) content: Option<Content>,
    /// What OpenAI sends in place of content when the model declines.
    pub(crate) refusal: Option<String>,
    /// A thinking model's thoughts: a sign of life, never part of the answer. Servers name it one way or the other.
    pub(crate) reasoning: Option<Value>,
    pub(crate) reasoning_content: Option<Value>,
    pub(crate) tool_calls: Option<Vec<ToolDelta>>,
}

/// Text, or parts of which some are text (Mistral).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    pub(crate) text: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ToolDelta {
    pub(crate) index: Option<u32>,
    pub(crate) id: Option<String>,
    pub(crate) function: Option<FunctionDelta>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FunctionDelta {
    pub(crate) name: Option<String>,
    /// A piece of JSON text; some servers send the object itself.
    pub(crate) arguments: Option<Value>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Tokens {
    #[serde(default)]
    pub(crate) prompt_tokens: u64,
    #[serde(default)]
    pub(crate) completion_tokens: u64,
}

/// The message in an error object, wherever this provider puts it.
pub(crate) fn message_of(error: &Value) -> Option<&str> {
    error.as_str().or_else(|| ["message", "error", "detail"].iter().find_map(|key| message_of(error.get(*key)?)))
}

/// A short, one-line piece of what a provider said, without the key, which some repeat.
pub(crate) fn excerpt(message: &str, key: Option<&str>) -> String {
    let mut text = message.replace(char::is_control, " ");
    if let Some(key) = key.filter(|key| !key.is_empty()) {
        text = text.replace(key, "***");
    }
    text.truncate(text.floor_char_boundary(MAX_MESSAGE));
    text.trim_end_matches(['.', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_is_found_where_providers_put_it() {
        for error in [
            json!({ "error": { "message": "no" } }),
            json!({ "error": "no" }),
            json!({ "message": "no" }),
            json!({ "detail": "no" }),
            json!("no"),
        ] {
            assert_eq!(message_of(&error), Some("no"), "{error}");
        }
        assert_eq!(message_of(&json!({ "status": 1 })), None);
    }

    #[test]
    fn an_excerpt_is_short_and_keeps_the_key_to_itself() {
        assert_eq!(excerpt("bad key sk-1\nsorry", Some("sk-1")), "bad key *** sorry");
        let long = excerpt(&"é".repeat(400), None);
        assert_eq!(long.len(), 300);
    }
}
