//! What goes over the socket, as JSON texts.

use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};
use switchhook_core::action::{Button, TextFormat};
use switchhook_core::hook::Speaker;
use switchhook_core::time::UnixMillis;

use crate::log::LoggedTurn;

/// What the page says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum FromPage {
    /// A message typed by the visitor. `id` is made by the page and the same when it is sent again.
    Send { id: String, text: String },
    /// A button pressed under one of our messages.
    Button { id: String, value: String },
}

impl FromPage {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Send { id, .. } | Self::Button { id, .. } => id,
        }
    }
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Send { text, .. } => text,
            Self::Button { value, .. } => value,
        }
    }
}

/// What the page is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ToPage<'a> {
    /// The first on every socket. `socket` counts the sockets of this process, and so tells a socket that was kept from
    /// one that was made anew.
    Hello {
        visitor: &'a str,
        title: &'a str,
        socket: u64,
        history: Vec<PastTurn>,
    },
    /// The message is on disk.
    Accepted {
        id: &'a str,
        at: UnixMillis,
    },
    /// The message is not taken; with `retry_ms` it may be sent again after so long.
    Refused {
        id: Option<&'a str>,
        reason: &'a str,
        retry_ms: Option<u64>,
    },
    /// What the visitor said in another tab.
    Own {
        id: &'a str,
        text: &'a str,
        at: UnixMillis,
    },
    Message {
        id: &'a str,
        text: &'a str,
        format: TextFormat,
        buttons: &'a [Vec<Button>],
        reply_to: Option<&'a str>,
        /// The visitor's message that this answers, by the page's own id.
        answers: Option<&'a str>,
        at: UnixMillis,
    },
    Edit {
        id: &'a str,
        text: &'a str,
        format: TextFormat,
    },
    Delete {
        id: &'a str,
    },
    React {
        id: &'a str,
        emoji: Option<&'a str>,
    },
    Typing,
    /// The channel has another title now.
    Title {
        title: &'a str,
    },
}

impl ToPage<'_> {
    pub(crate) fn encode(&self) -> Utf8Bytes {
        // Strings, numbers and lists only: serde_json has nothing to refuse.
        serde_json::to_string(self).expect("a frame is plain JSON").into()
    }
}

/// A turn of the history.
#[derive(Debug, Serialize)]
pub(crate) struct PastTurn {
    from: &'static str,
    text: String,
    at: UnixMillis,
}

impl From<LoggedTurn> for PastTurn {
    fn from(turn: LoggedTurn) -> Self {
        let from = match turn.from {
            Speaker::Person => "visitor",
            Speaker::Us => "host",
        };
        Self { from, text: turn.text, at: turn.at }
    }
}
