//! The settings, from the JSON the host hands over.

use serde::Deserialize;
use serde_path_to_error::Segment;

use crate::Problem;

/// Must say the same as [`Settings`]; a test compares the defaults.
pub(crate) const SCHEMA: &str = include_str!("settings.schema.json");

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) greeting: String,
    pub(crate) name: String,
    pub(crate) config_path: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { greeting: "Hello!".into(), name: "Switchhook".into(), config_path: "config/switchhook.toml".into() }
    }
}

pub(crate) fn parse(json: &str) -> Result<Settings, Vec<Problem>> {
    let settings: Settings = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json))
        .map_err(|e| vec![Problem { path: pointer(e.path()), message: reason(e.inner()) }])?;
    let texts = [("greeting", &settings.greeting), ("name", &settings.name), ("config_path", &settings.config_path)];
    let problems: Vec<_> = texts
        .into_iter()
        .filter(|(_, text)| text.trim().is_empty())
        .map(|(name, _)| Problem { path: format!("/{name}"), message: "is empty; leave it out for the default".into() })
        .collect();
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
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
    fn problems_name_their_places() {
        let paths = |json: &str| parse(json).expect_err(json).into_iter().map(|p| p.path).collect::<Vec<_>>();
        assert_eq!(paths(r#"{"greeting":"","name":" ","config_path":"x"}"#), ["/greeting", "/name"]);
        assert_eq!(paths(r#"{"greeting":7}"#), ["/greeting"]);
        assert_eq!(paths(r#"{"greetings":"Hi"}"#), ["/greetings"]);
    }
}
