//! What the model is shown: a list of lines, made of the chat's history and the new messages, within a budget.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::speech;
use crate::{Message, Speaker, Turn};

/// What follows a text that was cut.
const CUT: &str = " […]";

/// One message to, or of, the model. Travels through `state` as JSON, since no instance lives from `compose` to `read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    System(String),
    User(String),
    Assistant { text: String, calls: Vec<Call> },
    Tool { call: String, text: String },
}

/// A tool the model wants called, with its arguments as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

/// `history` asks the host for the latest turns: at most so many, of at most so many bytes together.
pub(crate) fn compose(settings: &Settings, new: &[Message], history: impl FnOnce(u32, u32) -> Vec<Turn>) -> Vec<Line> {
    let named = settings.name_speakers && speech::has_several_speakers(new);
    let mut budget = settings.max_bytes as usize;
    let texts: Vec<_> = new.iter().map(|message| speech::spoken(message, named)).collect();
    let new = latest_within(&mut budget, texts);
    let earlier = match settings.history {
        0 => vec![],
        turns => history(turns, u32::try_from(budget).unwrap_or(u32::MAX)),
    };
    let earlier = trimmed(&mut budget, earlier.into_iter().map(|turn| recalled(turn, named)).collect());
    let system = system(settings, named).map(Line::System);
    system.into_iter().chain(earlier).chain(new.into_iter().map(Line::User)).collect()
}

fn system(settings: &Settings, named: bool) -> Option<String> {
    let hint = "Several people write here. Their messages begin with their names; yours do not.";
    match (settings.system.trim(), named) {
        ("", false) => None,
        ("", true) => Some(hint.into()),
        (text, false) => Some(text.into()),
        (text, true) => Some(format!("{text}\n\n{hint}")),
    }
}

fn recalled(turn: Turn, named: bool) -> Line {
    match turn.speaker {
        Speaker::Us => Line::Assistant { text: turn.text, calls: vec![] },
        Speaker::Person if named => Line::User(speech::prefixed(turn.name.as_deref(), &turn.text)),
        Speaker::Person => Line::User(turn.text),
    }
}

/// Keeps the latest lines that fit. The names in front of them count here and not for the host, so this is not idle.
fn trimmed(budget: &mut usize, lines: Vec<Line>) -> VecDeque<Line> {
    let mut kept = VecDeque::new();
    for line in lines.into_iter().rev() {
        let (Line::User(text) | Line::Assistant { text, .. } | Line::System(text) | Line::Tool { text, .. }) = &line;
        let Some(left) = budget.checked_sub(text.len()) else { break };
        *budget = left;
        kept.push_front(line);
    }
    kept
}

/// Keeps the latest texts that fit; the very latest is cut rather than dropped.
fn latest_within(budget: &mut usize, texts: Vec<String>) -> VecDeque<String> {
    let mut kept = VecDeque::new();
    for text in texts.into_iter().rev() {
        let text = if kept.is_empty() { cut(text, *budget) } else { text };
        let Some(left) = budget.checked_sub(text.len()) else { break };
        *budget = left;
        kept.push_front(text);
    }
    kept
}

/// At most `limit` bytes, with a mark where something is missing. Never splits a character.
fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChatKind;
    use crate::testing::{message, turn};

    const NOTHING: fn(u32, u32) -> Vec<Turn> = |_, _| vec![];

    fn user(text: &str) -> Line {
        Line::User(text.into())
    }

    fn us(text: &str) -> Line {
        Line::Assistant { text: text.into(), calls: vec![] }
    }

    fn settings(max_bytes: u32) -> Settings {
        Settings { system: String::new(), max_bytes, ..Settings::default() }
    }

    #[test]
    fn system_then_history_then_the_new_messages() {
        let settings = Settings { system: "Be kind.".into(), history: 7, ..Settings::default() };
        let history = |turns, bytes| {
            assert_eq!((turns, bytes), (7, 16384 - 7));
            vec![turn(Speaker::Person, "hi"), turn(Speaker::Us, "hello")]
        };
        let lines = compose(&settings, &[message(ChatKind::Direct, "how"), message(ChatKind::Direct, "now?")], history);
        let expected = [Line::System("Be kind.".into()), user("hi"), us("hello"), user("how"), user("now?")];
        assert_eq!(lines, expected);
    }

    #[test]
    fn no_history_is_asked_for_where_none_is_wanted() {
        let settings = Settings { history: 0, ..settings(1000) };
        let lines = compose(&settings, &[message(ChatKind::Direct, "hi")], |_, _| panic!("asked"));
        assert_eq!(lines, [user("hi")]);
    }

    #[test]
    fn the_oldest_turns_are_dropped_first() {
        let history = |_, _| {
            vec![turn(Speaker::Person, "tiny"), turn(Speaker::Us, &"x".repeat(200)), turn(Speaker::Person, "last")]
        };
        let lines = compose(&settings(256), &[message(ChatKind::Direct, &"y".repeat(100))], history);
        // 100 + 4 leave 152: the long turn does not fit, and what is older than it would lack its context.
        assert_eq!(lines, [user("last"), user(&"y".repeat(100))]);
    }

    #[test]
    fn a_message_beyond_the_budget_is_cut_between_characters() {
        let long = "ß".repeat(300);
        let new = [message(ChatKind::Direct, "before"), message(ChatKind::Direct, &long)];
        let lines = compose(&settings(257), &new, NOTHING);
        let [Line::User(text)] = lines.as_slice() else { panic!("{lines:?}") };
        assert!(text.len() <= 257 && text.len() > 250, "{}", text.len());
        assert!(text.starts_with("ßß") && text.ends_with("ß […]"), "{text}");
    }

    #[test]
    fn in_a_group_names_stand_in_front() {
        let history = |_, _| vec![turn(Speaker::Person, "hi"), turn(Speaker::Us, "hello")];
        let new = [message(ChatKind::Group, "how?")];
        let lines = compose(&settings(1000), &new, history);
        assert!(matches!(&lines[0], Line::System(text) if text.contains("begin with their names")), "{lines:?}");
        assert_eq!(lines[1..], [user("Bea: hi"), us("hello"), user("Ann: how?")]);
        let unnamed = compose(&Settings { name_speakers: false, ..settings(1000) }, &new, history);
        assert_eq!(unnamed, [user("hi"), us("hello"), user("how?")]);
    }
}
