use std::time::Duration;

use proptest::prelude::*;
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

#[test]
fn a_plugin_of_the_wrong_kind_is_refused() {
    let text = edited("policies = [\"allowlist\"]", "policies = [\"allowlist\", \"commands\"]");
    check(&text, &["routes.personal.policies: `commands` is a reply plugin, and this is the place of a policy plugin"]);
}

#[test]
fn a_plugin_named_twice_is_refused() {
    let text = edited("policies = [\"allowlist\"]", "policies = [\"allowlist\", \"allowlist\"]");
    check(&text, &["routes.personal.policies: `allowlist` is named twice"]);
}

#[test]
fn a_prompt_needs_a_model_and_a_model_a_prompt() {
    let text = edited("prompt = \"assistant\"\n", "").replace("settings = { assistant = { history = 50 } }", "");
    check(&text, &["routes.personal.model: this route has a model and no prompt to ask it with"]);
    let text = edited("model = \"main\"\n", "");
    check(&text, &["routes.personal.prompt: this route has a prompt and no model to ask"]);
}

#[test]
fn a_channel_without_policies_must_say_that_it_is_open() {
    let text = "[routes.a]\n[channels.w]\nkind = \"web\"\nroute = \"a\"\n";
    check(text, &["channels.w.route: `w` would let everybody in: its route `a` has no policies"]);
    world().config(&format!("{text}open = true\n"));
}

#[test]
fn allow_from_that_nobody_asks_for_is_refused() {
    let text =
        "[routes.a]\npolicies = [\"router\"]\n[channels.w]\nkind = \"web\"\nroute = \"a\"\nallow_from = [\"x\"]\n";
    let expect =
        "channels.w.allow_from: `allow_from` keeps nobody out here: no policy of this channel's routes asks for it";
    check(text, &[expect]);
    // Another route that a policy may pick is reason enough.
    world().config(&format!("{text}routes = [\"b\"]\n[routes.b]\npolicies = [\"allowlist\"]\n"));
}

#[test]
fn groups_that_plugins_ask_for_must_exist() {
    let text = edited("allow_from = [\"12345\", \"group:family\"]\n", "");
    check(&text, &["channels.me: the plugin `allowlist` asks who is in `allow_from`, and this channel has none"]);
    let mut world = world();
    world.catalogue.edit("builtin:router", |d| d.groups = vec![GroupName::new("staff").unwrap()]);
    let text = edited("policies = [\"allowlist\"]", "policies = [\"allowlist\", \"router\"]");
    let expect = "routes.personal.policies: the plugin `router` asks who is in the group `staff`, which is not defined";
    assert_eq!(messages(&world, &text), [expect]);
    world.config(&format!("{text}\n[groups.staff]\nmembers = []\n"));
}

#[test]
fn settings_for_a_plugin_out_of_reach_are_refused() {
    let text = edited("settings = { assistant", "settings = { guide = {}, assistant");
    check(&text, &["channels.me.settings.guide: there is no plugin `guide`"]);
    let text = format!("{text}[plugins.guide]\nsource = \"builtin:guide\"\n");
    check(&text, &["channels.me.settings.guide: no route of this channel uses the plugin `guide`"]);
}

#[test]
fn capabilities_must_be_granted() {
    let mut world = world();
    world.catalogue.edit("builtin:assistant", |d| d.capabilities = [Capability::Http, Capability::Attachments].into());
    let expect = [
        "plugins.assistant.source: the plugin `assistant` asks for attachments, which it is not granted",
        "plugins.assistant.source: the plugin `assistant` asks for the network, which it is not granted",
    ];
    assert_eq!(messages(&world, WHOLE), expect);
    let grants = "source = \"builtin:assistant\"\ngrants = { attachments = true, http = [\"https://example.com\"] }";
    world.config(&edited("source = \"builtin:assistant\"", grants));
    let path = grants.replace("example.com", "example.com/v1");
    let text = edited("source = \"builtin:assistant\"", &path);
    assert!(messages(&world, &text)[0].ends_with("\"https://example.com/v1\" is no host"));
}

#[test]
fn a_policy_never_fails_open() {
    let text = edited("source = \"builtin:allowlist\"", "source = \"builtin:allowlist\"\non_failure = \"skip\"");
    check(
        &text,
        &["plugins.allowlist.on_failure: a policy that fails lets nothing through: its messages are always held"],
    );
}

#[test]
fn two_running_channels_never_share_an_account() {
    let second =
        "\n[channels.again]\nkind = \"telegram\"\ntoken = { env = \"TOKEN\" }\nroute = \"personal\"\nallow_from = []\n";
    let text = format!("{WHOLE}{second}");
    check(&text, &["channels.again: the channels `me` and `again` serve the same account `telegram:42`"]);
    world().config(&format!("{text}enabled = false\n"));
}

#[test]
fn what_the_kind_says_of_a_value_is_shown_at_its_key() {
    let mut world = world();
    world.secrets.set("TOKEN", "no colon");
    let expect = "channels.me.token: `token`: it must be the bot's number, a colon and a key";
    assert_eq!(messages(&world, WHOLE), [expect]);
}

#[test]
fn keys_of_a_kind_are_checked() {
    let text = edited(
        "route = \"personal\"",
        "route = \"personal\"\nretries = 10\nquiet = 1\napi_url = \"x\"\npoll_timeout = \"1\"",
    );
    let expect = [
        "channels.me.retries: `channels.me.retries` must be from 0 to 9",
        "channels.me.quiet: `channels.me.quiet` must be true or false, not a whole number",
        "channels.me.api_url: \"x\" is no URL",
        "channels.me.poll_timeout: \"1\" is no length of time",
    ];
    check(&text, &expect);
    let text = edited("token = { env = \"TOKEN\" }\n", "title = \"x\"\n");
    let expect = [
        "channels.me: `channels.me` lacks `token`, which a telegram channel must have",
        "channels.me.title: `channels.me` has no key `title`",
    ];
    check(&text, &expect);
}

#[test]
fn groups_nest_and_never_in_a_circle() {
    let config = world().config("[groups.a]\nmembers = [\"group:b\", \"tg:1\"]\n[groups.b]\nmembers = [\"tg:2\"]\n");
    assert_eq!(config.groups["a"].len(), 2);
    let text = "[groups.a]\nmembers = [\"group:b\"]\n[groups.b]\nmembers = [\"group:a\"]\n[groups.c]\nmembers = [\"group:c\"]\n";
    let expect = [
        "groups.b.members: the group `a` contains itself: a → b → a",
        "groups.c.members: the group `c` contains itself: c → c",
    ];
    check(text, &expect);
}

#[test]
fn models_never_fall_back_on_themselves() {
    let model = |name: &str, fallback: &str| {
        format!("[models.{name}]\nbase_url = \"http://x/v1\"\nmodel = \"m\"\nfallback = [\"{fallback}\"]\n")
    };
    let text = format!("{}{}", model("a", "b"), model("b", "a"));
    check(&text, &["models.b.fallback: the model `a` falls back on itself: a → b → a"]);
}

#[test]
fn settings_have_a_largest_size() {
    let mut world = world();
    world.catalogue.add("builtin:big", FakeCatalogue::with_schema("big", &json!({"type": "object"})));
    let text = |length: usize| {
        format!("[plugins.big]\nsource = \"builtin:big\"\nsettings = {{ a = \"{}\" }}\n", "x".repeat(length))
    };
    world.config(&text(65_000));
    let expect = "plugins.big.settings: the settings of `big` are 65544 bytes of JSON; 65536 are allowed";
    assert_eq!(messages(&world, &text(65_536)), [expect]);
}

#[test]
fn settings_for_a_plugin_without_any_are_refused() {
    let mut world = world();
    world.catalogue.add("builtin:plain", FakeCatalogue::policy("plain"));
    let text = "[plugins.plain]\nsource = \"builtin:plain\"\nsettings = { a = 1 }\n";
    assert_eq!(messages(&world, text), ["plugins.plain.settings: the plugin `plain` has no settings"]);
    world.config(&text.replace("a = 1", ""));
}

/// A plugin's schema is evaluated by the host: it must not hurt it.
#[test]
fn a_schema_that_never_ends_is_refused() {
    let mut world = world();
    world.catalogue.add("builtin:loop", FakeCatalogue::with_schema("loop", &json!({"$ref": "#"})));
    let text = "[plugins.loop]\nsource = \"builtin:loop\"\nsettings = { a = 1 }\n";
    let expect = "plugins.loop.source: the plugin `loop` has a settings schema that can't be used: \
                  its references go round in a circle at `#`";
    assert_eq!(messages(&world, text), [expect]);
}

#[test]
fn settings_are_json() {
    let text = edited("history = 20", "a = 1979-05-27, b = [inf], c = { d = nan }");
    let expect = [
        "plugins.assistant.settings.a: plugins take JSON, which has no dates",
        "plugins.assistant.settings.b: plugins take no infinite and no undefined numbers",
        "plugins.assistant.settings.c.d: plugins take no infinite and no undefined numbers",
    ];
    check(&text, &expect);
}

#[test]
fn the_digest_covers_text_secrets_and_plugins() {
    let digest = |world: &World, text: &str| world.config(text).digest;
    let first = digest(&world(), WHOLE);
    assert_eq!(digest(&world(), WHOLE), first);
    assert_ne!(digest(&world(), &format!("{WHOLE}\n# a comment")), first);
    let mut other = world();
    other.secrets.set("TOKEN", "42:other");
    assert_ne!(digest(&other, WHOLE), first);
    let mut other = world();
    other.catalogue.edit("builtin:commands", |d| d.digest = switchhook_core::id::Digest::from_hex("ff"));
    assert_ne!(digest(&other, WHOLE), first);
}

#[test]
fn identity_and_tuning_are_told_apart() {
    let digests = |world: &World, text: &str| {
        let channel = world.config(text).channels["me"].clone();
        (channel.identity, channel.tuning)
    };
    let (identity, tuning) = digests(&world(), WHOLE);
    let (same, other) = digests(&world(), &edited("route = \"personal\"", "route = \"personal\"\nretries = 3"));
    assert!(same == identity && other != tuning);
    let mut changed = world();
    changed.secrets.set("TOKEN", "42:other");
    let (other, same) = digests(&changed, WHOLE);
    assert!(other != identity && same == tuning);
}

#[test]
fn files_to_watch_are_the_config_plugins_and_secrets() {
    let mut world = world();
    world.catalogue.add("/etc/switchhook/p.wasm", FakeCatalogue::policy("p"));
    world.secrets.files.insert("/etc/switchhook/token".to_owned(), b"7:x".to_vec());
    let text = edited("{ env = \"TOKEN\" }", "{ file = \"token\" }") + "[plugins.p]\nsource = \"p.wasm\"\n";
    let files = world.config(&text).files;
    let names: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    assert_eq!(names, ["/etc/switchhook/p.wasm", PATH, "/etc/switchhook/token"]);
}

#[test]
fn deep_nesting_and_long_lists_end() {
    let mut texts = vec![format!("a = {}", "[".repeat(5_000)), format!("a = {}", "{b=".repeat(5_000))];
    texts.push(format!("[{}a]", "a.".repeat(5_000)));
    texts.push(format!("plugins.x.settings.{}a = 1", "a.".repeat(5_000)));
    for text in texts {
        world().errors(&text);
    }
    let bad = "\"x x\",\n".repeat(20_000);
    assert_eq!(world().errors(&format!("[groups.a]\nmembers = [{bad}]\n")).problems().len(), 20_000);
    let good: String = (0..20_000).map(|n| format!("\"tg:{n}\",\n")).collect();
    assert_eq!(world().config(&format!("[groups.a]\nmembers = [{good}]\n")).groups["a"].len(), 20_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_validation_panic(text in "\\PC{0,200}") {
        if let Err(errors) = world().validate(&text) {
            prop_assert!(!errors.render(Color::Always).is_empty());
        }
    }

    /// Close to a sound config, where most of the code is.
    #[test]
    fn no_mutation_makes_validation_panic(
        at in 0..WHOLE.len(), length in 0usize..40,
        put in prop::sample::select(vec!["", "\"", "=", "[", "]", "{", "[[", "1", "x = 1\n", "[channels.y]\n", "ä", "\u{0}", "group:family", "-5"]),
    ) {
        let end = (at + length).min(WHOLE.len());
        let text = format!("{}{put}{}", &WHOLE[..at], &WHOLE[end..]);
        if let Err(errors) = world().validate(&text) {
            prop_assert!(!errors.problems().is_empty());
            prop_assert!(!errors.render(Color::Never).is_empty());
        }
    }
}
