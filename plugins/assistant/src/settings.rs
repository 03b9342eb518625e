//! The settings, from the JSON the host hands over.

use serde::Deserialize;
use serde_path_to_error::Segment;

use crate::Problem;

/// Must say the same as [`Settings`]; a test compares the defaults.
pub(crate) const SCHEMA: &str = include_str!("settings.schema.json");

/// More would not be seen for the budget's sake.
const MAX_HISTORY: u32 = 200;
/// With tools the request is returned twice, as messages and as state, where JSON may double it. Three times this and
/// [`MAX_SYSTEM`] stay below the 256 KiB a call may return.
const MAX_BYTES: std::ops::RangeInclusive<u32> = 256..=32 * 1024;
/// In bytes.
const MAX_SYSTEM: usize = 32 * 1024;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) system: String,
    pub(crate) history: u32,
    pub(crate) max_bytes: u32,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) temperature: Option<f32>,
    pub(crate) name_speakers: bool,
    pub(crate) tools: Vec<Tool>,
    pub(crate) empty: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tool {
    Time,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            system: "You are a helpful assistant in a chat. Answer briefly.".into(),
            history: 20,
            max_bytes: 16 * 1024,
            max_tokens: None,
            temperature: None,
            name_speakers: true,
            tools: vec![],
            empty: "I have no answer to that.".into(),
        }
    }
}

pub(crate) fn parse(json: &str) -> Result<Settings, Vec<Problem>> {
    let settings: Settings = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json))
        .map_err(|e| vec![Problem { path: pointer(e.path()), message: reason(e.inner()) }])?;
    let problems = settings.problems();
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

impl Settings {
    fn problems(&self) -> Vec<Problem> {
        let (least, most) = (MAX_BYTES.start(), MAX_BYTES.end());
        let repeated = self.tools.iter().enumerate().find(|(i, tool)| self.tools[..*i].contains(tool));
        let checks = [
            (self.system.len() > MAX_SYSTEM, "/system".into(), format!("must be at most {MAX_SYSTEM} bytes")),
            (self.history > MAX_HISTORY, "/history".into(), format!("must be at most {MAX_HISTORY}")),
            (!MAX_BYTES.contains(&self.max_bytes), "/max_bytes".into(), format!("must be from {least} to {most}")),
            (self.max_tokens == Some(0), "/max_tokens".into(), "must be at least 1".into()),
            (
                self.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)),
                "/temperature".into(),
                "must be from 0 to 2".into(),
            ),
            (self.empty.trim().is_empty(), "/empty".into(), "must say something".into()),
            (repeated.is_some(), format!("/tools/{}", repeated.map_or(0, |(i, _)| i)), "is there twice".into()),
        ];
        let failed = checks.into_iter().filter(|(failed, ..)| *failed);
        failed.map(|(_, path, message)| Problem { path, message }).collect()
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

    #[test]
    fn the_schema_names_the_defaults_that_hold() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let defaults: serde_json::Map<_, _> =
            properties.iter().filter_map(|(k, v)| Some((k.clone(), v.get("default")?.clone()))).collect();
        assert_eq!(defaults.len(), 6);
        assert_eq!(parse(&serde_json::Value::Object(defaults).to_string()).unwrap(), Settings::default());
        assert_eq!(properties["max_bytes"]["minimum"], *MAX_BYTES.start());
        assert_eq!(properties["max_bytes"]["maximum"], *MAX_BYTES.end());
        assert_eq!(properties["history"]["maximum"], MAX_HISTORY);
    }

    #[test]
    fn every_setting_is_read() {
        let json = r#"{"system":"Be kind.","history":0,"max_bytes":1000,"max_tokens":5,"temperature":0.5,
            "name_speakers":false,"tools":["time"],"empty":"…"}"#;
        let expected = Settings {
            system: "Be kind.".into(),
            history: 0,
            max_bytes: 1000,
            max_tokens: Some(5),
            temperature: Some(0.5),
            name_speakers: false,
            tools: vec![Tool::Time],
            empty: "…".into(),
        };
        assert_eq!(parse(json).unwrap(), expected);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let json =
            r#"{"history":201,"max_bytes":255,"max_tokens":0,"temperature":2.5,"empty":" ","tools":["time","time"]}"#;
        let json = json.replace("{\"h", &format!("{{\"system\":\"{}\",\"h", "x".repeat(MAX_SYSTEM + 1)));
        let paths: Vec<_> = parse(&json).unwrap_err().into_iter().map(|p| p.path).collect();
        assert_eq!(paths, ["/system", "/history", "/max_bytes", "/max_tokens", "/temperature", "/empty", "/tools/1"]);
    }

    #[test]
    fn a_wrong_type_names_its_place() {
        let path = |json: &str| parse(json).unwrap_err()[0].path.clone();
        assert_eq!(path(r#"{"tools":["time","clock"]}"#), "/tools/1");
        assert_eq!(path(r#"{"history":-1}"#), "/history");
    }
}
