//! The settings, from the JSON the host hands over.

use serde::Deserialize;
use serde_path_to_error::Segment;

use crate::Problem;

/// Must say the same as [`Settings`].
pub(crate) const SCHEMA: &str = include_str!("settings.schema.json");

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(default, rename = "if")]
    pub(crate) conditions: Conditions,
    pub(crate) route: String,
}

/// All that are given must hold.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Conditions {
    pub(crate) text_prefix: Option<String>,
    pub(crate) text_equals: Option<String>,
    pub(crate) chat_kind: Option<Kind>,
    pub(crate) sender_in: Option<String>,
    pub(crate) connector: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) thread: Option<String>,
    pub(crate) chat: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Direct,
    Group,
    Channel,
}

pub(crate) fn parse(json: &str) -> Result<Settings, Vec<Problem>> {
    let settings: Settings = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json))
        .map_err(|e| vec![problem(pointer(e.path()), reason(e.inner()))])?;
    let problems: Vec<_> = settings.rules.iter().enumerate().flat_map(|(i, rule)| empties(i, rule)).collect();
    let problems: Vec<_> = problems.into_iter().chain(unreachable(&settings.rules)).collect();
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// An empty text can only be a slip: as a prefix it would hold for every message, as an id for none.
fn empties(index: usize, rule: &Rule) -> Vec<Problem> {
    let c = &rule.conditions;
    let texts = [
        ("route", Some(&rule.route)),
        ("if/text_prefix", c.text_prefix.as_ref()),
        ("if/text_equals", c.text_equals.as_ref()),
        ("if/sender_in", c.sender_in.as_ref()),
        ("if/connector", c.connector.as_ref()),
        ("if/channel", c.channel.as_ref()),
        ("if/thread", c.thread.as_ref()),
        ("if/chat", c.chat.as_ref()),
    ];
    let empty = texts.into_iter().filter(|(_, text)| text.is_some_and(|t| t.trim().is_empty()));
    empty.map(|(name, _)| problem(format!("/rules/{index}/{name}"), "is empty".into())).collect()
}

/// What comes after a rule without conditions is never asked.
fn unreachable(rules: &[Rule]) -> Option<Problem> {
    let always = rules.iter().position(|rule| rule.conditions == Conditions::default())?;
    let message =
        format!("is never asked: rule {always} before it (counted from 0) has no condition and takes everything");
    (always + 1 < rules.len()).then(|| problem(format!("/rules/{}", always + 1), message))
}

fn problem(path: String, message: String) -> Problem {
    Problem { path, message }
}

/// Without the line and column of the JSON: whoever wrote the config never saw it.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason).to_owned()
}

/// A JSON Pointer (RFC 6901) to where reading stopped.
fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(json: &str) -> Vec<String> {
        parse(json).expect_err(json).into_iter().map(|p| p.path).collect()
    }

    #[test]
    fn the_schema_knows_every_condition_and_no_other() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let known = &schema["properties"]["rules"]["items"]["properties"]["if"]["properties"];
        let rule = |name: &str, value: &str| format!(r#"{{"rules":[{{"route":"r","if":{{"{name}":"{value}"}}}}]}}"#);
        for name in known.as_object().unwrap().keys() {
            let settings = parse(&rule(name, "direct")).expect(name);
            assert_ne!(settings.rules[0].conditions, Conditions::default(), "{name}");
        }
        let refusal = &parse(&rule("nonsense", "direct")).unwrap_err()[0].message;
        let listed = refusal.split("expected one of").nth(1).expect(refusal).matches('`').count() / 2;
        assert_eq!(listed, known.as_object().unwrap().len());
    }

    #[test]
    fn a_problem_names_its_place() {
        assert_eq!(paths(r#"{"rules":[{"route":"a","if":{"chat_kind":"huge"}}]}"#), ["/rules/0/if/chat_kind"]);
        assert_eq!(paths(r#"{"rules":[{"if":{"chat":"7"}}]}"#), ["/rules/0"]);
        assert_eq!(paths(r#"{"rule":[]}"#), ["/rule"]);
    }

    #[test]
    fn all_empty_texts_are_told_at_once() {
        let json = r#"{"rules":[{"route":"","if":{"text_prefix":" "}},{"route":"b","if":{"chat":""}}]}"#;
        assert_eq!(paths(json), ["/rules/0/route", "/rules/0/if/text_prefix", "/rules/1/if/chat"]);
    }

    #[test]
    fn a_rule_that_is_never_asked_is_a_slip() {
        let json = r#"{"rules":[{"route":"a","if":{"chat":"7"}},{"route":"b"},{"route":"c","if":{"chat":"8"}}]}"#;
        assert_eq!(paths(json), ["/rules/2"]);
        assert!(parse(r#"{"rules":[{"route":"a","if":{"chat":"7"}},{"route":"b"}]}"#).is_ok());
    }
}
