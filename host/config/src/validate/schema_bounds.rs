//! Keeps a plugin's JSON Schema from hurting the host that evaluates it: schemas come out of the sandbox, their
//! evaluation runs outside it. References that lead round in a circle would never end, and references to references
//! can multiply.

use std::collections::BTreeMap;

use serde_json::Value;

/// Why a schema is not evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemaBounds {
    #[error("its references go round in a circle at `{0}`")]
    Circle(String),
    #[error("`{0}` leads nowhere in it; only references of the form `#/$defs/name` are followed")]
    Reference(String),
    #[error("with its references written out it has more than {LARGEST} parts")]
    Large,
    #[error("it is nested deeper than {DEEPEST}")]
    Deep,
    #[error("`{0}` is not supported")]
    Keyword(&'static str),
}

/// A settings schema of a first-party plugin has about 50 parts.
const LARGEST: usize = 20_000;
const DEEPEST: usize = 64;

pub(crate) fn check(schema: &Value) -> Result<(), SchemaBounds> {
    let mut walk = Walk { root: schema, sizes: BTreeMap::new() };
    let size = walk.measure(schema, 0)?;
    if size > LARGEST { Err(SchemaBounds::Large) } else { Ok(()) }
}

struct Walk<'a> {
    root: &'a Value,
    /// The parts behind a reference; none while they are being counted.
    sizes: BTreeMap<&'a str, Option<usize>>,
}

impl<'a> Walk<'a> {
    /// The number of parts, references written out.
    fn measure(&mut self, part: &'a Value, depth: usize) -> Result<usize, SchemaBounds> {
        if depth > DEEPEST {
            return Err(SchemaBounds::Deep);
        }
        let mut size = 1usize;
        match part {
            Value::Object(object) => {
                for (key, value) in object {
                    size = size.saturating_add(match (key.as_str(), value) {
                        ("$ref", Value::String(target)) => self.follow(target, depth)?,
                        ("$dynamicRef", _) => return Err(SchemaBounds::Keyword("$dynamicRef")),
                        ("$recursiveRef", _) => return Err(SchemaBounds::Keyword("$recursiveRef")),
                        ("$id", Value::String(_)) if depth > 0 => return Err(SchemaBounds::Keyword("$id")),
                        _ => self.measure(value, depth + 1)?,
                    });
                }
            }
            Value::Array(parts) => {
                for part in parts {
                    size = size.saturating_add(self.measure(part, depth + 1)?);
                }
            }
            _ => {}
        }
        Ok(size)
    }

    fn follow(&mut self, target: &'a str, depth: usize) -> Result<usize, SchemaBounds> {
        match self.sizes.get(target) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(SchemaBounds::Circle(target.to_owned())),
            None => {}
        }
        let lost = || SchemaBounds::Reference(target.to_owned());
        let pointer = target.strip_prefix('#').ok_or_else(lost)?;
        let part = self.root.pointer(pointer).ok_or_else(lost)?;
        self.sizes.insert(target, None);
        let size = self.measure(part, depth + 1)?;
        self.sizes.insert(target, Some(size));
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_within_the_schema_are_fine() {
        let schema = json!({
            "$defs": {"name": {"type": "string"}},
            "properties": {"a": {"$ref": "#/$defs/name"}, "b": {"$ref": "#/$defs/name"}},
        });
        assert_eq!(check(&schema), Ok(()));
    }

    #[test]
    fn circles_are_refused() {
        assert_eq!(check(&json!({"$ref": "#"})), Err(SchemaBounds::Circle("#".to_owned())));
        let schema = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}});
        assert!(matches!(check(&schema), Err(SchemaBounds::Circle(_))));
    }

    #[test]
    fn references_that_multiply_are_refused() {
        let mut defs = serde_json::Map::new();
        defs.insert("d0".to_owned(), json!({"type": "string"}));
        for level in 1..40 {
            let below = json!({"$ref": format!("#/$defs/d{}", level - 1)});
            defs.insert(format!("d{level}"), json!({"anyOf": [below, below]}));
        }
        // The names sort so that `d1` comes before `d10`: every order must end quickly.
        assert!(check(&json!({"$defs": defs, "$ref": "#/$defs/d39"})).is_err());
    }

    #[test]
    fn what_leads_out_or_deep_is_refused() {
        assert!(matches!(check(&json!({"$ref": "https://example.com/x"})), Err(SchemaBounds::Reference(_))));
        assert!(matches!(check(&json!({"$ref": "#/nowhere"})), Err(SchemaBounds::Reference(_))));
        let mut deep = json!({});
        for _ in 0..100 {
            deep = json!({"not": deep});
        }
        assert_eq!(check(&deep), Err(SchemaBounds::Deep));
    }
}
