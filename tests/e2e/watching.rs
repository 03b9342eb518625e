//! However a file comes to change, the change is seen.

use std::path::Path;

use crate::harness::{World, assistant_config, eventually};

async fn answered_now(world: &World, from: i64) {
    eventually("the new sender is answered", || async {
        world.telegram.write(4242, from, "hi").await;
        (!world.telegram.texts_to(from).await.is_empty()).then_some(())
    })
    .await;
}

/// F2: written in place, as simple editors do.
#[tokio::test]
async fn in_place_write_is_seen() {
    let world = World::assistant("\"tg:1001\"").await;
    let text = std::fs::read_to_string(&world.host.config).expect("the config");
    std::fs::write(&world.host.config, text.replace("\"tg:1001\"", "\"tg:1001\", \"tg:1002\"")).expect("written");
    answered_now(&world, 1002).await;
}

/// F3: half a file is refused or not seen at all, and changes nothing; the whole one is applied.
#[tokio::test]
async fn half_written_file_changes_nothing() {
    let world = World::assistant("\"tg:1001\"").await;
    let text = std::fs::read_to_string(&world.host.config).expect("the config");
    let new = text.replace("\"tg:1001\"", "\"tg:1001\", \"tg:1002\"");
    // Cut inside a string: never a config.
    let cut = new.find("You are").expect("the settings") + 4;
    let before = world.host.attempts().await;
    std::fs::write(&world.host.config, &new[..cut]).expect("half of it");
    world.host.attempted(before, "rejected").await;
    world.telegram.write(4242, 1001, "still there?").await;
    assert_eq!(world.telegram.nth_to(1001, 1).await, "echo: still there?");
    std::fs::write(&world.host.config, &new).expect("all of it");
    answered_now(&world, 1002).await;
}

/// A9, F2: a Kubernetes volume, where `..data` is swapped and the file itself never changes.
#[tokio::test]
async fn kubernetes_data_swap_is_seen() {
    let mut world = World::empty();
    let version = |world: &World, name: &str, config: &str| {
        let folder = world.path("volume").join(name);
        std::fs::create_dir_all(&folder).expect("a version's folder");
        std::fs::write(folder.join("switchhook.toml"), world.filled(config)).expect("the config");
        std::fs::copy(world.path("bot.token"), folder.join("bot.token")).expect("the token");
    };
    let link = |target: &str, at: &Path| std::os::unix::fs::symlink(target, at).expect("a link");
    version(&world, "..one", &assistant_config("\"tg:1001\""));
    let volume = world.path("volume");
    link("..one", &volume.join("..data"));
    link("..data/switchhook.toml", &volume.join("switchhook.toml"));
    link("..data/bot.token", &volume.join("bot.token"));
    world.host.config = volume.join("switchhook.toml");
    world.host.start().await;
    world.telegram.polled(4242).await;
    version(&world, "..two", &assistant_config("\"tg:1001\", \"tg:1002\""));
    link("..two", &volume.join("..data_tmp"));
    std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("the swap");
    answered_now(&world, 1002).await;
}

/// F2: an edit that comes while another is being applied is not missed.
#[tokio::test]
async fn quick_edits_end_with_the_last_one() {
    let world = World::assistant("\"tg:1001\"").await;
    let mut list = "\"tg:1001\"".to_owned();
    for id in 1002..1010 {
        let longer = format!("{list}, \"tg:{id}\"");
        world.edit(&format!("[{list}]"), &format!("[{longer}]"));
        list = longer;
    }
    answered_now(&world, 1009).await;
}
