//! Another master key while everything runs, killed at any moment, and without a host; and a key that is the wrong one.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{
    PAGE_CONFIG, Traffic, World, anywhere, assistant_config, eventually, whatsapp_config, while_rotating,
};
use crate::invariants::search;

const ALICE: &str = "15550002222";
/// Those who write on Telegram while the host is killed.
const PEOPLE: i64 = 5;

/// A WhatsApp channel that is linked, a bot, and a page.
async fn three_channels() -> World {
    let people: Vec<String> = (0..PEOPLE).map(|p| format!("\"tg:{}\"", 3000 + p)).collect();
    let telegram = assistant_config(&format!("\"tg:1001\", {}", people.join(", ")));
    let (_, telegram) = telegram.split_once("[channels.tg]").expect("it has the bot's channel");
    let config = format!("{}\n[channels.tg]{telegram}\n{PAGE_CONFIG}", whatsapp_config(&format!("\"+{ALICE}\"")));
    let world = World::linked(&config).await;
    world.whatsapp().contact(ALICE, "Alice Liddell").await;
    world.telegram.polled(4242).await;
    world
}

/// What every cell that this key sealed begins with.
fn header(key: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&key[at..at + 2], 16).expect("a name in hexadecimal digits");
    std::iter::once(1).chain((0..8).step_by(2).map(byte)).collect()
}

/// The names of the keys that were there before.
fn old_keys(keys: &Path) -> Vec<String> {
    let names = std::fs::read_dir(keys).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.into_string().expect("a plain name"));
    names.filter_map(|name| Some(name.strip_prefix("master.key.")?.strip_suffix(".old")?.to_owned())).collect()
}

/// B8: everything is sealed with a new key while messages come and go; no socket is touched, nothing is lost, and
/// afterwards the old key opens nothing: neither file nor log holds a cell that it sealed.
#[tokio::test]
async fn rotation_under_traffic_touches_nobody() {
    let mut world = three_channels().await;
    let before = world.host.call("GET", "key", Value::Null).await.1;
    world.whatsapp().write(ALICE, "remember the cuckoo").await;
    world.whatsapp().nth_to(ALICE, 1).await;
    let logins = world.whatsapp().entries("login").await.len();
    assert!(logins > 0);
    let socket = world.host.channel("tg").await.expect("listed")["status"].clone();
    let traffic = Traffic::start(&world, "page").await;
    let mut told = Value::Null;
    for round in 0..3 {
        world.whatsapp().write(ALICE, &format!("before {round}")).await;
        told = world.host.cli_json(&["key", "rotate"]);
        assert_eq!((&told["state"], &told["unreadable"]), (&json!("settled"), &json!(0)), "{told}");
    }
    assert_ne!(told["key"], before["key"]);
    world.whatsapp().write(ALICE, "after").await;
    world.whatsapp().nth_to(ALICE, 5).await;
    traffic.stop().await.nothing_lost_nothing_doubled(&world.telegram).await;
    assert_eq!(world.whatsapp().entries("login").await.len(), logins, "the same socket");
    let after = world.host.channel("tg").await.expect("listed")["status"].clone();
    assert_eq!((&after["connections"], &after["since"]), (&socket["connections"], &socket["since"]));
    audited(&world).await;
    let old = old_keys(&world.path("keys"));
    assert_eq!(old.len(), 3, "{old:?}");
    search(&world, &old.iter().map(|key| header(key)).collect::<Vec<_>>());
    assert!(world.host.stop().await.success());
    search(&world, &old.iter().map(|key| header(key)).collect::<Vec<_>>());
    world.host.start().await;
    world.whatsapp().write(ALICE, "what did I say?").await;
    world.whatsapp().nth_to(ALICE, 6).await;
    assert!(world.model.ledger().await.last().expect("asked")["messages"].to_string().contains("after"));
    assert!(world.whatsapp().entries("paired").await.is_empty());
    world.whatsapp().no_violations().await;
}

/// B10
async fn audited(world: &World) {
    let entry = eventually("it is in the audit", || async {
        let audit = world.host.call("GET", "audit", Value::Null).await.1;
        audit.as_array()?.iter().find(|entry| entry["act"] == "key_rotate").cloned()
    })
    .await;
    assert_eq!((&entry["actor"], &entry["address"]), (&json!("api-token"), &json!("127.0.0.1")), "{entry}");
}

/// B8, F6: 20 times a rotation, and 20 times kill -9 at a random moment of it: nothing is lost, linked stays linked, and in
/// the end none of the old keys opens anything.
#[tokio::test]
async fn kill_while_rotating_loses_nothing() {
    let mut world = three_channels().await;
    let people: Vec<i64> = (3000..3000 + PEOPLE).collect();
    let toll = while_rotating(&mut world, ALICE, &people, 20, anywhere()).await;
    println!("while rotating: {toll:?}");
    assert_eq!((toll.kills, toll.lost, toll.unrecorded, toll.overtaking), (20, 0, 0, 0));
    assert!(toll.within > 0, "no kill came while it rotated");
    assert!(!world.path("keys").join("master.key.next").exists());
    assert!(world.host.stop().await.success());
    let old = old_keys(&world.path("keys"));
    assert!(!old.is_empty());
    search(&world, &old.iter().map(|key| header(key)).collect::<Vec<_>>());
}

/// B8: a wrong key is refused with the place it is from and what to do, and nothing is overwritten; the key that it was
/// changed from is no better. Without a host, the command changes the key by itself.
#[tokio::test]
async fn wrong_key_is_told_and_overwrites_nothing() {
    let mut world = World::assistant("\"tg:1001\"").await;
    world.telegram.write(4242, 1001, "hello").await;
    world.telegram.nth_to(1001, 1).await;
    assert!(world.host.stop().await.success());
    let key = world.path("keys").join("master.key");
    let first = std::fs::read(&key).expect("a key");
    let told = world.host.cli(&["key", "rotate"]);
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success() && said.contains(".old"), "{said}{}", String::from_utf8_lossy(&told.stderr));
    let second = std::fs::read(&key).expect("a key");
    let file = world.path("data").join("journal.db");
    let journal = || std::fs::read(&file).expect("the journal");
    let lies = journal();
    for wrong in [first.clone(), format!("{}\n", "ab".repeat(32)).into_bytes()] {
        std::fs::write(&key, &wrong).expect("it is replaced");
        let ended = world.host.try_start().await.expect("it does not start");
        assert_eq!(ended.code(), Some(1));
        let log = world.host.log_text();
        assert!(log.contains("was sealed with the master key") && log.contains("in the place of"), "{log}");
        assert!(log.contains(key.to_str().expect("a plain path")), "{log}");
        assert_eq!(world.host.cli(&["key", "rotate"]).status.code(), Some(1));
        assert_eq!(journal(), lies, "nothing is overwritten");
        assert_eq!(std::fs::read(&key).expect("a key"), wrong);
        let _next = std::fs::remove_file(world.path("keys").join("master.key.next"));
    }
    std::fs::write(&key, second).expect("it is put back");
    world.host.start().await;
    world.telegram.write(4242, 1001, "again").await;
    assert_eq!(world.telegram.nth_to(1001, 2).await, "echo: again");
}

/// B8, A4: a host that waits for the folder reads the key when it is its turn, not before.
#[tokio::test]
async fn host_that_waits_finds_the_new_key() {
    let mut world = World::assistant("\"tg:1001\"").await;
    let mut second = world.second_host();
    second.start_unready();
    eventually("it waits", || async { second.log_text().contains("waiting until it ends").then_some(()) }).await;
    assert_eq!(world.host.cli_json(&["key", "rotate"])["state"], "settled");
    world.host.kill();
    world.telegram.write(4242, 1001, "who is there?").await;
    assert_eq!(world.telegram.nth_to(1001, 1).await, "echo: who is there?");
}

/// B8, A8: a key from the environment is changed by whoever sets it; the host says how, and no key is ever printed.
#[tokio::test]
async fn key_in_the_environment_is_changed_by_whoever_sets_it() {
    let mut world = World::empty();
    let (first, second) = ("0a".repeat(32), "0b".repeat(32));
    world.write_config(&format!("master_key = {{ env = \"SEAL\" }}\n{}", assistant_config("\"tg:1001\"")));
    world.host.env("SEAL", &first);
    world.host.env("NEW_SEAL", &second);
    world.host.start().await;
    world.telegram.write(4242, 1001, "hello").await;
    world.telegram.nth_to(1001, 1).await;
    refused(&world, 5);
    assert!(world.host.stop().await.success());
    refused(&world, 1);
    let told = world.host.cli(&["key", "rotate", "--new-key-env", "NEW_SEAL"]);
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success() && said.contains("give the environment variable SEAL"), "{said}");
    assert!(!said.contains(&second) && !said.contains(&first));
    assert_eq!(world.host.try_start().await.expect("not with the old key").code(), Some(1));
    assert!(world.host.log_text().contains("give the environment variable SEAL the key"), "{}", world.host.log_text());
    world.host.env("SEAL", &second);
    world.host.start().await;
    world.telegram.write(4242, 1001, "again").await;
    assert_eq!(world.telegram.nth_to(1001, 2).await, "echo: again");
    let asked = world.model.ledger().await.last().expect("asked")["messages"].to_string();
    assert!(asked.contains("hello"), "it remembers: {asked}");
    assert!(!world.path("keys").join("master.key").exists(), "no key but the one given");
}

fn refused(world: &World, code: i32) {
    let told = world.host.cli(&["key", "rotate"]);
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(code), "{said}");
    assert!(said.contains("variable SEAL") && said.contains("--new-key-env"), "{said}");
}
