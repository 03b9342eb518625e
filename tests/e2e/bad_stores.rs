//! A data folder that is not what it should be: another program's, a newer host's, or damaged.
//! Always in the midst of a conversation, which goes on where it was once that is over.

use std::path::Path;

use crate::harness::{World, whatsapp_config};

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
    sql(file, "CREATE TABLE recipes (id INTEGER PRIMARY KEY, dish TEXT); INSERT INTO recipes VALUES (1, 'soup')");
}

fn newer(file: &Path) {
    sql(file, "INSERT INTO refinery_schema_history VALUES (99, 'later', '2099-01-01T00:00:00Z', '1')");
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
