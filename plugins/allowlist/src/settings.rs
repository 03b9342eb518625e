//! The settings, from the JSON the host hands over.

use serde::Deserialize;
use serde_path_to_error::Segment;

use crate::Problem;

/// Must say the same as [`Settings`]; a test compares the defaults.
pub(crate) const SCHEMA: &str = include_str!("settings.schema.json");

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) on_stranger: OnStranger,
    pub(crate) groups: Groups,
    pub(crate) notice: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnStranger {
    #[default]
    Deny,
    Hold,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Groups {
    #[default]
    Mention,
    All,
}

pub(crate) fn parse(json: &str) -> Result<Settings, Vec<Problem>> {
    let settings: Settings = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json))
        .map_err(|e| vec![Problem { path: pointer(e.path()), message: reason(e.inner()) }])?;
    match settings.notice.as_deref().map(str::trim) {
        Some("") => Err(vec![Problem {
            path: "/notice".into(),
            message: "is empty; leave it out to tell a stranger nothing".into(),
        }]),
        _ => Ok(settings),
    }
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

    fn problem(json: &str) -> (String, String) {
        let problems = parse(json).expect_err(json);
        assert_eq!(problems.len(), 1, "{problems:?}");
        (problems[0].path.clone(), problems[0].message.clone())
    }

    #[test]
    fn the_schema_names_the_defaults_that_hold() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let defaults: serde_json::Map<_, _> =
            properties.iter().filter_map(|(k, v)| Some((k.clone(), v.get("default")?.clone()))).collect();
        assert_eq!(defaults.len(), 2);
        assert_eq!(parse(&serde_json::Value::Object(defaults).to_string()).unwrap(), parse("{}").unwrap());
    }

    #[test]
    fn every_setting_is_read() {
        let settings = parse(r#"{"on_stranger":"hold","groups":"all","notice":"Sorry."}"#).unwrap();
        let expected = Settings { on_stranger: OnStranger::Hold, groups: Groups::All, notice: Some("Sorry.".into()) };
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_problem_names_its_place() {
        let expected = ("/groups".to_owned(), "unknown variant `some`, expected `mention` or `all`".to_owned());
        assert_eq!(problem(r#"{"groups":"some"}"#), expected);
        assert_eq!(problem(r#"{"notice":" "}"#).0, "/notice");
        let (path, message) = problem(r#"{"on_strangers":"deny"}"#);
        assert_eq!(path, "/on_strangers");
        assert!(message.contains("expected one of `on_stranger`, `groups`, `notice`"), "{message}");
    }
}
