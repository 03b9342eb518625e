mod any_two;

use proptest::prelude::*;
use switchhook_core::id::Digest;

use super::*;
use crate::fakes::{WHOLE, World, world};

/// What a plan does besides keeping, in words.
fn steps(plan: &Plan) -> Vec<String> {
    let changes = plan.changes.iter().filter(|change| change.step != Step::Keep);
    changes.map(|c| format!("{} {}: {:?}, {}", c.subject, c.name, c.step, c.reason)).collect()
}

/// An edit of `WHOLE`: each part by another.
fn edit(parts: &[(&str, &str)]) -> String {
    parts.iter().fold(WHOLE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

fn check_in(new: &World, parts: &[(&str, &str)], expect: &[&str]) {
    let old = world().config(WHOLE);
    let plan = plan(Some(&old), &new.config(&edit(parts)));
    assert_eq!(steps(&plan), expect, "for {parts:?}");
}

fn check(parts: &[(&str, &str)], expect: &[&str]) {
    check_in(&world(), parts, expect);
}

#[test]
fn startup_adds_everything() {
    let plan = plan(None, &world().config(WHOLE));
    let subjects: Vec<String> = plan.changes.iter().map(|c| format!("{} {}", c.subject, c.name)).collect();
    let expect = [
        "host host",
        "plugin allowlist",
        "plugin assistant",
        "plugin commands",
        "group family",
        "model main",
        "route personal",
        "channel me",
    ];
    assert_eq!(subjects, expect);
    assert!(plan.changes.iter().all(|change| change.step == Step::Add));
}

#[test]
fn a_comment_keeps_everything() {
    check(&[("[host]", "# a comment\n[host]")], &[]);
}

/// F2: nothing but a channel's own identity restarts it.
#[test]
fn what_lies_behind_a_channel_never_touches_it() {
    check(&[("Be kind.", "Be brief.")], &["plugin assistant: Update, settings changed"]);
    check(
        &[("source = \"builtin:assistant\"", "source = \"builtin:assistant\"\nlimits = { deadline = \"2s\" }")],
        &["plugin assistant: Update, limits changed"],
    );
    check(&[("\"tg:1\"", "\"tg:2\", \"tg:3\"")], &["group family: Update, members: 2 added, 1 removed"]);
    check(
        &[("model = \"llama3.2\"", "model = \"llama4\"\nconcurrency = 2\nstream = false")],
        &["model main: Update, model: llama3.2 → llama4; concurrency: 8 → 2; stream: true → false"],
    );
    check(
        &[("replies = [\"commands\"]", "replies = [\"commands\", \"guide\"]\nwhile_busy = \"merge\"")],
        &["plugin guide: Add, new", "route personal: Update, replies changed; while_busy changed"],
    );
}

/// F2
#[test]
fn other_code_of_a_plugin_is_swapped() {
    let mut new = world();
    new.catalogue.edit("builtin:assistant", |d| {
        d.digest = Digest::from_hex("f".repeat(64));
        d.version = "0.2.0".to_owned();
    });
    let expect = "plugin assistant: Swap, code changed: 0.1.0 (assistant000) → 0.2.0 (ffffffffffff)";
    check_in(&new, &[], &[expect]);
}

#[test]
fn a_channels_own_table_is_updated_in_place() {
    check(&[("[\"12345\",", "[\"1\", \"2\",")], &["channel me: Update, allow_from: 2 added, 1 removed"]);
    check(&[("[\"12345\", \"group:family\"]", "[\"12345\"]")], &["channel me: Update, allow_from: 1 removed"]);
    check(&[("history = 50", "history = 60")], &["channel me: Update, settings of plugin `assistant` changed"]);
    check(
        &[("route = \"personal\"", "route = \"personal\"\nretries = 2\ndenial_notice = true")],
        &["channel me: Update, retries changed; denial_notice changed"],
    );
}

/// F2, C3, C4: limits change under a connection that stands.
#[test]
fn limits_and_the_zone_are_updated_in_place() {
    check(
        &[(
            "route = \"personal\"",
            "route = \"personal\"\ndaily_limit = 5\nat_daily_limit = \"refuse\"\nper_minute = 9",
        )],
        &["channel me: Update, per_minute changed; daily_limit changed; at_daily_limit changed"],
    );
    check(
        &[("route = \"personal\"", "route = \"personal\"\nmax_reconnect_attempts = 2")],
        &["channel me: Update, max_reconnect_attempts: 5 → 2"],
    );
    check(
        &[("data_dir = \"data\"", "data_dir = \"data\"\ntime_zone = \"Asia/Tokyo\"")],
        &["host time_zone: Update, time_zone changed"],
    );
}

/// F2
#[test]
fn identity_restarts_the_channel() {
    let mut new = world();
    new.secrets.set("TOKEN", "42:other");
    check_in(&new, &[], &["channel me: Restart, token changed"]);
    new.secrets.set("TOKEN", "43:abc");
    check_in(&new, &[], &["channel me: Restart, account: telegram:42 → telegram:43; token changed"]);
    check(
        &[("route = \"personal\"", "route = \"personal\"\napi_url = \"http://127.0.0.1:1\"")],
        &["channel me: Restart, api_url changed"],
    );
    check(
        &[("kind = \"telegram\"\ntoken = { env = \"TOKEN\" }", "kind = \"web\"")],
        &["channel me: Restart, kind: telegram → web; account: telegram:42 → web:me; token changed; \
           allow_from: 1 added, 1 removed"],
    );
}

/// A7: `enabled = false` stops only that channel.
#[test]
fn a_disabled_channel_is_removed_and_an_enabled_one_added() {
    let off = ("route = \"personal\"", "route = \"personal\"\nenabled = false");
    check(&[off], &["channel me: Remove, disabled"]);
    let disabled = world().config(&edit(&[off]));
    let enabled = world().config(WHOLE);
    assert_eq!(steps(&plan(Some(&disabled), &enabled)), ["channel me: Add, enabled"]);
    let other = world().config(&edit(&[off, ("history = 50", "history = 60")]));
    assert!(plan(Some(&disabled), &other).is_empty(), "a channel that does not run has nothing to update");
    assert_eq!(plan(None, &disabled).step(Subject::Channel, "me"), Step::Keep);
}

#[test]
fn a_renamed_channel_is_removed_and_added() {
    let expect = ["channel me: Remove, no longer in the config", "channel you: Add, new"];
    check(&[("[channels.me]", "[channels.you]")], &expect);
}

#[test]
fn keys_of_the_host_say_when_they_take_effect() {
    check(
        &[("data_dir = \"data\"", "data_dir = \"other\"\nlisten = \"127.0.0.1:1\"\nlog = \"json\"\nmax_age = \"1h\"")],
        &[
            "host max_age: Update, max_age changed",
            "host data_dir: NextStart, data_dir changed; restart the host to use it",
            "host listen: NextStart, listen changed; restart the host to use it",
            "host log: NextStart, log changed; restart the host to use it",
        ],
    );
}

#[test]
fn a_plan_never_shows_a_secret() {
    let mut new = world();
    new.secrets.set("TOKEN", "43:hunter2");
    let old = world().config(WHOLE);
    let json = serde_json::to_string(&plan(Some(&old), &new.config(WHOLE))).unwrap();
    assert!(!json.contains("hunter2") && !json.contains("abc"), "{json}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever mutation is still a config: nothing changes between it and itself, and what was added can be removed.
    #[test]
    fn a_config_and_itself_keep_everything(
        at in 0..WHOLE.len(), length in 0usize..20,
        put in prop::sample::select(vec!["", "1", "x", "2\"", ", \"tg:7\"", "\n", "[groups.g]\nmembers = []\n"]),
    ) {
        let end = (at + length).min(WHOLE.len());
        let text = format!("{}{put}{}", &WHOLE[..at], &WHOLE[end..]);
        if let Ok(config) = world().validate(&text) {
            prop_assert!(plan(Some(&config), &config).is_empty());
            let back = plan(Some(&world().config(&text)), &world().config(WHOLE));
            let there = plan(Some(&world().config(WHOLE)), &config);
            prop_assert_eq!(back.is_empty(), there.is_empty());
        }
    }
}
