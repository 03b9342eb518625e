//! `[routes.X]`.

use std::collections::BTreeMap;

use switchhook_core::catalogue::HookKind;
use switchhook_core::id::{PluginName, RouteName};

use super::context::{Context, Declared, What};
use super::keys;
use super::node::{Node, Table};
use super::plugins::Plugins;
use crate::config::{RouteConfig, WhileBusy};

pub(crate) struct ReadRoute {
    pub(crate) config: RouteConfig,
    /// Whether nothing of it was reported: else it is no evidence against a channel.
    pub(crate) whole: bool,
}

pub(crate) type Routes = BTreeMap<RouteName, ReadRoute>;

pub(crate) fn read(cx: &mut Context<'_>, root: &Node<'_>, declared: &Declared, plugins: &Plugins<'_>) -> Routes {
    let section = cx.section::<RouteName>(root, "routes");
    section.into_iter().filter_map(|(name, node)| Some((name, route(cx, &node, declared, plugins)?))).collect()
}

fn route(cx: &mut Context<'_>, node: &Node<'_>, declared: &Declared, plugins: &Plugins<'_>) -> Option<ReadRoute> {
    let before = cx.report.count();
    let table = node.table(&mut cx.report, keys::ROUTE)?;
    let policies = list(cx, &table, "policies", HookKind::Policy, declared, plugins);
    let replies = list(cx, &table, "replies", HookKind::Reply, declared, plugins);
    let prompt_node = table.get("prompt");
    let prompt = prompt_node.as_ref().and_then(|node| plugin(cx, node, HookKind::Prompt, declared, plugins));
    let model_node = table.get("model");
    let model = model_node.as_ref().and_then(|node| cx.reference(node, What::Model, declared));
    match (&prompt_node, &model_node) {
        (Some(prompt), None) => {
            let help = "add `model = \"…\"`, the name of a `[models.…]`";
            cx.report.add(&prompt.place, "this route has a prompt and no model to ask", Some(help.to_owned()));
        }
        (None, Some(model)) => {
            let help = "add `prompt = \"…\"`, such as a plugin with `source = \"builtin:assistant\"`";
            cx.report.add(&model.place, "this route has a model and no prompt to ask it with", Some(help.to_owned()));
        }
        _ => {}
    }
    let while_busy = table.choice(&mut cx.report, "while_busy").unwrap_or(WhileBusy::Queue);
    Some(ReadRoute {
        config: RouteConfig { policies, replies, prompt, model, while_busy },
        whole: cx.report.count() == before,
    })
}

fn list(
    cx: &mut Context<'_>,
    table: &Table<'_>,
    key: &str,
    kind: HookKind,
    declared: &Declared,
    plugins: &Plugins<'_>,
) -> Vec<PluginName> {
    let mut names: Vec<PluginName> = Vec::new();
    for (node, _) in table.texts(&mut cx.report, key) {
        let Some(name) = plugin(cx, &node, kind, declared, plugins) else { continue };
        if names.contains(&name) {
            cx.report.add(&node.place, format!("`{name}` is named twice"), Some("leave one of them out".to_owned()));
        }
        names.push(name);
    }
    names
}

/// A plugin of the kind that is wanted here.
fn plugin(
    cx: &mut Context<'_>,
    node: &Node<'_>,
    kind: HookKind,
    declared: &Declared,
    plugins: &Plugins<'_>,
) -> Option<PluginName> {
    let name: PluginName = cx.reference(node, What::Plugin, declared)?;
    let described = plugins.get(&name).and_then(|read| read.config.as_ref()).map(|config| &config.description);
    // One that could not be described was reported where it is declared.
    if let Some(description) = described.filter(|description| description.kind != kind) {
        let place = |kind| match kind {
            HookKind::Policy => "`policies`",
            HookKind::Reply => "`replies`",
            HookKind::Prompt => "`prompt`",
        };
        let message = format!("`{name}` is a {} plugin, and this is the place of a {kind} plugin", description.kind);
        cx.report.add(&node.place, message, Some(format!("move it to {}", place(description.kind))));
        return None;
    }
    Some(name)
}
