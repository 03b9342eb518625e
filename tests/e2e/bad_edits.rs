//! A bad edit leaves everything as it was, and says what is wrong and where.

use serde_json::Value;

use crate::harness::{World, assistant_config};

/// Saves a bad config, and checks that it is refused with this said, and that the host goes on as before.
async fn refused(world: &World, config: &str, said: &[&str]) -> Value {
    let before = world.host.attempts().await;
    let generation = world.host.generation().await;
    world.write_config(config);
    let attempt = world.host.attempted(before, "rejected").await;
    let rendered = attempt["rendered"].as_str().expect("the errors are rendered").to_owned();
    for part in said {
        assert!(rendered.contains(part), "{part:?} is missing:\n{rendered}");
    }
    assert_eq!(world.host.generation().await, generation, "the generation stays");
    let log = world.host.log_text();
    assert!(said.iter().all(|part| log.contains(part)), "the log says so, too");
    attempt
}

async fn still_answers(world: &World, n: usize) {
    world.telegram.write(4242, 1001, &format!("still {n}")).await;
    assert_eq!(world.telegram.nth_to(1001, n).await, format!("echo: still {n}"));
}

/// A7, F3: every kind of mistake in the text, one after the other; the next good edit applies.
#[tokio::test]
async fn bad_config_text_changes_nothing() {
    let good = assistant_config("\"tg:1001\"");
    let world = World::with(&good).await;
    let with = |from: &str, to: &str| good.replace(from, to);
    refused(&world, &with("route = \"personal\"", "rout = \"personal\""), &["rout", "did you mean"]).await;
    refused(&world, &with("send_limits = \"off\"", "send_limits = 3"), &["send_limits"]).await;
    refused(&world, &with("policies = [\"allowlist\"]", "policies = [\"alowlist\"]"), &["alowlist", "allowlist"]).await;
    refused(&world, &with("file = \"bot.token\"", "file = \"gone.token\""), &["gone.token"]).await;
    refused(&world, &with("file = \"bot.token\"", "env = \"NOT_SET_ANYWHERE\""), &["NOT_SET_ANYWHERE"]).await;
    refused(&world, &with("history = 4", "history = \"four\""), &["history"]).await;
    refused(&world, &with("history = 4", "histori = 4"), &["histori"]).await;
    still_answers(&world, 1).await;
    let before = world.host.attempts().await;
    world.write_config(&with("You are helpful.", "You are kind."));
    world.host.attempted(before, "applied").await;
    still_answers(&world, 2).await;
}

/// A7: all mistakes are told at once, each with its place.
#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    let good = assistant_config("\"tg:1001\"");
    let world = World::with(&good).await;
    let bad = good.replace("send_limits = \"off\"", "send_limitz = \"off\"").replace("\"commands\"]", "\"comands\"]");
    let attempt = refused(&world, &bad, &["send_limitz", "comands"]).await;
    let problems = attempt["problems"].as_array().expect("problems");
    assert!(problems.len() >= 2, "{problems:?}");
    assert!(problems.iter().all(|p| p["line"].as_u64() > Some(0)), "{problems:?}");
}

/// The same component, as if it were built against a contract of years to come.
fn of_another_contract(component: &[u8]) -> Vec<u8> {
    let (ours, theirs) = (b"@0.1.0", b"@0.9.0");
    let mut bytes = component.to_vec();
    for at in 0..bytes.len() - ours.len() {
        // Only our own package: those of WASI end in other versions.
        if bytes[at..].starts_with(ours) {
            bytes[at..at + ours.len()].copy_from_slice(theirs);
        }
    }
    bytes
}

/// F3: a plugin file that is no plugin, one that is cut off, and one of another contract.
#[tokio::test]
async fn bad_plugin_file_changes_nothing() {
    let mut world = World::empty();
    let component = switchhook_builtin::component("commands").expect("a builtin plugin");
    std::fs::write(world.path("extra.wasm"), component).expect("the plugin");
    let config = assistant_config("\"tg:1001\"").replace("source = \"builtin:commands\"", "source = \"extra.wasm\"");
    world.write_config(&config);
    world.host.start().await;
    let foreign = of_another_contract(component);
    let half = &component[..component.len() / 2];
    let bad: [(&[u8], &str); 4] = [
        (half, "extra.wasm"),
        (b"\0asm\x01\0\0\0", "extra.wasm"),
        (b"no component at all", "extra.wasm"),
        (&foreign, "0.9"),
    ];
    for (bad, said) in bad {
        let before = world.host.attempts().await;
        std::fs::write(world.path("extra.new"), bad).expect("the bad plugin");
        std::fs::rename(world.path("extra.new"), world.path("extra.wasm")).expect("renamed");
        let attempt = world.host.attempted(before, "rejected").await;
        let rendered = attempt["rendered"].as_str().expect("rendered");
        assert!(rendered.contains("extra.wasm") && rendered.contains(said), "{rendered}");
        assert!(world.host.log_text().contains(said), "the log says so, too");
    }
    still_answers(&world, 1).await;
    let before = world.host.attempts().await;
    let guide = switchhook_builtin::component("guide").expect("a builtin plugin");
    std::fs::write(world.path("extra.new"), guide).expect("the plugin");
    std::fs::rename(world.path("extra.new"), world.path("extra.wasm")).expect("renamed");
    world.host.attempted(before, "applied").await;
}

/// A7: `check` says the same without starting anything, with an exit code for scripts.
#[tokio::test]
async fn check_says_the_same_without_starting() {
    let world = World::empty();
    world.write_config(&assistant_config("\"tg:1001\""));
    let good = world.host.cli(&["check"]);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    world.write_config(&assistant_config("\"tg:1001\"").replace("kind = \"telegram\"", "kind = \"telegran\""));
    let bad = world.host.cli(&["check"]);
    assert_eq!(bad.status.code(), Some(3));
    let said = String::from_utf8_lossy(&bad.stderr);
    assert!(said.contains("telegran") && said.contains("telegram"), "{said}");
}

/// A7: a host without a channel starts.
#[tokio::test]
async fn host_without_channels_starts() {
    let world = World::with("").await;
    assert_eq!(world.host.status().await["channels"].as_array().map(Vec::len), Some(0));
}

/// A8: with `log = "json"` every line is one JSON object, for a log collector.
#[tokio::test]
async fn json_log_is_one_object_a_line() {
    let mut world = World::empty();
    let text = world.filled(&assistant_config("\"tg:1001\"")).replace("[host]\n", "[host]\nlog = \"json\"\n");
    std::fs::write(&world.host.config, text).expect("the config is written");
    world.host.start().await;
    still_answers(&world, 1).await;
    let log = world.host.log_text();
    assert!(log.lines().count() > 1, "something was logged");
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(entry["level"].is_string() && entry["timestamp"].is_string(), "{line}");
    }
}
