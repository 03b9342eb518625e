//! An edit takes effect on the next message, touches only the sockets it must, and loses nothing: under 20 messages a
//! second on Telegram and the web chat together.

use std::time::Instant;

use serde_json::Value;

use crate::harness::{PAGE_CONFIG, Traffic, World, assistant_config, eventually};

/// Telegram and the web chat, both answered by the model.
fn config() -> String {
    let family = "\n[groups.family]\nmembers = [\"tg:3001\"]\n";
    assistant_config("\"tg:1001\", \"group:family\"") + family + PAGE_CONFIG
}

/// What an edit may touch.
struct Sockets {
    /// How often the bot's connection was made, and when last.
    connections: Value,
    since: Value,
}

async fn sockets(world: &World) -> Sockets {
    let channel = world.host.channel("tg").await.expect("the channel is listed");
    Sockets { connections: channel["status"]["connections"].clone(), since: channel["status"]["since"].clone() }
}

/// Runs an edit under traffic: nothing is lost or doubled, and neither socket is touched. `edit` returns when the edit
/// was seen to be in force.
async fn edit_under_traffic(name: &str, world: &World, edit: impl AsyncFnOnce(&World)) {
    world.telegram.polled(4242).await;
    let before = sockets(world).await;
    let traffic = Traffic::start(world, "page").await;
    // Traffic first: the edit falls into it, not before it.
    world.telegram.nth_to(1001, 3).await;
    let saved = Instant::now();
    edit(world).await;
    println!("{name}: {} ms from save to the first message that saw it", saved.elapsed().as_millis());
    let seen_at = world.telegram.texts_to(1001).await.len();
    world.telegram.nth_to(1001, seen_at + 3).await;
    let tally = traffic.stop().await;
    tally.nothing_lost_nothing_doubled(&world.telegram).await;
    let after = sockets(world).await;
    assert_eq!(before.connections, 1, "the bot is connected");
    assert_eq!(after.connections, before.connections, "the bot's connection was not touched");
    assert_eq!(after.since, before.since, "and never looked lost");
    assert!(tally.visitor.hello["visitor"].is_string());
}

/// Writes as somebody until they are answered with a text that fits.
async fn write_until(world: &World, from: i64, text: &str, fits: impl Fn(&str) -> bool) {
    eventually(&format!("{from} gets the new answer"), || async {
        world.telegram.write(4242, from, text).await;
        world.telegram.texts_to(from).await.iter().any(|t| fits(t)).then_some(())
    })
    .await;
}

/// F2, A7: the allowlist.
#[tokio::test]
async fn allowlist_edit_touches_no_socket() {
    let world = World::with(&config()).await;
    edit_under_traffic("allowlist", &world, async |world| {
        world.edit("\"tg:1001\", ", "\"tg:1001\", \"tg:1009\", ");
        write_until(world, 1009, "hi", |t| t == "echo: hi").await;
    })
    .await;
}

/// F2: a group of people.
#[tokio::test]
async fn group_edit_touches_no_socket() {
    let world = World::with(&config()).await;
    edit_under_traffic("group", &world, async |world| {
        world.edit("members = [\"tg:3001\"]", "members = [\"tg:3001\", \"tg:3002\"]");
        write_until(world, 3002, "hi", |t| t == "echo: hi").await;
    })
    .await;
}

/// F2: a plugin's settings.
#[tokio::test]
async fn settings_edit_touches_no_socket() {
    let world = World::with(&config()).await;
    edit_under_traffic("settings", &world, async |world| {
        world.edit(
            "source = \"builtin:commands\"\n",
            "source = \"builtin:commands\"\nsettings = { commands = { hours = \"Nine to five.\" } }\n",
        );
        write_until(world, 3001, "/hours", |t| t == "Nine to five.").await;
    })
    .await;
}

/// F2: a plugin's file, replaced by a rename.
#[tokio::test]
async fn plugin_swap_touches_no_socket() {
    let mut world = World::empty();
    let component = |name: &str| switchhook_builtin::component(name).expect("a builtin plugin");
    std::fs::write(world.path("extra.wasm"), component("commands")).expect("the plugin is written");
    let config = config()
        .replace("[plugins.assistant]", "[plugins.extra]\nsource = \"extra.wasm\"\n\n[plugins.assistant]")
        .replace(
            "replies = [\"commands\"]\nprompt = \"assistant\"\nmodel = \"main\"\n\n[channels.tg]",
            "replies = [\"extra\"]\nprompt = \"assistant\"\nmodel = \"main\"\n\n[channels.tg]",
        );
    world.write_config(&config);
    world.host.start().await;
    edit_under_traffic("plugin file", &world, async |world| {
        std::fs::write(world.path("extra.new"), component("guide")).expect("the plugin is written aside");
        std::fs::rename(world.path("extra.new"), world.path("extra.wasm")).expect("the plugin is renamed");
        write_until(world, 3001, "hi", |t| !t.starts_with("echo:")).await;
    })
    .await;
    let swapped = world.host.status().await["last_attempt"]["changes"].to_string();
    assert!(swapped.contains("swap"), "{swapped}");
}

/// F2: a route.
#[tokio::test]
async fn route_edit_touches_no_socket() {
    let world = World::with(&config()).await;
    edit_under_traffic("route", &world, async |world| {
        world.edit(
            "[routes.personal]\npolicies = [\"allowlist\"]\nreplies = [\"commands\"]",
            "[routes.personal]\npolicies = [\"allowlist\"]\nreplies = []",
        );
        write_until(world, 3001, "/id", |t| t == "echo: /id").await;
    })
    .await;
}

/// F2, A10: a model.
#[tokio::test]
async fn model_edit_touches_no_socket() {
    let world = World::with(&config()).await;
    edit_under_traffic("model", &world, async |world| {
        world.edit("model = \"test\"", "model = \"other\"");
        eventually("the other model is asked", || async {
            world.model.ledger().await.iter().any(|e| e["model"] == "other").then_some(())
        })
        .await;
    })
    .await;
}

/// F2: a channel more.
#[tokio::test]
async fn new_channel_touches_no_other_socket() {
    let world = World::with(&config()).await;
    edit_under_traffic("new channel", &world, async |world| {
        let more = "[channels.second]\nkind = \"telegram\"\napi_url = \"{TELEGRAM}\"\ntoken = { file = \"other.token\" }\n\
                    route = \"personal\"\nsend_limits = \"off\"\nallow_from = [\"tg:5005\"]\n\n[channels.page]";
        world.edit("[channels.page]", &more.replace("{TELEGRAM}", &world.telegram.url));
        world.telegram.polled(4343).await;
        world.telegram.write(4343, 5005, "hi").await;
        world.telegram.nth_to(5005, 1).await;
    })
    .await;
}

/// The second bot beside the first.
fn with_second_bot() -> String {
    config()
        + "\n[channels.second]\nkind = \"telegram\"\napi_url = \"{TELEGRAM}\"\ntoken = { file = \"other.token\" }\n\
           route = \"personal\"\nsend_limits = \"off\"\nallow_from = [\"tg:5005\"]\n"
}

async fn second_bot_stops(world: &World) {
    eventually("the second bot is polled no more", || async { (!world.telegram.is_polled(4343).await).then_some(()) })
        .await;
}

/// F2: a channel less.
#[tokio::test]
async fn removed_channel_touches_no_other_socket() {
    let world = World::with(&with_second_bot()).await;
    world.telegram.polled(4343).await;
    edit_under_traffic("removed channel", &world, async |world| {
        world.write_config(&config());
        second_bot_stops(world).await;
    })
    .await;
    assert!(world.host.channel("second").await.is_none());
}

/// A7: `enabled = false` stops only that channel, live; what is written meanwhile is answered on its return.
#[tokio::test]
async fn disabled_channel_stops_alone_and_returns() {
    let world = World::with(&with_second_bot()).await;
    world.telegram.polled(4343).await;
    edit_under_traffic("enabled = false", &world, async |world| {
        world.edit("token = { file = \"other.token\" }\n", "token = { file = \"other.token\" }\nenabled = false\n");
        second_bot_stops(world).await;
    })
    .await;
    world.telegram.write(4343, 5005, "anybody?").await;
    world.edit("enabled = false\n", "");
    assert_eq!(world.telegram.nth_to(5005, 1).await, "echo: anybody?");
}

/// F2: another token is another connection, of that channel alone.
#[tokio::test]
async fn token_edit_restarts_that_channel_alone() {
    let world = World::with(&with_second_bot()).await;
    world.telegram.polled(4343).await;
    edit_under_traffic("token", &world, async |world| {
        world.edit("other.token", "third.token");
        world.host.attempted(0, "rejected").await;
        std::fs::write(world.path("third.token"), "4444:SECRET-three").expect("a secret file");
        world.telegram.polled(4444).await;
        second_bot_stops(world).await;
    })
    .await;
}

/// F2, A8: a secret file with another secret in it.
#[tokio::test]
async fn secret_file_edit_restarts_that_channel_alone() {
    let world = World::with(&with_second_bot()).await;
    world.telegram.polled(4343).await;
    edit_under_traffic("secret file", &world, async |world| {
        std::fs::write(world.path("other.token.new"), "4444:SECRET-three").expect("a secret file");
        std::fs::rename(world.path("other.token.new"), world.path("other.token")).expect("it is renamed");
        world.telegram.polled(4444).await;
        second_bot_stops(world).await;
    })
    .await;
}

/// F2: messages that wait for a busy model across an edit are answered once, and no socket notices.
#[tokio::test]
async fn edit_while_the_model_is_busy_loses_nothing() {
    let world = World::assistant("\"tg:1001\"").await;
    world.model.hold().await;
    world.telegram.write(4242, 1001, "one").await;
    world.model.waiting(1).await;
    world.telegram.write(4242, 1001, "two").await;
    let before = world.host.attempts().await;
    world.edit("You are helpful.", "You are brief.");
    world.host.attempted(before, "applied").await;
    world.model.release().await;
    world.telegram.nth_to(1001, 2).await;
    assert_eq!(world.telegram.texts_to(1001).await, ["echo: one", "echo: two"]);
}

/// `reload --dry-run` prints the plan and changes nothing; SIGHUP and `reload` apply.
#[tokio::test]
async fn reload_by_command_and_signal() {
    let world = World::assistant("\"tg:1001\"").await;
    let generation = world.host.generation().await;
    let dry = world.host.cli(&["reload", "--dry-run"]);
    assert!(dry.status.success(), "{dry:?}");
    assert_eq!(world.host.generation().await, generation);
    let attempts = world.host.attempts().await;
    let reload = world.host.cli(&["reload"]);
    assert!(reload.status.success(), "{reload:?}");
    world.host.attempted(attempts, "unchanged").await;
    let attempts = world.host.attempts().await;
    world.host.signal("HUP");
    let attempt = world.host.attempted(attempts, "unchanged").await;
    assert_eq!(attempt["cause"], "signal");
}
