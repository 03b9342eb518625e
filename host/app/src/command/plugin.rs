//! `switchhook plugin`

use std::path::Path;

use switchhook_core::catalogue::{Description, PluginSource};
use switchhook_runtime::PluginStatus;

use crate::args::PluginCommand;
use crate::command::{ask, say, word};
use crate::failure::Failure;
use crate::places::Places;
use crate::table::{Table, cell};
use crate::wiring;

pub(crate) fn plugin(
    places: impl FnOnce() -> Result<Places, Failure>,
    command: PluginCommand,
) -> Result<String, Failure> {
    match command {
        PluginCommand::List(output) => ask(places()?, async |client| {
            let plugins: Vec<PluginStatus> = client.get("plugins").await?;
            say(output, &plugins, |plugins| list(plugins))
        }),
        PluginCommand::Inspect { source, output } => {
            let host = wiring::short_lived_plugins(places().ok().as_ref())?;
            let description = host.describe(&read_source(&source)?)?;
            say(output, &description, |description| tell(&source, description))
        }
    }
}

fn read_source(text: &str) -> Result<PluginSource, Failure> {
    match text.strip_prefix("builtin:") {
        Some(name) => Ok(PluginSource::Builtin(name.to_owned())),
        None => std::path::absolute(Path::new(text))
            .map(PluginSource::File)
            .map_err(|error| Failure::other("the plugin can't be found", error)),
    }
}

fn list(plugins: &[PluginStatus]) -> String {
    let mut table = Table::new(["PLUGIN", "KIND", "VERSION", "DIGEST", "SOURCE"]);
    for plugin in plugins {
        let digest: String = plugin.digest.chars().take(12).collect();
        table.row([
            plugin.name.to_string(),
            plugin.kind.to_string(),
            cell(Some(&plugin.version), 16),
            digest,
            plugin.source.clone(),
        ]);
    }
    table.or("The config names no plugin.")
}

fn tell(source: &str, plugin: &Description) -> String {
    let joined = |words: Vec<String>| if words.is_empty() { "none".to_owned() } else { words.join(", ") };
    let content = joined(plugin.content.iter().map(word).collect());
    let groups = joined(plugin.groups.iter().map(ToString::to_string).collect());
    let capabilities = joined(plugin.capabilities.iter().map(word).collect());
    let settings = match &plugin.settings_schema {
        Some(schema) => serde_json::to_string_pretty(schema).unwrap_or_default(),
        None => "none".to_owned(),
    };
    format!(
        "{} {} ({})\n{}\n\nsource        {source}\ndigest        {}\ncontract      {}\nlooks at      {content}\n\
         asks groups   {groups}\ncapabilities  {capabilities}\nsettings      {settings}\n",
        plugin.name,
        plugin.version,
        plugin.kind,
        plugin.summary,
        plugin.digest.as_str(),
        plugin.contract,
    )
}
