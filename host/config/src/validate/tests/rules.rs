//! What fits together and what does not.

use super::*;

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

/// B9, C3, C4: what an account may send, and how patient its channel is.
#[test]
fn limits_of_a_channel_are_read_and_have_bounds() {
    let with = |keys: &str| edited("route = \"personal\"", &format!("route = \"personal\"\n{keys}"));
    let channel = world().config(WHOLE).channels["me"].clone();
    assert_eq!((channel.per_minute, channel.daily_limit), (None, None), "the kind's own hold");
    assert_eq!((channel.at_daily_limit, channel.max_reconnect_attempts), (AtDailyLimit::Queue, 5));
    let keys = "per_minute = 10\ndaily_limit = 200\nat_daily_limit = \"refuse\"\nmax_reconnect_attempts = 3";
    let channel = world().config(&with(keys)).channels["me"].clone();
    assert_eq!((channel.per_minute, channel.daily_limit), (Some(10), Some(200)));
    assert_eq!((channel.at_daily_limit, channel.max_reconnect_attempts), (AtDailyLimit::Refuse, 3));
    let expect = [
        "channels.me.per_minute: `channels.me.per_minute` must be from 1 to 60000",
        "channels.me.daily_limit: `channels.me.daily_limit` must be a whole number from 1 to 1000000000, not a text",
        "channels.me.at_daily_limit: `channels.me.at_daily_limit` can't be \"drop\"",
        "channels.me.max_reconnect_attempts: `channels.me.max_reconnect_attempts` must be from 1 to 1000000",
    ];
    check(
        &with("per_minute = 0\ndaily_limit = \"1000\"\nat_daily_limit = \"drop\"\nmax_reconnect_attempts = -1"),
        &expect,
    );
}

/// B9: a host that has room for one connection takes no second one.
#[test]
fn more_channels_than_fit_are_refused() {
    let second = "\n[channels.web]\nkind = \"web\"\nroute = \"personal\"\nallow_from = []\n";
    let with = |limit: u32| edited("[host]\n", &format!("[host]\nmax_connections = {limit}\n")) + second;
    assert_eq!(world().config(WHOLE).host.max_connections, None);
    assert_eq!(world().config(&with(2)).host.max_connections, Some(2));
    check(&with(1), &["host.max_connections: 2 channels are enabled, and `max_connections` is 1"]);
    world().config(&(with(1) + "enabled = false\n"));
    check(&with(0), &["host.max_connections: `host.max_connections` must be from 1 to 100000"]);
}

/// C3: the zone is a real one; of one that is not the place is shown, and what may have been meant.
#[test]
fn time_zone_must_be_in_the_database() {
    let with = |zone: &str| edited("data_dir = \"data\"", &format!("data_dir = \"data\"\ntime_zone = \"{zone}\""));
    assert_eq!(world().config(&with("America/New_York")).host.time_zone.name(), "America/New_York");
    assert_eq!(world().config(WHOLE).host.time_zone.name(), "UTC");
    for (wrong, help) in [
        ("Europe/Berln", "did you mean `Europe/Berlin`?"),
        ("Kathmandu", "did you mean `Asia/Kathmandu`?"),
        ("new york", "did you mean `America/New_York`?"),
        ("UTC+25:00 or so", "write a name of the IANA database, as in \"Europe/Berlin\""),
    ] {
        let text = rendered(&world(), &with(wrong));
        assert!(text.contains(help) && text.contains(&format!("there is no time zone \"{wrong}\"")), "{text}");
        assert!(text.contains("host.time_zone") || text.contains("time_zone = "), "its place is shown: {text}");
    }
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
