//! A data folder that is not what it should be: another program's, a newer host's, damaged, or on a disk that is full.
//! Always in the midst of a conversation, which goes on where it was once that is over.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{OWNER, World, eventually, eventually_within, telegram_channel, whatsapp_config};
use crate::machines::with_mounts;

const ALICE: &str = "15550002222";

async fn says(world: &World, n: usize) {
    world.whatsapp().write(ALICE, &format!("n{n}")).await;
    assert_eq!(world.whatsapp().nth_to(ALICE, n).await, format!("echo: n{n}"));
}

fn sql(file: &Path, sql: &str) {
    let conn = rusqlite::Connection::open(file).expect("it opens");
    conn.execute_batch(sql).expect("it is done");
}

/// What a host that was stopped left, in one file: what is in the log is brought into it.
fn whole(file: &Path) -> Vec<u8> {
    let conn = rusqlite::Connection::open(file).expect("it opens");
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("it is done");
    drop(conn);
    remove_log(file);
    std::fs::read(file).expect("the journal")
}

fn remove_log(file: &Path) {
    for beside in ["journal.db-wal", "journal.db-shm"] {
        // Only where there is one.
        let _ = std::fs::remove_file(file.with_file_name(beside));
    }
}

fn foreign(file: &Path) {
    std::fs::remove_file(file).expect("it goes");
    sql(
        file,
        "CREATE TABLE recipes (id INTEGER PRIMARY KEY, dish TEXT); INSERT INTO recipes VALUES (1, 'soup');
         PRAGMA user_version = 3",
    );
}

fn newer(file: &Path) {
    sql(file, "PRAGMA user_version = 99");
}

fn overwritten(file: &Path) {
    let mut bytes = std::fs::read(file).expect("it is read");
    let (from, to) = (bytes.len() / 4, bytes.len() / 2);
    bytes[from..to].fill(0xa5);
    std::fs::write(file, bytes).expect("it is written");
}

fn truncated(file: &Path) {
    let bytes = std::fs::read(file).expect("it is read");
    std::fs::write(file, &bytes[..bytes.len() / 2]).expect("it is written");
}

fn text(file: &Path) {
    std::fs::write(file, "Dear diary, today I was mistaken for a database. ".repeat(200)).expect("it is written");
}

/// F6: a journal of another program, of a newer host, damaged or cut off is refused with its code and words, and not one
/// byte of it is changed; with the right one back the conversation goes on, on the device that there was.
#[tokio::test]
async fn journal_that_is_not_ours_or_broken_is_refused_and_left_alone() {
    type Spoil = fn(&Path);
    let cases: [(Spoil, &str, &str); 5] = [
        (foreign, "foreign-database", "another program's database"),
        (newer, "newer-database", "was written by a newer Switchhook: it is of version 99"),
        (overwritten, "damaged", "the journal is damaged"),
        (truncated, "damaged", "the journal is damaged"),
        (text, "damaged", "the journal is damaged"),
    ];
    let mut world = World::linked(&whatsapp_config(&format!("\"+{ALICE}\""))).await;
    world.whatsapp().contact(ALICE, "Alice").await;
    says(&world, 1).await;
    let file = world.path("data").join("journal.db");
    for (n, (spoil, code, words)) in cases.into_iter().enumerate() {
        assert!(world.host.stop().await.success());
        let good = whole(&file);
        spoil(&file);
        let spoilt = std::fs::read(&file).expect("it is read");
        world.whatsapp().write(ALICE, &format!("n{}", n + 2)).await;
        let logged = world.host.log_text().len();
        let ended = world.host.try_start().await.expect("it does not start");
        let log = world.host.log_text().split_off(logged);
        assert_eq!(ended.code(), Some(1), "{log}");
        assert!(log.contains(code) && log.contains(words), "{code}: {log}");
        assert!(std::fs::read(&file).expect("it is read") == spoilt, "{code}: it was changed");
        remove_log(&file);
        std::fs::write(&file, good).expect("it is put back");
        world.host.start().await;
        assert_eq!(world.whatsapp().nth_to(ALICE, n + 2).await, format!("echo: n{}", n + 2));
    }
    assert!(world.whatsapp().entries("paired").await.is_empty());
    assert_eq!(world.whatsapp().texts_to(ALICE).await.len(), cases.len() + 1);
    world.whatsapp().no_violations().await;
}

/// Whether this machine lets a test have mounts of its own; where not, the case says so and fails.
fn must_mount(world: &World) {
    let probe = world.path("probe");
    std::fs::create_dir(&probe).expect("a folder");
    let script = format!("mount -t tmpfs -o size=1m tmpfs {}", probe.display());
    let tried = ["-m", "-Urm"].map(|flags| Command::new("unshare").args([flags, "sh", "-c", &script]).output());
    let can = tried.iter().any(|said| said.as_ref().is_ok_and(|output| output.status.success()));
    assert!(can, "a full disk needs a mount of its own (root, or user namespaces); this machine refuses: {tried:?}");
}

/// Writes until there is no room.
fn fill(at: &Path) {
    let mut file = std::fs::File::create(at).expect("there is room for a name");
    for size in [1 << 20, 1 << 12] {
        let chunk = vec![0; size];
        while file.write_all(&chunk).is_ok() {}
    }
}

/// The mount is the host's alone: others see it through its process.
fn seen_by(world: &World, path: &str) -> PathBuf {
    Path::new(&format!("/proc/{}/root", world.host.id())).join(world.path(path).strip_prefix("/").expect("absolute"))
}

/// F6: the disk fills up while people talk on WhatsApp and Telegram: the host says so, with a code where it is asked for
/// something, and lives; nothing is acknowledged that it could not keep. With room again everything is answered, once.
#[tokio::test]
async fn full_disk_loses_nothing_and_is_got_over() {
    let mut world = World::empty();
    must_mount(&world);
    world.whatsapp().account(OWNER).await;
    world.whatsapp().contact(ALICE, "Alice").await;
    let config = whatsapp_config(&format!("\"+{ALICE}\"")) + &telegram_channel("\"tg:1001\"");
    world.write_config(&format!("data_dir = \"small/data\"\n{config}"));
    world.whatsapp().seed(world.folder(), "wa", OWNER);
    let (small, data) = (world.path("small"), world.path("data"));
    std::fs::create_dir(&small).expect("a folder");
    let commands = "mount -t tmpfs -o size=24m,mode=700 tmpfs \"$1\"; cp -a \"$2\" \"$1\"/data";
    with_mounts(&mut world, commands, &[&small, &data]);
    world.host.start().await;
    world.whatsapp().ready().await;
    world.telegram.polled(4242).await;
    says(&world, 1).await;
    let id = world.host.id();

    let filler = seen_by(&world, "small/filler");
    fill(&filler);
    let mut people = 7000_u32..;
    let (status, said) = eventually("there is no room for one more word", || {
        let (host, person) = (&world.host, people.next().expect("there are more"));
        async move {
            let (status, said) = host.call("POST", &format!("contacts/tg:{person}/block"), json!({})).await;
            (status != 204).then_some((status, said))
        }
    })
    .await;
    assert_eq!((status, &said["error"]["code"]), (503, &json!("disk_full")), "{said}");
    world.whatsapp().write(ALICE, "n2").await;
    world.telegram.write(4242, 1001, "and you?").await;
    eventually("the log says that the disk is full", || async {
        world.host.log_text().contains("disk of the data folder is full").then_some(())
    })
    .await;

    std::fs::remove_file(&filler).expect("there is room again");
    // Both connect again by themselves, after waits of up to 30 s.
    eventually_within(Duration::from_secs(90), "both are answered", || async {
        let both = world.whatsapp().texts_to(ALICE).await.len() == 2 && world.telegram.texts_to(1001).await.len() == 1;
        both.then_some(())
    })
    .await;
    assert_eq!(world.whatsapp().nth_to(ALICE, 2).await, "echo: n2");
    assert_eq!(world.telegram.nth_to(1001, 1).await, "echo: and you?");
    says(&world, 3).await;
    assert_eq!((world.host.id(), world.host.has_ended()), (id, None), "it lived through it");
    assert_eq!(world.telegram.texts_to(1001).await.len(), 1);
    world.whatsapp().no_violations().await;
}
