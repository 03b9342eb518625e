//! The settings of plugins: merged for each channel, checked against the plugin's schema, then tried in the plugin.

use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};
use switchhook_core::catalogue::MAX_SETTINGS;
use switchhook_core::id::PluginName;

use super::channels::Channels;
use super::context::Context;
use super::json::{self, Found};
use super::node::Node;
use super::plugins::{Plugins, ReadPlugin};
use super::report::Place;
use super::routes::Routes;
use super::{schema_bounds, suggest};
use crate::config::PluginConfig;

/// Merged settings and where they stand: a channel's first, then the plugin's own.
struct Candidate<'t> {
    value: Value,
    layers: Vec<Node<'t>>,
}

/// Fills in the settings of every plugin and every channel.
pub(crate) fn apply<'t>(cx: &mut Context<'_>, channels: &mut Channels<'t>, routes: &Routes, plugins: &mut Plugins<'t>) {
    let mut candidates = BTreeMap::new();
    let mut own = BTreeMap::new();
    for (name, plugin) in plugins.iter_mut() {
        let Some(value) = own_settings(cx, plugin) else { continue };
        if let Some(config) = &mut plugin.config {
            config.settings = value.clone();
        }
        own.insert(name.clone(), value);
    }
    for (name, value) in &own {
        // Settings that every channel lays its own over may lack what the channels add.
        let mut reaching = channels.values().filter(|channel| channel.plugins(routes).contains(name)).peekable();
        let overridden =
            reaching.peek().is_some() && reaching.all(|c| c.overrides.iter().any(|(plugin, _)| plugin == name));
        if !overridden {
            let layers = plugins[name].settings.iter().cloned().collect();
            note(&mut candidates, name, Candidate { value: value.clone(), layers });
        }
    }
    for channel in channels.values_mut() {
        let reached: Vec<PluginName> = channel.plugins(routes).into_iter().cloned().collect();
        for name in reached {
            let Some(below) = own.get(&name) else { continue };
            let over = channel.overrides.iter().find(|(plugin, _)| *plugin == name).map(|(_, node)| node);
            let above = match over {
                Some(node) => json::from_node(node, &mut cx.report),
                None => Some(Value::Object(Map::new())),
            };
            let Some(above) = above else { continue };
            let value = json::merged(below.clone(), above.clone());
            if let Some(config) = &mut channel.config {
                config.overrides.extend(over.map(|_| (name.clone(), above)));
                config.settings.insert(name.clone(), value.clone());
            }
            if over.is_some() {
                let layers = over.into_iter().chain(&plugins[&name].settings).cloned().collect();
                note(&mut candidates, &name, Candidate { value, layers });
            }
        }
    }
    for (name, candidates) in candidates {
        check(cx, &name, &plugins[&name], candidates.into_values());
    }
}

type Candidates<'t> = BTreeMap<PluginName, BTreeMap<String, Candidate<'t>>>;

/// Equal settings are checked once.
fn note<'t>(candidates: &mut Candidates<'t>, name: &PluginName, candidate: Candidate<'t>) {
    candidates.entry(name.clone()).or_default().entry(candidate.value.to_string()).or_insert(candidate);
}

fn own_settings(cx: &mut Context<'_>, plugin: &ReadPlugin<'_>) -> Option<Value> {
    let Some(node) = &plugin.settings else { return Some(Value::Object(Map::new())) };
    if !node.value.is_table() {
        node.expected(&mut cx.report, "a table");
        return None;
    }
    json::from_node(node, &mut cx.report)
}

fn check<'t>(
    cx: &mut Context<'_>,
    name: &PluginName,
    plugin: &ReadPlugin<'t>,
    candidates: impl Iterator<Item = Candidate<'t>>,
) {
    let Some(config) = &plugin.config else { return };
    let schema = match config.description.settings_schema.as_ref().map(compiled).transpose() {
        Ok(schema) => schema,
        Err(reason) => {
            let help = "this is an error in the plugin: tell its author".to_owned();
            let message = format!("the plugin `{name}` has a settings schema that can't be used: {reason}");
            cx.report.add(&plugin.source_place, message, Some(help));
            return;
        }
    };
    for candidate in candidates {
        let at = Settings { name, plugin, config, candidate: &candidate };
        if at.sized(cx) && at.fits(cx, schema.as_ref()) {
            at.tried(cx);
        }
    }
}

fn compiled(schema: &Value) -> Result<Validator, String> {
    schema_bounds::check(schema).map_err(|error| error.to_string())?;
    jsonschema::validator_for(schema).map_err(|error| shortened(&error.to_string()))
}

/// One set of settings under examination.
struct Settings<'a, 't> {
    name: &'a PluginName,
    plugin: &'a ReadPlugin<'t>,
    config: &'a PluginConfig,
    candidate: &'a Candidate<'t>,
}

impl<'t> Settings<'_, 't> {
    fn sized(&self, cx: &mut Context<'_>) -> bool {
        let size = self.candidate.value.to_string().len();
        if size > MAX_SETTINGS {
            let message =
                format!("the settings of `{}` are {size} bytes of JSON; {MAX_SETTINGS} are allowed", self.name);
            let help = "let the plugin keep large data in its key-value storage, or read it over its own network grant";
            cx.report.add(&self.place(""), message, Some(help.to_owned()));
        }
        size <= MAX_SETTINGS
    }

    fn fits(&self, cx: &mut Context<'_>, schema: Option<&Validator>) -> bool {
        let Some(schema) = schema else {
            let empty = self.candidate.value.as_object().is_none_or(Map::is_empty);
            if !empty {
                let message = format!("the plugin `{}` has no settings", self.name);
                cx.report.add(&self.place(""), message, Some("leave `settings` out".to_owned()));
            }
            return empty;
        };
        let mut fits = true;
        for error in schema.iter_errors(&self.candidate.value).take(MAX_ERRORS) {
            fits = false;
            self.report(cx, &error);
        }
        fits
    }

    fn report(&self, cx: &mut Context<'_>, error: &ValidationError<'_>) {
        let pointer = error.instance_path().as_str();
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            for key in unexpected {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                let place = self.place_of(&format!("{pointer}/{escaped}"), Node::name_place);
                let help = suggest::help(key, self.siblings(error).iter().map(String::as_str));
                cx.report.add(&place, format!("the plugin `{}` has no setting `{key}`", self.name), help);
            }
            return;
        }
        let setting = pointer.trim_start_matches('/').replace('/', ".");
        let what = if setting.is_empty() { String::new() } else { format!(" `{setting}`") };
        let message = format!("setting{what} of `{}`: {}", self.name, shortened(&error.to_string()));
        let place = self.place(pointer);
        cx.report.add(&place, message, None);
    }

    /// The properties that the schema knows beside an unexpected one.
    fn siblings(&self, error: &ValidationError<'_>) -> Vec<String> {
        let schema = self.config.description.settings_schema.as_ref();
        let around = error.schema_path().as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
        let known =
            schema.and_then(|schema| schema.pointer(&format!("{around}/properties"))).and_then(Value::as_object);
        known.map(|known| known.keys().cloned().collect()).unwrap_or_default()
    }

    /// Asks the plugin itself.
    fn tried(&self, cx: &mut Context<'_>) {
        let answer = cx.sources.catalogue.configure(&self.config.source, &self.candidate.value, &self.config.limits);
        match answer {
            Ok(problems) => {
                for problem in problems.into_iter().take(MAX_ERRORS) {
                    let message =
                        format!("the plugin `{}` refuses its settings: {}", self.name, shortened(&problem.message));
                    let place = self.place(&problem.path);
                    cx.report.add(&place, message, None);
                }
            }
            Err(error) => cx.report.add(&self.plugin.source_place, error.to_string(), None),
        }
    }

    /// Where a setting stands: in the channel's layer or in the plugin's own, else the nearest place above it.
    fn place(&self, pointer: &str) -> Place {
        self.place_of(pointer, |node| node.place.clone())
    }

    fn place_of(&self, pointer: &str, of: impl Fn(&Node<'t>) -> Place) -> Place {
        let found: Vec<Found<'t>> = self.candidate.layers.iter().map(|layer| json::find(layer, pointer)).collect();
        let there = found.iter().find_map(|found| match found {
            Found::There(node) => Some(of(node)),
            Found::Towards(_) => None,
        });
        let towards = found.into_iter().find_map(|found| match found {
            Found::Towards(place) => Some(place),
            Found::There(_) => None,
        });
        there.or(towards).unwrap_or_else(|| self.plugin.place.clone())
    }
}

/// More errors than this of one plugin help nobody.
const MAX_ERRORS: usize = 20;

/// What others wrote, cut to a length that fits a message.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 300;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
