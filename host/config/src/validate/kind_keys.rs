//! The keys that a kind of connector adds to its channels.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::ExposeSecret;
use switchhook_core::id::Digest;
use switchhook_core::kind::{KeySpec, KeyType, KeyValue, KindSpec};

use super::context::Context;
use super::models;
use super::node::Node;
use super::secret;
use crate::digest::Hasher;

/// No kind waits longer for anything.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The values of the kind's keys; none where something was reported.
pub(crate) fn read(cx: &mut Context<'_>, channel: &Node<'_>, spec: &KindSpec) -> Option<BTreeMap<String, KeyValue>> {
    let mut values = BTreeMap::new();
    let mut whole = true;
    for key in spec.keys {
        match channel.get(key.name) {
            Some(node) => match value(cx, &node, key.key_type) {
                Some(value) => {
                    values.insert(key.name.to_owned(), value);
                }
                None => whole = false,
            },
            None if key.required => {
                missing(cx, channel, key, spec.kind);
                whole = false;
            }
            None => {}
        }
    }
    whole.then_some(values)
}

fn missing(cx: &mut Context<'_>, channel: &Node<'_>, key: &KeySpec, kind: &str) {
    let example = match key.key_type {
        KeyType::Secret => format!("{} = {{ env = \"{}\" }}", key.name, key.name.to_uppercase()),
        _ => format!("{} = …", key.name),
    };
    let message = format!("`{}` lacks `{}`, which a {kind} channel must have", channel.place.key, key.name);
    cx.report.add(&channel.name_place(), message, Some(format!("add `{example}`: {}", key.summary)));
}

fn value(cx: &mut Context<'_>, node: &Node<'_>, key_type: KeyType) -> Option<KeyValue> {
    let report = &mut cx.report;
    Some(match key_type {
        KeyType::Text => KeyValue::Text(node.text(report)?.to_owned()),
        KeyType::Url => KeyValue::Text(models::url(cx, node)?.to_owned()),
        KeyType::Flag => KeyValue::Flag(node.flag(report)?),
        KeyType::Number { min, max } => KeyValue::Number(node.number(report, min, max)?),
        KeyType::Duration => KeyValue::Duration(node.duration(report, Duration::ZERO, LONGEST)?),
        KeyType::Secret => KeyValue::Secret(secret::read(cx, node)?),
        KeyType::SecretTable => KeyValue::Secrets(secrets(cx, node)?),
    })
}

fn secrets(cx: &mut Context<'_>, node: &Node<'_>) -> Option<BTreeMap<String, secrecy::SecretString>> {
    if !node.value.is_table() {
        cx.report.mask(node.place.span.clone());
        node.expected(&mut cx.report, "a table from names to secrets, as in { alice = { env = \"ALICE\" } }");
        return None;
    }
    let entries = node.entries();
    let count = entries.len();
    let read = entries.into_iter().filter_map(|(name, node)| Some((name.to_owned(), secret::read(cx, &node)?)));
    let secrets: BTreeMap<_, _> = read.collect();
    (secrets.len() == count).then_some(secrets)
}

/// Which of a kind's keys a digest is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    Identity,
    Tuning,
}

/// SHA-256 over the names and values of some keys, secrets included, after what else belongs to them.
pub(crate) fn digest(
    spec: &KindSpec,
    values: &BTreeMap<String, KeyValue>,
    which: Keys,
    also: &[(&str, &str)],
) -> Digest {
    let mut hasher = Hasher::default();
    for (name, value) in also {
        hasher.part(name, value.as_bytes());
    }
    for (name, value) in values {
        let identity = spec.keys.iter().any(|key| key.name == name && key.identity);
        if identity == (which == Keys::Identity) {
            hash_value(&mut hasher, name, value);
        }
    }
    hasher.finish()
}

fn hash_value(hasher: &mut Hasher, name: &str, value: &KeyValue) {
    match value {
        KeyValue::Text(text) => hasher.part(name, text.as_bytes()),
        KeyValue::Flag(flag) => hasher.part(name, &[u8::from(*flag)]),
        KeyValue::Number(number) => hasher.part(name, &number.to_le_bytes()),
        KeyValue::Duration(duration) => hasher.part(name, &duration.as_nanos().to_le_bytes()),
        KeyValue::Secret(secret) => hasher.part(name, secret.expose_secret().as_bytes()),
        KeyValue::Secrets(secrets) => {
            hasher.part(name, &(secrets.len() as u64).to_le_bytes());
            for (whose, secret) in secrets {
                hasher.part(whose, secret.expose_secret().as_bytes());
            }
            hasher
        }
    };
}
