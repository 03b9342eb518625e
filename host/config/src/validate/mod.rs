//! Text becomes a config.
//!
//! Each section has a file; each reads its tables, reports what is wrong and goes on, so that every error is found at
//! once. What needs more than one section is in `channels` (who is let in), and `settings` (what plugins say).

mod channels;
mod context;
mod groups;
mod host;
mod json;
pub(crate) mod keys;
mod kind_keys;
mod mask;
mod models;
mod node;
mod plugins;
mod report;
mod routes;
mod schema_bounds;
mod secret;
mod settings;
mod suggest;
mod units;

use std::path::Path;

use toml::de::{DeTable, DeValue};

use self::context::{Context, Declared};
use self::node::Node;
use self::report::Place;
use crate::config::Config;
use crate::error::ConfigErrors;
use crate::sources::Sources;

/// Reads the file and validates it. Blocking.
pub fn load(path: &Path, sources: &Sources<'_>) -> Result<Config, ConfigErrors> {
    match std::fs::read_to_string(path) {
        Ok(text) => validate(&text, path, sources),
        Err(error) => Err(ConfigErrors::unreadable(path, &error)),
    }
}

/// Checks the whole of a config. `path` is where the text came from: other paths in it are relative to its folder.
/// Blocking: plugins are looked up and secret files are read.
///
/// # Errors
/// Everything that is wrong, at once; after a syntax error only that.
pub fn validate(text: &str, path: &Path, sources: &Sources<'_>) -> Result<Config, ConfigErrors> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut cx = Context::new(sources, &path);
    cx.input("text", text.as_bytes());
    let parsed = DeTable::parse(text).map(|table| DeValue::Table(table.into_inner()));
    let config = match &parsed {
        Ok(root) => read(&mut cx, root),
        Err(error) => {
            let place = Place { span: error.span().unwrap_or(0..0), key: String::new() };
            cx.report.add(&place, error.message(), None);
            None
        }
    };
    let digest = cx.digest();
    let files = cx.files();
    match config {
        Some(sections) if cx.report.is_empty() => Ok(sections.into_config(path, digest, files)),
        _ => {
            let problems = cx.report.finish(text, &path);
            Err(ConfigErrors::new(path, problems, files, digest))
        }
    }
}

/// Everything a config holds, before it has a digest.
struct Sections<'t> {
    host: crate::config::HostConfig,
    plugins: plugins::Plugins<'t>,
    groups: groups::Groups,
    models: models::Models,
    routes: routes::Routes,
    channels: channels::Channels<'t>,
}

/// None only where something was reported.
fn read<'t>(cx: &mut Context<'_>, root: &'t DeValue<'t>) -> Option<Sections<'t>> {
    let root = Node::root(root);
    root.refuse_unknown(&mut cx.report, keys::ROOT.iter().copied());
    let mut declared = Declared::of(&root);
    let host = host::read(cx, root.get("host"));
    let mut plugins = plugins::read(cx, &root);
    plugins::add_builtins(cx, &root, &mut declared, &mut plugins);
    let groups = groups::read(cx, &root, &declared);
    let models = models::read(cx, &root, &declared);
    let routes = routes::read(cx, &root, &declared, &plugins);
    let mut channels = channels::read(cx, &root, &declared, &groups);
    channels::check_wiring(cx, &channels, &routes, &plugins, &declared);
    settings::apply(cx, &mut channels, &routes, &mut plugins);
    enough_connections(cx, &root, host.as_ref(), &channels);
    Some(Sections { host: host?, plugins, groups, models, routes, channels })
}

/// B9: what a machine has room for is not exceeded by an edit either.
fn enough_connections(
    cx: &mut Context<'_>,
    root: &Node<'_>,
    host: Option<&crate::config::HostConfig>,
    channels: &channels::Channels<'_>,
) {
    let Some(limit) = host.and_then(|host| host.max_connections) else { return };
    let enabled = channels.values().filter(|c| c.config.as_ref().is_some_and(|config| config.enabled)).count();
    if enabled > limit as usize
        && let Some(node) = root.get("host").and_then(|host| host.get("max_connections"))
    {
        let message = format!("{enabled} channels are enabled, and `max_connections` is {limit}");
        cx.report.add(&node.place, message, Some("raise it, or set `enabled = false` for some".to_owned()));
    }
}

impl Sections<'_> {
    fn into_config(
        self,
        path: std::path::PathBuf,
        digest: switchhook_core::id::Digest,
        files: Vec<std::path::PathBuf>,
    ) -> Config {
        Config {
            path,
            digest,
            files,
            host: self.host,
            plugins: self.plugins.into_iter().filter_map(|(name, read)| Some((name, read.config?))).collect(),
            groups: self.groups,
            models: self.models,
            routes: self.routes.into_iter().map(|(name, read)| (name, read.config)).collect(),
            channels: self.channels.into_iter().filter_map(|(name, read)| Some((name, read.config?))).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
