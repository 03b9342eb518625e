//! The examples in `config/` are sound, as they stand and with everything in them uncommented.

use std::path::Path;

use serde_json::Value;

use crate::fakes::World;
use crate::{Config, schema};

fn world() -> World {
    let mut world = World::new();
    for (name, value) in
        [("TELEGRAM_BOT_TOKEN", "42:abc"), ("ALICE_LINK", "a-long-random-text"), ("MODEL_API_KEY", "x")]
    {
        world.secrets.set(name, value);
    }
    world
}

fn read(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn check(name: &str) -> Config {
    let text = read(name);
    fits_schema(&text);
    world().config(&text)
}

fn fits_schema(text: &str) {
    let schema = schema(world().kinds());
    let value: Value = toml::from_str(text).unwrap();
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_small_examples_are_sound() {
    check("telegram-assistant.toml");
    check("two-channels.toml");
    check("whatsapp-assistant.toml");
}

/// The first run needs no account, no model and no secret.
#[test]
fn the_first_run_needs_nothing() {
    let config = World::new().config(&read("switchhook.toml"));
    assert_eq!(config.channels["chat"].kind, "web");
    fits_schema(&read("switchhook.toml"));
}

/// What stands in comments is a config, too: a line that begins with `# ` and is no prose.
#[test]
fn the_comments_of_the_first_config_are_sound_when_uncommented() {
    let text = read("switchhook.toml");
    let is_toml = |line: &str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| is_key(key));
    let uncommented = |line: &str| match line.strip_prefix("# ").filter(|rest| is_toml(rest)) {
        Some(rest) => rest.to_owned(),
        None => line.to_owned(),
    };
    let text = text.lines().map(uncommented).collect::<Vec<_>>().join("\n");
    fits_schema(&text);
    let config = world().config(&text);
    assert!(config.channels.contains_key("me-on-telegram"), "the comments were not read");
    assert!(config.plugins.contains_key("router") && config.models.contains_key("main"));
}

fn is_key(text: &str) -> bool {
    let key = text.trim_end();
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
