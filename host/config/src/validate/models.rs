//! `[models.X]`.

use std::collections::BTreeMap;
use std::time::Duration;

use switchhook_core::id::ModelName;

use super::context::{Context, Declared, What};
use super::groups::cycles;
use super::keys;
use super::node::Node;
use super::report::Place;
use super::secret;
use crate::config::ModelConfig;

pub(crate) type Models = BTreeMap<ModelName, ModelConfig>;

const TIMEOUT: Duration = Duration::from_secs(30);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5 * 60);
const CONCURRENCY: usize = 8;

pub(crate) fn read(cx: &mut Context<'_>, root: &Node<'_>, declared: &Declared) -> Models {
    let mut models = BTreeMap::new();
    let mut fallbacks: BTreeMap<ModelName, Vec<(ModelName, Place)>> = BTreeMap::new();
    for (name, node) in cx.section::<ModelName>(root, "models") {
        let fallback = fallback(cx, &node, declared);
        models.extend(model(cx, &node, &fallback).map(|model| (name.clone(), model)));
        fallbacks.insert(name, fallback);
    }
    let next = |name: &ModelName| fallbacks.get(name).map_or(&[][..], Vec::as_slice);
    for (path, place) in cycles(fallbacks.keys(), next) {
        let message = format!("the model `{}` falls back on itself: {}", path[0], path.join(" → "));
        cx.report.add(&place, message, Some("leave one of them out".to_owned()));
    }
    models
}

fn fallback(cx: &mut Context<'_>, node: &Node<'_>, declared: &Declared) -> Vec<(ModelName, Place)> {
    let Some(list) = node.get("fallback") else { return Vec::new() };
    let named = list.texts(&mut cx.report);
    named.into_iter().filter_map(|(node, _)| Some((cx.reference(&node, What::Model, declared)?, node.place))).collect()
}

fn model(cx: &mut Context<'_>, node: &Node<'_>, fallback: &[(ModelName, Place)]) -> Option<ModelConfig> {
    let table = node.table(&mut cx.report, keys::MODEL)?;
    let base_url = table.require(&mut cx.report, "base_url").and_then(|node| url(cx, &node));
    let model = table.require(&mut cx.report, "model").and_then(|node| node.text(&mut cx.report));
    let key = table.get("api_key");
    let api_key = key.as_ref().and_then(|node| secret::read(cx, node));
    let report = &mut cx.report;
    let timeout = table.duration(report, "timeout").unwrap_or(TIMEOUT);
    let total_timeout = table.duration(report, "total_timeout").unwrap_or(TOTAL_TIMEOUT.max(timeout));
    if let Some(node) = table.get("total_timeout").filter(|_| total_timeout < timeout) {
        let help = "the whole answer can't be due before its first token: give `total_timeout` more, or `timeout` less";
        report.add(&node.place, "`total_timeout` is shorter than `timeout`", Some(help.to_owned()));
    }
    let concurrency = table.number(report, "concurrency").and_then(|n| n.try_into().ok()).unwrap_or(CONCURRENCY);
    let stream = table.flag(report, "stream").unwrap_or(true);
    Some(ModelConfig {
        base_url: base_url?.trim_end_matches('/').to_owned(),
        model: model?.to_owned(),
        api_key,
        fallback: fallback.iter().map(|(name, _)| name.clone()).collect(),
        timeout,
        total_timeout,
        concurrency,
        stream,
    })
}

/// Reads a URL with the scheme `http` or `https`.
pub(crate) fn url<'t>(cx: &mut Context<'_>, node: &Node<'t>) -> Option<&'t str> {
    let text = node.text(&mut cx.report)?;
    match authority(text) {
        Some((authority, _)) if authority.contains('@') => {
            cx.report.mask(node.place.span.clone());
            let help = "give the secret to a key of its own, as `{ env = … }` or `{ file = … }`";
            cx.report.add(&node.place, "this URL holds a user or a secret", Some(help.to_owned()));
            None
        }
        Some(_) => Some(text),
        None => {
            let help = "write it whole, as in \"http://127.0.0.1:11434/v1\"";
            cx.report.add(&node.place, format!("\"{text}\" is no URL"), Some(help.to_owned()));
            None
        }
    }
}

/// Whether a text is a scheme and a host, with or without a port, and nothing more.
pub(crate) fn is_origin(text: &str) -> bool {
    authority(text).is_some_and(|(authority, rest)| !authority.contains('@') && matches!(rest, "" | "/"))
}

/// Host and port of a URL, and what follows them.
fn authority(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host_and_port = authority.rsplit('@').next().unwrap_or(authority);
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host_and_port, None),
    };
    let legal = |c: char| {
        !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '}' | '|')
    };
    let sound = !host.is_empty() && text.chars().all(legal) && port.is_none_or(|port| port.parse::<u16>().is_ok());
    sound.then_some((authority, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_need_a_scheme_and_a_host() {
        for good in ["http://127.0.0.1:11434/v1", "https://api.example.com", "http://[::1]:8080/x", "http://[::1]"] {
            assert!(authority(good).is_some(), "{good}");
        }
        for bad in
            ["", "api.example.com", "ftp://x", "http://", "http://:80", "http://a b", "http://a:99999", "http:/a"]
        {
            assert!(authority(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        assert!(is_origin("https://api.example.com"));
        assert!(is_origin("http://10.0.0.1:80/"));
        assert!(!is_origin("https://api.example.com/v1"));
        assert!(!is_origin("https://me@api.example.com"));
    }
}
