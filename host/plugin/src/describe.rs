//! Checking what a plugin says of itself before anybody relies on it.

use switchhook_core::catalogue::{Capability, Description, HookKind, SettingsProblem};
use switchhook_core::id::{Digest, GroupName, MAX_NAME};

use crate::contract::Described;

/// The longest one-sentence summary, and the longest schema of settings, in bytes.
const MAX_SUMMARY: usize = 500;
const MAX_SCHEMA: usize = 256 * 1024;
/// The most groups a plugin may ask for.
const MAX_GROUPS: usize = 64;
/// How many problems with its settings are told, and how many characters of each: what a person reads.
const MAX_PROBLEMS: usize = 16;
const MAX_PROBLEM: usize = 300;

/// Makes a description of it; the error says what is wrong.
pub(crate) fn check(
    described: Described,
    digest: Digest,
    kind: HookKind,
    contract: &'static str,
) -> Result<Description, String> {
    line("name", &described.name, MAX_NAME)?;
    line("version", &described.version, MAX_NAME)?;
    line("summary", &described.summary, MAX_SUMMARY)?;
    if described.name.is_empty() {
        return Err("its name is empty".to_owned());
    }
    if described.capabilities.contains(&Capability::Http) {
        return Err("it asks for `http`, which this version of the host does not offer yet".to_owned());
    }
    if described.groups.len() > MAX_GROUPS {
        return Err(format!("it asks for {} groups; {MAX_GROUPS} is the most", described.groups.len()));
    }
    let groups = described.groups.iter().map(|name| GroupName::new(name)).collect::<Result<_, _>>();
    Ok(Description {
        digest,
        kind,
        contract: contract.to_owned(),
        settings_schema: schema(&described.settings_schema)?,
        groups: groups.map_err(|error| format!("a group it asks for: {error}"))?,
        name: described.name,
        version: described.version,
        summary: described.summary,
        content: described.content.into_iter().collect(),
        capabilities: described.capabilities.into_iter().collect(),
    })
}

/// What a plugin has against its settings, made fit for a person and a log.
pub(crate) fn problems(problems: Vec<SettingsProblem>) -> Vec<SettingsProblem> {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let short = |text: String| text.chars().map(plain).take(MAX_PROBLEM).collect();
    let first = problems.into_iter().take(MAX_PROBLEMS);
    first.map(|problem| SettingsProblem { path: short(problem.path), message: short(problem.message) }).collect()
}

fn line(what: &str, text: &str, most: usize) -> Result<(), String> {
    if text.len() > most {
        return Err(format!("its {what} is longer than {most} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("its {what} contains control characters"));
    }
    Ok(())
}

fn schema(text: &str) -> Result<Option<serde_json::Value>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_SCHEMA {
        return Err(format!("its settings-schema is longer than {MAX_SCHEMA} bytes"));
    }
    match serde_json::from_str(text) {
        Ok(value @ serde_json::Value::Object(_)) => Ok(Some(value)),
        Ok(_) => Err("its settings-schema is no JSON object".to_owned()),
        Err(error) => Err(format!("its settings-schema is no JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> Described {
        Described {
            name: "sample".into(),
            version: "1.0.0".into(),
            summary: "A sample.".into(),
            settings_schema: String::new(),
            content: Vec::new(),
            groups: Vec::new(),
            capabilities: Vec::new(),
        }
    }

    fn check_it(described: Described) -> Result<Description, String> {
        check(described, Digest::from_hex("00"), HookKind::Policy, "0.1")
    }

    #[test]
    fn a_good_description_passes() {
        let description =
            check_it(Described { settings_schema: r#"{"type":"object"}"#.into(), ..described() }).unwrap();
        assert_eq!(description.name, "sample");
        assert_eq!(description.settings_schema.unwrap()["type"], "object");
    }

    #[test]
    fn problems_are_cut_to_what_a_person_reads() {
        let long = SettingsProblem { path: "/a".into(), message: "no\n".repeat(1_000) };
        let told = problems(vec![long; 1_000]);
        assert_eq!(told.len(), MAX_PROBLEMS);
        assert!(told[0].path == "/a" && told[0].message.len() <= MAX_PROBLEM && !told[0].message.contains('\n'));
    }

    /// F3
    #[test]
    fn a_bad_description_is_refused_with_its_reason() {
        for (bad, expect) in [
            (Described { name: String::new(), ..described() }, "name is empty"),
            (Described { name: "a\nb".into(), ..described() }, "control characters"),
            (Described { summary: "x".repeat(501), ..described() }, "longer than 500"),
            (Described { settings_schema: "{".into(), ..described() }, "no JSON"),
            (Described { settings_schema: "[]".into(), ..described() }, "no JSON object"),
            (Described { groups: vec!["a b".into()], ..described() }, "no name"),
            (Described { capabilities: vec![Capability::Http], ..described() }, "http"),
        ] {
            let reason = check_it(bad).unwrap_err();
            assert!(reason.contains(expect), "{reason}");
        }
    }
}
