//! `switchhook check`

use serde::Serialize;
use switchhook_config::{Config, ConfigErrors, Problem, ProcessSecrets, Sources};

use crate::args::Output;
use crate::command::say;
use crate::failure::Failure;
use crate::places::Places;
use crate::wiring::{self, Connectors};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Checked {
    config: String,
    ok: bool,
    problems: Vec<Problem>,
}

pub(crate) fn check(places: &Places, output: Output) -> Result<String, Failure> {
    let plugins = wiring::short_lived_plugins(Some(places))?;
    let connectors = Connectors::for_checking();
    let sources = Sources { catalogue: &plugins, kinds: &connectors.kinds, secrets: &ProcessSecrets };
    match switchhook_config::load(&places.config, &sources) {
        Ok(config) => say(output, &checked(places, &[]), |_| summary(places, &config)),
        Err(errors) if output.json => Err(Failure::ConfigTold { text: told(places, output, &errors)? }),
        Err(errors) => Err(errors.into()),
    }
}

fn told(places: &Places, output: Output, errors: &ConfigErrors) -> Result<String, Failure> {
    say(output, &checked(places, errors.problems()), |_| String::new())
}

fn checked(places: &Places, problems: &[Problem]) -> Checked {
    Checked { config: places.config.display().to_string(), ok: problems.is_empty(), problems: problems.to_vec() }
}

fn summary(places: &Places, config: &Config) -> String {
    let counts = [
        count(config.channels.len(), "channel"),
        count(config.routes.len(), "route"),
        count(config.plugins.len(), "plugin"),
        count(config.models.len(), "model"),
        count(config.groups.len(), "group"),
    ];
    format!("{} is in order: {}.\n", places.config.display(), counts.join(", "))
}

fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}
