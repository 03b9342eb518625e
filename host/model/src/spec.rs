//! What a model is built from.

use std::time::Duration;

use secrecy::SecretString;
use switchhook_core::id::ModelName;

/// One `[models.NAME]`, with its secrets read.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    pub name: ModelName,
    /// Where the provider's API starts, such as `http://127.0.0.1:11434/v1`; `/chat/completions` is appended.
    pub base_url: String,
    /// The model as the provider names it.
    pub model: String,
    /// Sent as a bearer token, and nowhere else.
    pub api_key: Option<SecretString>,
    /// How long this provider may take to its first token, from the moment it is asked; without `stream` to its whole answer,
    /// which is its first sign of life.
    pub timeout: Duration,
    /// How long a whole answer may take, waiting for a free place and fallbacks included.
    pub total_timeout: Duration,
    /// How many calls may run at once; further ones wait.
    pub concurrency: usize,
    /// Whether an answer is asked for piece by piece. One that does not begin is told from a long one then, and one that
    /// breaks off is noticed sooner; asked for as a whole it costs both sides less.
    pub stream: bool,
    /// Whom to ask when this one fails, in order. A fallback's own fallbacks are not asked.
    pub fallback: Vec<ModelName>,
}

/// Why models can't be built. Nothing here quotes a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("model `{name}` is there twice: give each its own name")]
    Duplicate { name: ModelName },
    #[error("model `{name}` falls back on `{fallback}`, which is not there: add `[models.{fallback}]` or remove it")]
    UnknownFallback { name: ModelName, fallback: ModelName },
    #[error("model `{name}` would be asking `{fallback}` twice: name each model once in `fallback`, never itself")]
    RepeatedFallback { name: ModelName, fallback: ModelName },
    #[error("`base_url` of model `{name}`: {reason}")]
    BadUrl { name: ModelName, reason: String },
    #[error("the key of model `{name}` has characters no HTTP header may carry: look for a line break in it")]
    BadKey { name: ModelName },
    #[error("`concurrency` of model `{name}` is 0, so it could never be called: use 1 or more")]
    NoConcurrency { name: ModelName },
    #[error("the HTTP client could not be set up: {reason}")]
    Client { reason: String },
}
