//! What must hold of the whole: what the crates may know of one another, and what may lie on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::World;
pub(crate) use crate::revealed::search;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The platform that this test was built for. Without it cargo wants the packages of every platform, and those of others
/// are not there on a machine that has only built for itself.
fn platform() -> String {
    let output = Command::new(env!("CARGO")).arg("-vV").current_dir(root()).output().expect("cargo is there");
    let said = String::from_utf8(output.stdout).expect("cargo speaks UTF-8");
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("cargo says what it runs on").to_owned()
}

/// The normal dependencies of every crate, transitively, by name.
fn dependencies() -> (BTreeMap<String, BTreeSet<String>>, BTreeMap<String, BTreeSet<String>>) {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &platform()])
        .current_dir(root())
        .output()
        .expect("cargo is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|p| (p["id"].as_str().expect("id"), p["name"].as_str().expect("name")))
        .collect();
    let mut direct: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().expect("nodes") {
        let name = names[node["id"].as_str().expect("id")].to_owned();
        let deps = direct.entry(name).or_default();
        for dep in node["deps"].as_array().expect("deps") {
            let normal = dep["dep_kinds"].as_array().expect("kinds").iter().any(|k| k["kind"].is_null());
            if normal {
                deps.insert(names[dep["pkg"].as_str().expect("pkg")].to_owned());
            }
        }
    }
    let all = direct.keys().map(|name| (name.clone(), reach(name, &direct))).collect();
    (direct, all)
}

fn reach(name: &str, direct: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(next) = open.pop() {
        for dep in direct.get(&next).into_iter().flatten() {
            if seen.insert(dep.clone()) {
                open.push(dep.clone());
            }
        }
    }
    seen
}

/// Design §1, invariant 1: the vocabulary knows no sandbox, no sockets, no vendor. Asked of `cargo tree`, which counts the
/// features that core alone turns on.
#[test]
fn core_does_no_io() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-p", "switchhook-core", "-e", "normal", "--prefix", "none", "--offline", "-f", "{p} {f}"])
        .current_dir(root())
        .output()
        .expect("cargo is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("cargo speaks UTF-8");
    assert!(tree.contains("tokio v"), "the tree is that of core: {tree}");
    for banned in ["wasmtime", "mio", "socket2", "reqwest", "hyper", "axum", "rusqlite"] {
        assert!(!tree.lines().any(|line| line.starts_with(&format!("{banned} "))), "core depends on {banned}: {tree}");
    }
}

/// Invariant 2: only the plugin host knows wasmtime.
#[test]
fn only_the_plugin_host_knows_wasmtime() {
    let (direct, _) = dependencies();
    for (name, deps) in direct.iter().filter(|(name, _)| name.starts_with("switchhook")) {
        if name != "switchhook-plugin" {
            assert!(!deps.iter().any(|d| d.starts_with("wasmtime")), "{name} depends on wasmtime");
        }
    }
}

/// Invariant 3: connectors know neither the pipeline nor the runtime; the runtime knows no vendor; the API is a leaf.
#[test]
fn dependencies_point_one_way() {
    let (_, all) = dependencies();
    for connector in ["switchhook-telegram", "switchhook-web", "switchhook-whatsapp"] {
        for banned in ["switchhook-pipeline", "switchhook-runtime", "switchhook-config", "switchhook-plugin"] {
            assert!(!all[connector].contains(banned), "{connector} depends on {banned}");
        }
    }
    for banned in ["switchhook-telegram", "switchhook-web", "switchhook-whatsapp", "switchhook-api", "axum"] {
        assert!(!all["switchhook-runtime"].contains(banned), "runtime depends on {banned}");
    }
    assert!(!all["switchhook-config"].contains("switchhook-plugin"), "config needs no plugin host");
    for room in ["switchhook-core", "switchhook-runtime", "switchhook-pipeline", "switchhook-store", "switchhook-api"] {
        let vendor = |name: &&String| ["whatsapp-rust", "wacore", "waproto"].iter().any(|v| name.starts_with(v));
        assert_eq!(all[room].iter().find(vendor), None, "{room} depends on a vendor's crate");
    }
}

/// The certificate of WhatsApp is checked in every build of this workspace: what turns that off would unify into all.
#[test]
fn no_member_takes_any_certificate() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "-e", "normal,dev,build", "-i", "wacore", "--offline", "-f", "{p} {f}"])
        .current_dir(root())
        .output()
        .expect("cargo is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("cargo speaks UTF-8");
    assert!(tree.contains("whatsapp-rust v"), "the tree is that of the client: {tree}");
    assert!(!tree.contains("danger-"), "a member turns the check off: {tree}");
}

/// Invariant 4: long-lived tasks are spawned by the runtime, and by the named exceptions.
#[test]
fn only_named_rooms_spawn() {
    // Each with its reason.
    let allowed = [
        ("host/runtime/", "supervises everything that runs for long"),
        ("host/app/", "the binary: servers and signals"),
        ("host/store/", "the writer's thread"),
        ("host/plugin/", "the ticker, the guests' own threads, the compiler"),
        ("host/config/src/watch", "the watcher's thread"),
        ("host/pipeline/src/lanes.rs", "a task for each chat with work, tracked and drained"),
        ("host/pipeline/src/errands.rs", "what a turn asks of the network, over before the turn is"),
        ("host/pipeline/src/intake.rs", "a task for each batch that is being accepted, tracked and drained"),
        ("host/pipeline/src/dispatch/", "a task for each chat with deliveries, tracked and drained"),
        ("host/connectors/whatsapp/src/session.rs", "the client's own session, which ends with `run`"),
        ("host/connectors/web/", "a task for each open socket"),
        ("host/api/", "event streams live as long as their request"),
    ];
    for file in sources(&root().join("host")) {
        let path = file.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let spawns = ["spawn(", "spawn_on("].iter().any(|call| code.contains(call))
            && !path.contains("/tests/")
            && !path.ends_with("/tests.rs");
        assert!(
            !spawns || allowed.iter().any(|(room, _)| path.starts_with(room)),
            "{path} spawns: a long-lived task belongs to host/runtime"
        );
    }
}

/// No unsafe code outside the plugin host, what speaks to SQLite in C structures, and the few lines that speak
/// to the allocator.
#[test]
fn unsafe_code_stays_where_it_must_be() {
    for file in sources(&root().join("host")) {
        let path = file.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("a source file");
        let uses = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl")
        });
        let rooms = ["host/plugin/", "host/heap/", "host/wal/src/"];
        let may = rooms.iter().any(|room| path.starts_with(room));
        assert!(!uses || may, "{path} has unsafe code");
    }
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// F5, A8: after a conversation nothing of it can be read in the data folder: no text, no number, no name, no token.
#[tokio::test]
async fn nothing_readable_lies_on_disk() {
    let mut world = World::assistant("\"tg:19283746\"").await;
    world.telegram.write(4242, 19_283_746, "the cuckoo sings at midnight").await;
    world.telegram.nth_to(19_283_746, 1).await;
    world.telegram.write(4242, 66_554_433, "a stranger's plea").await;
    world.telegram.write(4242, 19_283_746, "/id").await;
    world.telegram.nth_to(19_283_746, 2).await;
    let secrets = ["cuckoo", "19283746", "66554433", "stranger's plea", "SECRET-one", "You are helpful", "Annabel"];
    search(&world, &secrets);
    world.host.stop().await;
    search(&world, &secrets);
    let log = world.host.log_text();
    for secret in ["cuckoo", "19283746", "66554433", "SECRET-one"] {
        assert!(!log.contains(secret), "the log has {secret:?}:\n{log}");
    }
}
