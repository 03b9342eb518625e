//! The settings, from the JSON the host hands over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_path_to_error::Segment;

use crate::Problem;
use crate::command::BuiltIn;

/// Must say the same as [`Settings`]; a test compares the defaults.
pub(crate) const SCHEMA: &str = include_str!("settings.schema.json");

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) prefix: String,
    pub(crate) help: String,
    /// Answers by the command's name, which is lower case once [`parse`] is through.
    pub(crate) commands: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { prefix: "/".into(), help: String::new(), commands: BTreeMap::new() }
    }
}

pub(crate) fn parse(json: &str) -> Result<Settings, Vec<Problem>> {
    let mut settings: Settings = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json))
        .map_err(|e| vec![problem(pointer(e.path()), reason(e.inner()))])?;
    let mut problems = Vec::new();
    if !is_name(&settings.prefix) {
        problems.push(problem("/prefix".into(), "must have no spaces, no `@`, and at least one character".into()));
    }
    let mut commands = BTreeMap::new();
    for (name, answer) in std::mem::take(&mut settings.commands) {
        let lower = name.to_lowercase();
        let refused = refusal(&settings.prefix, &lower, &answer)
            .or_else(|| commands.contains_key(&lower).then(|| "is there twice: case does not matter".into()));
        match refused {
            Some(message) => problems.push(problem(format!("/commands/{}", escaped(&name)), message)),
            None => drop(commands.insert(lower, answer)),
        }
    }
    settings.commands = commands;
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// Why this command can't be; `name` is lower case.
fn refusal(prefix: &str, name: &str, answer: &str) -> Option<String> {
    if BuiltIn::named(name).is_some() {
        return Some(format!("`{name}` is there already; choose another name"));
    }
    if !is_name(name) {
        return Some("is no name: it must have no spaces, no `@`, and at least one character".into());
    }
    if let Some(rest) = name.strip_prefix(&prefix.to_lowercase()).filter(|_| !prefix.is_empty()) {
        return Some(format!("is written without the prefix: `{rest}`"));
    }
    answer.trim().is_empty().then(|| "has nothing to say; give it a text or leave it out".into())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '@')
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
            Segment::Map { key } => pointer.push_str(&format!("/{}", escaped(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(json: &str) -> Vec<(String, String)> {
        parse(json).expect_err(json).into_iter().map(|p| (p.path, p.message)).collect()
    }

    #[test]
    fn the_schema_names_the_defaults_that_hold() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let defaults: serde_json::Map<_, _> =
            properties.iter().map(|(k, v)| (k.clone(), v["default"].clone())).collect();
        assert_eq!(defaults.len(), 3);
        assert_eq!(parse(&serde_json::Value::Object(defaults).to_string()).unwrap(), Settings::default());
    }

    #[test]
    fn names_are_kept_in_lower_case() {
        let settings = parse(r#"{"prefix":"!","help":"Hi.","commands":{"Hours":"9 to 5"}}"#).unwrap();
        assert_eq!((settings.prefix.as_str(), settings.help.as_str()), ("!", "Hi."));
        assert_eq!(settings.commands["hours"], "9 to 5");
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let json = r#"{"prefix":"","commands":{"Help":"a","a b":"b","hours":" ","Menu":"c","menu":"d"}}"#;
        let paths: Vec<_> = problems(json).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["/prefix", "/commands/Help", "/commands/a b", "/commands/hours", "/commands/menu"]);
    }

    #[test]
    fn a_prefix_in_a_name_is_a_slip() {
        let expected = ("/commands/~1hours".to_owned(), "is written without the prefix: `hours`".to_owned());
        assert_eq!(problems(r#"{"commands":{"/hours":"9 to 5"}}"#), [expected]);
    }

    #[test]
    fn a_wrong_type_names_its_place() {
        assert_eq!(problems(r#"{"commands":{"hours":9}}"#)[0].0, "/commands/hours");
    }
}
