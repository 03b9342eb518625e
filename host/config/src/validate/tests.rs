//! Configs as people write them, and the errors they are told.

mod rules;
mod whole;

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use switchhook_core::catalogue::{Capability, CatalogueError, PluginSource};
use switchhook_core::id::GroupName;
use switchhook_core::person::PersonId;

use crate::fakes::{FakeCatalogue, PATH, WHOLE, World, requiring, world};
use crate::*;

fn rendered(world: &World, text: &str) -> String {
    world.errors(text).render(Color::Never)
}

/// The messages for a text that is wrong in one way.
fn messages(world: &World, text: &str) -> Vec<String> {
    world.errors(text).problems().iter().map(|p| format!("{}: {}", p.key, p.message)).collect()
}

fn check(text: &str, expect: &[&str]) {
    assert_eq!(messages(&world(), text), expect, "in {text}");
}

/// `WHOLE` with one part replaced.
fn edited(from: &str, to: &str) -> String {
    assert!(WHOLE.contains(from), "{from}");
    WHOLE.replacen(from, to, 1)
}

fn person(prefix: &str, own: &str) -> PersonId {
    PersonId::new(prefix, own)
}

/// A7: the host starts with no channel configured.
#[test]
fn an_empty_config_is_sound_and_has_every_default() {
    let config = World::new().config("");
    assert_eq!(config.host.data_dir.to_str(), Some("/etc/switchhook/data"));
    assert_eq!(config.host.keys_dir.to_str(), Some("/etc/switchhook/keys"));
    assert_eq!(config.host.listen.to_string(), "127.0.0.1:18789");
    assert_eq!(config.host.max_age, Duration::from_secs(86_400));
    assert_eq!(config.host.drain, Duration::from_secs(20));
    assert_eq!((config.host.durability, config.host.log), (Durability::Power, LogFormat::Pretty));
    assert_eq!(config.files, [std::path::Path::new(PATH)]);
    assert!(config.channels.is_empty());
}

#[test]
fn the_whole_of_a_config_is_read() {
    let world = world();
    let config = world.config(WHOLE);
    let channel = &config.channels["me"];
    assert_eq!(channel.account.as_str(), "telegram:42");
    assert_eq!(channel.connector.secret("token").unwrap().expose_secret(), "42:abc");
    let people = channel.allow_from.as_ref().unwrap();
    assert_eq!(people.len(), 3);
    assert!(people.contains(&person("tg", "12345")) && people.contains(&person("tg", "1")));
    assert_eq!(channel.settings["assistant"], json!({"system": "Be kind.", "history": 50}));
    assert_eq!(config.plugins["assistant"].settings, json!({"system": "Be kind.", "history": 20}));
    let allowlist = &config.plugins["allowlist"];
    assert_eq!(allowlist.limits.deadline, Duration::from_millis(50));
    assert_eq!(config.plugins["assistant"].limits.deadline, Duration::from_secs(1));
    assert_eq!(allowlist.limits.memory, 64 << 20);
    assert_eq!(allowlist.on_failure, OnFailure::Hold);
    assert_eq!(config.models["main"].timeout, Duration::from_secs(30));
    assert_eq!(config.routes["personal"].while_busy, WhileBusy::Queue);
    // A builtin that a route names needs no table of its own.
    assert_eq!(config.plugins["commands"].source, PluginSource::Builtin("commands".to_owned()));
}

#[test]
fn every_distinct_setting_is_tried_once() {
    let world = world();
    let text = format!("{WHOLE}\n[channels.web]\nkind = \"web\"\nroute = \"personal\"\nallow_from = []\n");
    world.config(&text);
    let asked = world.catalogue.asked.lock().unwrap();
    let mut assistant: Vec<String> =
        asked.iter().filter(|(name, _)| name == "builtin:assistant").map(|(_, s)| s["history"].to_string()).collect();
    assistant.sort();
    assert_eq!(assistant, ["20", "50"]);
}

#[test]
fn settings_that_every_channel_completes_may_be_incomplete() {
    let mut world = world();
    world.catalogue.add("builtin:partial", FakeCatalogue::with_schema("partial", &requiring("limit")));
    let text = |settings: &str| {
        let route = edited("policies = [\"allowlist\"]", "policies = [\"allowlist\", \"partial\"]");
        route.replace("settings = { assistant", &format!("settings = {{ {settings} assistant"))
    };
    let config = world.config(&text("partial = { limit = 3 },"));
    assert_eq!(config.channels["me"].settings["partial"], json!({"limit": 3}));
    let errors = messages(&world, &text(""));
    assert_eq!(errors, ["routes.personal.policies: setting of `partial`: \"limit\" is a required property"]);
}

/// A7, F3
#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    let text = edited("policies = [\"allowlist\"]", "polices = [\"allowlist\"]").replace("[host]", "[hots]");
    insta::assert_snapshot!(rendered(&world(), &text));
}

/// F3
#[test]
fn wrong_types_are_refused() {
    let text = r#"
[host]
listen = 18789
max_age = 24
durability = "paper"

[plugins.allowlist]
source = ["builtin:allowlist"]
limits = { memory = "64 MiB", deadline = "90s", host_calls = "many" }

[[groups.family]]
members = []

[models.main]
base_url = "127.0.0.1:11434"
model = ""
concurrency = 0

[routes.a]
policies = "allowlist"

[channels.web]
kind = "web"
route = "a"
open = "yes"
allow_from = [12345]
"#;
    insta::assert_snapshot!(rendered(&world(), text));
}

/// F3
#[test]
fn dangling_names_are_refused() {
    let text = r#"
[models.main]
base_url = "http://127.0.0.1:1/v1"
model = "m"
fallback = ["mane"]

[groups.friends]
members = ["group:famly"]

[groups.family]
members = []

[routes.personal]
policies = ["alowlist"]
prompt = "assistnat"
model = "mian"

[channels.web]
kind = "wep"
route = "personnal"
routes = ["office"]
allow_from = ["group:freinds"]
settings = { asistant = { history = 1 } }
"#;
    insta::assert_snapshot!(rendered(&world(), text));
}

/// A8, F3
#[test]
fn missing_secrets_are_refused() {
    let text = r#"
[models.main]
base_url = "http://127.0.0.1:1/v1"
model = "m"
api_key = { file = "secrets/model" }

[routes.a]

[channels.me]
kind = "telegram"
token = { env = "NO_SUCH_TOKEN" }
route = "a"
open = true

[channels.web]
kind = "web"
route = "a"
open = true
visitors = { alice = { }, bob = { env = "TOKEN", file = "bob" } }
"#;
    let errors = world().errors(text);
    let secret = std::path::PathBuf::from("/etc/switchhook/secrets/model");
    assert!(errors.files().contains(&secret), "a secret file that does not exist is watched");
    insta::assert_snapshot!(errors.render(Color::Never));
}

/// A8: and no message shows the secret.
#[test]
fn literal_secrets_are_refused_and_never_shown() {
    let text = r#"
[models.main]
base_url = "http://me:hunter2@127.0.0.1:1/v1"
model = "m"
api_key = "hunter2"

[routes.a]

[channels.me]
kind = "telegram"
token = "42:hunter2"
route = "a"
open = true

[channels.other]
kind = "telegram"
tokne = "42:hunter2"
route = "a"
open = true

[channels.web]
kind = "web"
route = "a"
open = true
visitors = { alice = "hunter2" }
"#;
    let shown = rendered(&world(), text);
    assert!(!shown.contains("hunter2"), "{shown}");
    insta::assert_snapshot!(shown);
    for broken in ["token = \"42:hunter2", "token = \"42:hunter2\" x", "[a\ntoken = 'hunter2'", "token = hunter2'"] {
        let shown = rendered(&world(), broken);
        assert!(broken.ends_with("= hunter2'") || !shown.contains("hunter2"), "{shown}");
    }
}

/// F3
#[test]
fn settings_against_the_schema_are_refused() {
    let text = edited("history = 20", "history = \"many\", temprature = 1").replace("history = 50", "history = -1");
    insta::assert_snapshot!(rendered(&world(), &text));
}

/// F3
#[test]
fn settings_refused_by_configure_are_shown_where_they_stand() {
    let text = edited("Be kind.", "This is refused.");
    insta::assert_snapshot!(rendered(&world(), &text));
}

/// F3
#[test]
fn people_who_can_not_be_are_refused() {
    let text = edited("\"12345\", ", "\"+12\", \"TG:1\", \"two words\", \"\", ").replace("\"tg:1\"", "\"12345\"");
    insta::assert_snapshot!(rendered(&world(), &text));
}

/// F3
#[test]
fn plugins_that_can_not_run_are_shown_at_their_source() {
    let mut world = world();
    let source_name = || "/etc/switchhook/plugins/cut.wasm".to_owned();
    let reason = || "unexpected end of file".to_owned();
    world.catalogue.fail(&source_name(), CatalogueError::NotAPlugin { source_name: source_name(), reason: reason() });
    let failed =
        CatalogueError::Failed { source_name: "traps.wasm".to_owned(), function: "describe", reason: reason() };
    world.catalogue.fail("/etc/switchhook/traps.wasm", failed);
    let contract = CatalogueError::Contract {
        source_name: "old.wasm".to_owned(),
        found: "0.0".to_owned(),
        supported: "0.1".to_owned(),
    };
    world.catalogue.fail("/etc/switchhook/old.wasm", contract);
    let text = r#"
[plugins]
missing.source = "plugins/missing.wasm"
cut.source = "plugins/cut.wasm"
traps.source = "./plugins/../traps.wasm"
old.source = "/etc/switchhook/old.wasm"
typo.source = "builtin:alowlist"

[routes.a]
policies = ["cut"]

[channels.web]
kind = "web"
route = "a"
"#;
    let errors = world.errors(text);
    assert!(errors.files().contains(&source_name().into()));
    insta::assert_snapshot!(errors.render(Color::Never));
}

/// F3: every error at once, each with its place.
#[test]
fn several_errors_come_at_once_in_the_order_of_the_text() {
    let text = edited("data_dir = \"data\"", "data_dir = \"data\"\nkeys_dir = \"data/keys\"")
        .replace("model = \"main\"\n", "")
        .replace("env = \"TOKEN\"", "env = \"NO_TOKEN\"")
        .replace("[groups.family]", "[groups.allow_from]");
    let errors = world().errors(&text);
    let lines: Vec<usize> = errors.problems().iter().map(|p| p.line).collect();
    assert!(lines.is_sorted() && lines.len() >= 4, "{lines:?}");
    insta::assert_snapshot!(errors.render(Color::Never));
}

#[test]
fn after_a_syntax_error_there_is_only_that_one() {
    let text = format!("{}\nunknown = 1\nx = = 2\n", WHOLE);
    insta::assert_snapshot!(rendered(&world(), &text));
    let twice = rendered(&world(), "[host]\nlog = \"json\"\nlog = \"pretty\"\n");
    insta::assert_snapshot!(twice);
}

#[test]
fn problems_have_lines_columns_and_keys_for_scripts() {
    let errors = world().errors("[host]\n  lisen = 1\n");
    let json = serde_json::to_value(errors.problems()).unwrap();
    assert_eq!(
        json,
        json!([{
            "message": "`host` has no key `lisen`",
            "help": "did you mean `listen`?",
            "line": 2,
            "column": 3,
            "key": "host.lisen",
        }])
    );
    assert_eq!(errors.to_string(), format!("{PATH}:2:3: `host` has no key `lisen`"));
}

#[test]
fn a_file_that_can_not_be_read_is_named() {
    let world = world();
    let sources = Sources { catalogue: &world.catalogue, kinds: world.kinds(), secrets: &world.secrets };
    let errors = load(std::path::Path::new("/no/such/file.toml"), &sources).unwrap_err();
    assert!(errors.to_string().contains("/no/such/file.toml"), "{errors}");
    assert_eq!(errors.files(), [std::path::Path::new("/no/such/file.toml")]);
    assert!(errors.render(Color::Never).contains("--config"));
}
