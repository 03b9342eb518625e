//! `[plugins.X]`, and the builtin plugins that routes name without one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use switchhook_core::catalogue::{Capability, CatalogueError, Description, HookKind, Limits, PluginSource};
use switchhook_core::id::PluginName;

use super::context::{Context, Declared, What};
use super::keys;
use super::models;
use super::node::{Node, Table};
use super::report::Place;
use crate::config::{Grants, OnFailure, PluginConfig};

/// Room for the plugin's own code and for one message with its history.
const MEMORY: usize = 64 << 20;
/// A policy stands before every message.
const POLICY_DEADLINE: Duration = Duration::from_millis(50);
const DEADLINE: Duration = Duration::from_secs(1);
const HOST_CALLS: u32 = 64;
const OUTPUT: usize = 256 << 10;
const KV: u64 = 1 << 20;

/// A plugin as it was read.
pub(crate) struct ReadPlugin<'t> {
    /// Its settings in the file.
    pub(crate) settings: Option<Node<'t>>,
    /// Where it is declared.
    pub(crate) place: Place,
    pub(crate) source_place: Place,
    /// None where something was reported; its settings are still empty.
    pub(crate) config: Option<PluginConfig>,
}

pub(crate) type Plugins<'t> = BTreeMap<PluginName, ReadPlugin<'t>>;

pub(crate) fn read<'t>(cx: &mut Context<'_>, root: &Node<'t>) -> Plugins<'t> {
    let section = cx.section::<PluginName>(root, "plugins");
    section.into_iter().filter_map(|(name, node)| Some((name, plugin(cx, &node)?))).collect()
}

fn plugin<'t>(cx: &mut Context<'_>, node: &Node<'t>) -> Option<ReadPlugin<'t>> {
    let table = node.table(&mut cx.report, keys::PLUGIN)?;
    let place = node.name_place();
    let source = table.require(&mut cx.report, "source");
    let source_place = source.as_ref().map_or_else(|| place.clone(), |node| node.place.clone());
    let described = source.and_then(|node| described(cx, &node));
    let kind = described.as_ref().map(|(_, description)| description.kind);
    let limits = limits(cx, &table, kind);
    let grants = grants(cx, &table);
    let on_failure = on_failure(cx, &table, kind);
    let config = described.map(|(source, description)| {
        check_grants(cx, &source_place, &description, &grants);
        let description = Arc::new(description);
        PluginConfig {
            source,
            description,
            settings: serde_json::Value::Object(Default::default()),
            limits,
            on_failure,
            grants,
        }
    });
    Some(ReadPlugin { settings: table.get("settings"), place, source_place, config })
}

fn described(cx: &mut Context<'_>, node: &Node<'_>) -> Option<(PluginSource, Description)> {
    let text = node.text(&mut cx.report)?;
    let source = match text.strip_prefix("builtin:") {
        Some(name) => PluginSource::Builtin(name.to_owned()),
        None => PluginSource::File(cx.path(text)),
    };
    if let PluginSource::File(path) = &source {
        cx.file(path.clone());
    }
    match cx.sources.catalogue.describe(&source) {
        Ok(description) => {
            cx.input(format!("plugin {source}"), description.digest.as_str().as_bytes());
            Some((source, description))
        }
        Err(error) => {
            let message = error.to_string();
            cx.input(format!("plugin {source}"), message.as_bytes());
            cx.report.add(&node.place, message, Some(remedy(&error).to_owned()));
            None
        }
    }
}

fn remedy(error: &CatalogueError) -> &'static str {
    match error {
        CatalogueError::NoSuchBuiltin { .. } => "name one of these, or give the path to a .wasm component",
        CatalogueError::Unreadable { .. } => "the path is relative to the folder of the config file",
        CatalogueError::NotAPlugin { .. } => {
            "it must be a complete WebAssembly component (target `wasm32-wasip2`): build or copy it again"
        }
        CatalogueError::Contract { .. } => "build it against a contract that this host speaks",
        CatalogueError::Failed { .. } => {
            "this is an error in the plugin: its author can reproduce it with `switchhook plugin inspect`"
        }
    }
}

fn limits(cx: &mut Context<'_>, table: &Table<'_>, kind: Option<HookKind>) -> Limits {
    let deadline = if kind == Some(HookKind::Policy) { POLICY_DEADLINE } else { DEADLINE };
    let mut limits = Limits { memory: MEMORY, deadline, host_calls: HOST_CALLS, output: OUTPUT };
    let report = &mut cx.report;
    let Some(table) = table.get("limits").and_then(|node| node.table(report, keys::LIMITS)) else { return limits };
    limits.deadline = table.duration(report, "deadline").unwrap_or(deadline);
    // The bounds of these keys fit the types.
    limits.memory = table.size(report, "memory").and_then(|n| n.try_into().ok()).unwrap_or(MEMORY);
    limits.output = table.size(report, "output").and_then(|n| n.try_into().ok()).unwrap_or(OUTPUT);
    limits.host_calls = table.number(report, "host_calls").and_then(|n| n.try_into().ok()).unwrap_or(HOST_CALLS);
    limits
}

fn grants(cx: &mut Context<'_>, table: &Table<'_>) -> Grants {
    let mut grants = Grants { http: Vec::new(), kv: KV, attachments: false };
    let table = table.get("grants").and_then(|node| node.table(&mut cx.report, keys::GRANTS));
    let Some(table) = table else { return grants };
    for (node, text) in table.texts(&mut cx.report, "http") {
        if !models::is_origin(text) {
            let help = "write scheme and host and nothing more, as in \"https://api.example.com\"";
            cx.report.add(&node.place, format!("\"{text}\" is no host"), Some(help.to_owned()));
        }
        grants.http.push(text.trim_end_matches('/').to_owned());
    }
    grants.kv = table.size(&mut cx.report, "kv").unwrap_or(KV);
    grants.attachments = table.flag(&mut cx.report, "attachments").unwrap_or(false);
    grants
}

/// What a plugin asks for and is not granted it would only miss at run time, in front of a sender.
fn check_grants(cx: &mut Context<'_>, place: &Place, description: &Description, grants: &Grants) {
    for capability in &description.capabilities {
        let (granted, what, grant) = match capability {
            Capability::History => continue,
            Capability::Kv | Capability::KvShared => (grants.kv > 0, "key-value storage", "kv = \"1MiB\""),
            Capability::Attachments => (grants.attachments, "attachments", "attachments = true"),
            Capability::Http => (!grants.http.is_empty(), "the network", "http = [\"https://…\"]"),
        };
        if !granted {
            let message = format!("the plugin `{}` asks for {what}, which it is not granted", description.name);
            cx.report.add(place, message, Some(format!("if you agree, add `grants = {{ {grant} }}`")));
        }
    }
}

/// Policies fail closed, whatever the config would like.
fn on_failure(cx: &mut Context<'_>, table: &Table<'_>, kind: Option<HookKind>) -> OnFailure {
    let given = table.choice(&mut cx.report, "on_failure");
    match kind {
        Some(HookKind::Policy) => {
            if let (Some(OnFailure::Skip | OnFailure::Apologise), Some(node)) = (given, table.get("on_failure")) {
                let message = "a policy that fails lets nothing through: its messages are always held";
                cx.report.add(&node.place, message, Some("leave `on_failure` out".to_owned()));
            }
            OnFailure::Hold
        }
        Some(HookKind::Prompt) => given.unwrap_or(OnFailure::Apologise),
        Some(HookKind::Reply) | None => given.unwrap_or(OnFailure::Skip),
    }
}

/// A route may name a builtin plugin that has nothing to be configured without declaring it.
pub(crate) fn add_builtins<'t>(
    cx: &mut Context<'_>,
    root: &Node<'t>,
    declared: &mut Declared,
    plugins: &mut Plugins<'t>,
) {
    let routes = root.get("routes").map(|routes| routes.entries()).unwrap_or_default();
    let named = routes.iter().flat_map(|(_, route)| {
        let lists = ["policies", "replies"].into_iter().filter_map(|key| route.get(key));
        lists.flat_map(|list| list.elements()).chain(route.get("prompt"))
    });
    for node in named {
        let Some(text) = node.value.as_str().filter(|text| !declared.names(What::Plugin).contains(*text)) else {
            continue;
        };
        let Ok(name) = PluginName::new(text) else { continue };
        let source = PluginSource::Builtin(text.to_owned());
        let description = match cx.sources.catalogue.describe(&source) {
            Ok(description) => description,
            // A dangling name, reported where routes are read.
            Err(CatalogueError::NoSuchBuiltin { known, .. }) => {
                declared.builtins(&known);
                continue;
            }
            Err(error) => {
                cx.report.add(&node.place, error.to_string(), Some(remedy(&error).to_owned()));
                declared.add(What::Plugin, text);
                continue;
            }
        };
        cx.input(format!("plugin {source}"), description.digest.as_str().as_bytes());
        declared.add(What::Plugin, text);
        plugins.insert(name, builtin(cx, &node, source, description));
    }
}

fn builtin<'t>(
    cx: &mut Context<'_>,
    node: &Node<'t>,
    source: PluginSource,
    description: Description,
) -> ReadPlugin<'t> {
    let grants = Grants { http: Vec::new(), kv: KV, attachments: false };
    check_grants(cx, &node.place, &description, &grants);
    let (deadline, on_failure) = match description.kind {
        HookKind::Policy => (POLICY_DEADLINE, OnFailure::Hold),
        HookKind::Reply => (DEADLINE, OnFailure::Skip),
        HookKind::Prompt => (DEADLINE, OnFailure::Apologise),
    };
    let config = PluginConfig {
        source,
        description: Arc::new(description),
        settings: serde_json::Value::Object(Default::default()),
        limits: Limits { memory: MEMORY, deadline, host_calls: HOST_CALLS, output: OUTPUT },
        on_failure,
        grants,
    };
    ReadPlugin { settings: None, place: node.place.clone(), source_place: node.place.clone(), config: Some(config) }
}
