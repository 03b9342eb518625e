//! Settings: TOML in the file, JSON for the plugin.

use serde_json::{Map, Value};
use toml::de::DeValue;

use super::node::Node;
use super::report::{Place, Report};

/// The value as JSON; none where something was reported.
pub(crate) fn from_node(node: &Node<'_>, report: &mut Report) -> Option<Value> {
    match node.value {
        DeValue::String(text) => Some(Value::from(&**text)),
        DeValue::Boolean(flag) => Some(Value::from(*flag)),
        DeValue::Integer(_) => node.number(report, i64::MIN, i64::MAX).map(Value::from),
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            if number.is_none() {
                report.add(&node.place, "plugins take no infinite and no undefined numbers", None);
            }
            number.map(Value::Number)
        }
        DeValue::Datetime(_) => {
            let help = Some("put it in quotes".to_owned());
            report.add(&node.place, "plugins take JSON, which has no dates", help);
            None
        }
        DeValue::Array(_) => {
            let elements = node.elements();
            let values: Vec<Value> = elements.iter().filter_map(|node| from_node(node, report)).collect();
            (values.len() == elements.len()).then_some(Value::Array(values))
        }
        DeValue::Table(_) => {
            let entries = node.entries();
            let values: Map<String, Value> = entries
                .iter()
                .filter_map(|(name, node)| Some(((*name).to_owned(), from_node(node, report)?)))
                .collect();
            (values.len() == entries.len()).then_some(Value::Object(values))
        }
    }
}

/// Lays settings over others: tables merge, everything else replaces.
pub(crate) fn merged(mut below: Value, above: Value) -> Value {
    lay(&mut below, above);
    below
}

fn lay(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

/// Where a JSON Pointer leads in the file.
pub(crate) enum Found<'t> {
    /// To this value.
    There(Node<'t>),
    /// Not all the way; this is the last value on it.
    Towards(Place),
}

/// Follows a JSON Pointer such as `/tools/0/name`.
pub(crate) fn find<'t>(node: &Node<'t>, pointer: &str) -> Found<'t> {
    let mut node = node.clone();
    for segment in pointer.split('/').skip(1) {
        let name = segment.replace("~1", "/").replace("~0", "~");
        let index = name.parse::<usize>().ok();
        let next = node.get(&name).or_else(|| index.and_then(|index| node.elements().into_iter().nth(index)));
        match next {
            Some(next) => node = next,
            None => return Found::Towards(node.name_place()),
        }
    }
    Found::There(node)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_merge_and_arrays_replace() {
        let below = json!({"system": "a", "tools": {"x": 1, "y": 2}, "stop": ["a", "b"]});
        let above = json!({"tools": {"y": 3, "z": {"w": 4}}, "stop": ["c"], "system": {"a": 1}});
        let expect = json!({"system": {"a": 1}, "tools": {"x": 1, "y": 3, "z": {"w": 4}}, "stop": ["c"]});
        assert_eq!(merged(below, above), expect);
    }
}
