//! The JSON Schema of the config file, for editors: made from the keys that the reader knows.

use serde_json::{Map, Value, json};
use switchhook_core::kind::{KeySpec, KeyType, KindSpec};

use crate::sources::Kinds;
use crate::validate::keys::{self, Key, Need, Shape};

/// A name, as `switchhook_core::id` checks it.
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$";

/// The JSON Schema (draft 2020-12) of the config file, with the keys of every kind of connector in this build.
pub fn schema(kinds: &Kinds) -> Value {
    let specs: Vec<&KindSpec> = kinds.iter().map(|kind| kind.spec()).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Switchhook config",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "host": table(keys::HOST),
            "plugins": named(table(keys::PLUGIN)),
            "groups": named(table(keys::GROUP)),
            "models": named(table(keys::MODEL)),
            "routes": named(table(keys::ROUTE)),
            "channels": named(channel(&specs)),
        },
    })
}

/// A table of such tables, by name.
fn named(entry: Value) -> Value {
    json!({"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": entry})
}

fn table(keys: &[Key]) -> Value {
    let properties: Map<String, Value> = keys.iter().map(property).collect();
    let mut table = json!({"type": "object", "additionalProperties": false, "properties": properties});
    let required = required(keys);
    if !required.is_empty() {
        table["required"] = Value::from(required);
    }
    table
}

fn required(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().filter(|key| key.need == Need::Required).map(|key| key.name).collect()
}

fn property(key: &Key) -> (String, Value) {
    (key.name.to_owned(), described(shape(key.shape), key.summary))
}

fn described(mut schema: Value, summary: &str) -> Value {
    schema["description"] = Value::from(summary);
    schema
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Text => json!({"type": "string", "minLength": 1}),
        Shape::Url => url(),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Duration(..) => duration(),
        Shape::Size(..) => json!({"type": "string", "pattern": "^[0-9]+(B|kB|KiB|MB|MiB|GB|GiB)$"}),
        Shape::Number(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Choice(words) => json!({"enum": words}),
        Shape::Texts | Shape::People => json!({"type": "array", "items": {"type": "string", "minLength": 1}}),
        Shape::Secret => secret(),
        Shape::Table(keys) => table(keys),
        Shape::Free => json!({"type": "object"}),
        Shape::FreeByName => json!({"type": "object", "additionalProperties": {"type": "object"}}),
    }
}

fn url() -> Value {
    json!({"type": "string", "pattern": "^https?://"})
}

fn duration() -> Value {
    json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"})
}

/// Either key, not both.
fn secret() -> Value {
    let mut secret = table(keys::SECRET);
    secret["minProperties"] = Value::from(1);
    secret["maxProperties"] = Value::from(1);
    secret
}

/// The keys of every kind together, so that editors complete them; which of them a kind has is said by conditions.
fn channel(specs: &[&KindSpec]) -> Value {
    let mut properties: Map<String, Value> = keys::CHANNEL.iter().map(property).collect();
    let kinds: Vec<&str> = specs.iter().map(|spec| spec.kind).collect();
    properties["kind"] = described(json!({"enum": kinds}), "The kind of connector.");
    for key in specs.iter().flat_map(|spec| spec.keys) {
        // Two kinds may give one name two types: what holds then is in the conditions.
        properties.entry(key.name).or_insert_with(|| json!({"description": key.summary}));
    }
    json!({
        "type": "object",
        "required": required(keys::CHANNEL),
        "properties": properties,
        "additionalProperties": false,
        "allOf": specs.iter().map(|spec| condition(spec, specs)).collect::<Vec<_>>(),
    })
}

fn condition(spec: &KindSpec, all: &[&KindSpec]) -> Value {
    let own: Map<String, Value> =
        spec.keys.iter().map(|key| (key.name.to_owned(), described(kind_key(key), key.summary))).collect();
    let foreign = all.iter().flat_map(|other| other.keys).map(|key| key.name).filter(|name| !own.contains_key(*name));
    let refused: Map<String, Value> = foreign.map(|name| (name.to_owned(), Value::Bool(false))).collect();
    let required: Vec<&str> = spec.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let properties: Map<String, Value> = own.into_iter().chain(refused).collect();
    json!({
        "if": {"properties": {"kind": {"const": spec.kind}}},
        "then": {"required": required, "properties": properties},
    })
}

fn kind_key(key: &KeySpec) -> Value {
    match key.key_type {
        KeyType::Text => json!({"type": "string", "minLength": 1}),
        KeyType::Url => url(),
        KeyType::Flag => json!({"type": "boolean"}),
        KeyType::Number { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        KeyType::Duration => duration(),
        KeyType::Secret => secret(),
        KeyType::SecretTable => json!({"type": "object", "additionalProperties": secret()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{WHOLE, World};

    fn accepts(text: &str) -> bool {
        let schema = schema(World::new().kinds());
        let value: Value = toml::from_str(text).unwrap();
        jsonschema::validator_for(&schema).unwrap().is_valid(&value)
    }

    #[test]
    fn a_sound_config_fits() {
        assert!(accepts(WHOLE));
        assert!(accepts(""));
    }

    #[test]
    fn what_the_reader_refuses_does_not_fit() {
        for (from, to) in [
            ("[host]", "[hots]"),
            ("data_dir = \"data\"", "data_dir = 1"),
            ("token = { env = \"TOKEN\" }", "token = \"literal\""),
            ("token = { env = \"TOKEN\" }", "token = { env = \"A\", file = \"b\" }"),
            ("token = { env = \"TOKEN\" }", ""),
            ("kind = \"telegram\"", "kind = \"web\""),
            ("route = \"personal\"", ""),
            ("[groups.family]", "[groups.\"two words\"]"),
        ] {
            assert!(WHOLE.contains(from), "{from}");
            assert!(!accepts(&WHOLE.replacen(from, to, 1)), "{from} → {to}");
        }
    }
}
