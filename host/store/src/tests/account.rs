use std::time::Duration;

use switchhook_core::id::AccountId;

use super::support::*;
use crate::*;

const SPACE: &str = "session";

fn account(name: &str) -> AccountId {
    AccountId::new("whatsapp", name)
}

fn mine(f: &Fixture) -> AccountStore {
    f.store.account_state(&account("main"))
}

async fn put(states: &AccountStore, key: StateKey<'_>, value: &[u8]) {
    let mut batch = states.batch();
    batch.put(key, value);
    states.commit(batch).await.unwrap();
}

/// B7
#[tokio::test]
async fn what_is_committed_survives_a_crash() {
    let f = Fixture::new();
    let key = StateKey::new(SPACE, "15551234567@s.whatsapp.net");
    put(&mine(&f), key, b"one").await;
    put(&mine(&f), key, b"two").await;
    let (f, _) = f.crash();
    assert_eq!(mine(&f).get(key).await.unwrap().unwrap(), b"two");
    assert_eq!(mine(&f).get(StateKey::new("identity", key.name)).await.unwrap(), None);
    assert_eq!(f.store.account_state(&account("other")).get(key).await.unwrap(), None);
}

#[tokio::test]
async fn a_read_sees_what_was_queued_before_it() {
    let f = Fixture::new();
    let states = mine(&f);
    put(&states, StateKey::new(SPACE, "gone"), b"x").await;
    let mut blocked = Blocked::queue(&f.store).await;
    blocked.started().await;
    let mut batch = states.batch();
    batch.put(StateKey::new(SPACE, "new"), b"y").delete(StateKey::new(SPACE, "gone"));
    states.queue(batch).await.unwrap();
    // The writer stands still: this can only come from memory.
    assert_eq!(states.get(StateKey::new(SPACE, "new")).await.unwrap().unwrap(), b"y");
    assert_eq!(states.get(StateKey::new(SPACE, "gone")).await.unwrap(), None);
    blocked.release();
    let names: Vec<_> = states.list(SPACE).await.unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names, ["new"]);
}

#[tokio::test]
async fn lists_give_names_back_by_kind_and_by_scope() {
    let f = Fixture::new();
    let states = mine(&f);
    let mut batch = states.batch();
    for (scope, name) in [("g1", "a"), ("g1", "b"), ("g2", "a"), ("", "g1a")] {
        batch.put(StateKey::scoped(SPACE, scope, name), name.as_bytes());
    }
    batch.put(StateKey::new("other", "a"), b"");
    states.commit(batch).await.unwrap();
    let pairs = |entries: Vec<StateEntry>| {
        let mut pairs: Vec<_> = entries.into_iter().map(|e| format!("{}/{}", e.scope, e.name)).collect();
        pairs.sort();
        pairs
    };
    assert_eq!(pairs(states.list(SPACE).await.unwrap()), ["/g1a", "g1/a", "g1/b", "g2/a"]);
    assert_eq!(pairs(states.list_scope(SPACE, "g1").await.unwrap()), ["g1/a", "g1/b"]);
    assert!(states.any_in_scope(SPACE, "g2").await.unwrap());
    assert_eq!(states.delete_named(SPACE, &["a"]).await.unwrap(), 2);
    assert!(!states.any_in_scope(SPACE, "g2").await.unwrap());
    assert_eq!(states.delete_scope(SPACE, "g1").await.unwrap(), 1);
    assert_eq!(pairs(states.list(SPACE).await.unwrap()), ["/g1a"]);
    assert_eq!(states.delete_space(SPACE).await.unwrap(), 1);
    assert_eq!(states.list("other").await.unwrap().len(), 1);
}

#[tokio::test]
async fn numbers_marks_and_expiry_lie_beside_the_value() {
    let f = Fixture::new();
    let states = mine(&f);
    let mut batch = states.batch();
    for number in [3u32, 9] {
        batch.put_plain(StateKey::new("prekey", &number.to_string()), b"k", StatePlain::number(number));
    }
    for at in [10i64, 20] {
        batch.put_plain(StateKey::new("sent", &at.to_string()), b"m", StatePlain::expiry(at));
    }
    batch.put(StateKey::new("sent", "never"), b"m");
    states.commit(batch).await.unwrap();
    assert_eq!(states.highest("prekey").await.unwrap(), Some(9));
    assert_eq!(states.highest("session").await.unwrap(), None);
    let mut marks = states.batch();
    // The second does not exist, and is not brought into being.
    marks.mark_uploaded(StateKey::new("prekey", "3")).mark_uploaded(StateKey::new("prekey", "4"));
    states.commit(marks).await.unwrap();
    let mut keys: Vec<_> = states.list("prekey").await.unwrap().into_iter().map(|e| (e.number, e.uploaded)).collect();
    keys.sort();
    assert_eq!(keys, [(Some(3), true), (Some(9), false)]);
    assert_eq!(states.delete_before("sent", 20).await.unwrap(), 1);
    assert_eq!(states.list("sent").await.unwrap().len(), 2);
}

#[tokio::test]
async fn clearing_an_account_leaves_the_others() {
    let f = Fixture::new();
    let other = f.store.account_state(&account("other"));
    let key = StateKey::new(SPACE, "x");
    put(&mine(&f), key, b"1").await;
    put(&other, key, b"2").await;
    mine(&f).clear().await.unwrap();
    assert_eq!(mine(&f).get(key).await.unwrap(), None);
    assert_eq!(other.get(key).await.unwrap().unwrap(), b"2");
}

/// A value that was moved to another account, kind or name does not open.
#[tokio::test]
async fn a_value_opens_only_where_it_was_written() {
    let f = Fixture::new();
    let from = StateKey::new(SPACE, "from");
    let elsewhere = [
        (account("main"), StateKey::new(SPACE, "to")),
        (account("main"), StateKey::new("identity", "from")),
        (account("main"), StateKey::scoped(SPACE, "s", "from")),
        (account("other"), from),
    ];
    put(&mine(&f), from, b"secret").await;
    for (account, to) in &elsewhere {
        put(&f.store.account_state(account), *to, b"own").await;
    }
    f.store
        .write(|batch| {
            let sealed: Vec<Vec<u8>> = batch
                .sql("SELECT value FROM account_state ORDER BY length(value) DESC")?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            // "secret" with its name is the longest of them.
            batch.execute("UPDATE account_state SET value = ?1", [&sealed[0]])
        })
        .await
        .unwrap();
    assert_eq!(mine(&f).get(from).await.unwrap().unwrap(), b"secret");
    for (account, to) in &elsewhere {
        let error = f.store.account_state(account).get(*to).await.unwrap_err();
        assert!(matches!(error, StoreError::Unsealable { table: "account_state", .. }), "{error}");
    }
}

/// B8: nothing of it is found by grep in the data folder, the write-ahead log included.
#[tokio::test]
async fn neither_names_nor_values_lie_in_clear() {
    let f = Fixture::new();
    let states = mine(&f);
    put(&states, StateKey::scoped(SPACE, "SCOPENAME", "15551234567"), b"RATCHETKEY").await;
    let files: Vec<Vec<u8>> = f.files().iter().map(|path| std::fs::read(path).unwrap()).collect();
    let holds = |text: &str| files.iter().any(|bytes| bytes.windows(text.len()).any(|w| w == text.as_bytes()));
    assert!(holds(SPACE), "the row is there");
    for text in ["SCOPENAME", "15551234567", "RATCHETKEY", "whatsapp:main"] {
        assert!(!holds(text), "{text} lies in clear");
    }
}

#[tokio::test]
async fn a_write_that_fails_is_told() {
    let f = Fixture::new();
    let states = mine(&f);
    let mut lost = states.lost();
    f.store.write(|batch| batch.execute("DROP TABLE account_state", [])).await.unwrap();
    let mut batch = states.batch();
    batch.put(StateKey::new(SPACE, "x"), b"1");
    states.queue(batch).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), lost.wait_for(|lost| *lost)).await.unwrap().unwrap();
}

/// F6: a disk that was full for one write takes the next, and what was kept would be of two times.
#[tokio::test]
async fn nothing_is_kept_after_a_write_that_was_lost() {
    let f = Fixture::new();
    let states = mine(&f);
    let limit = async |pragma: &'static str| {
        f.store.write(move |batch| Ok(batch.conn().query_row(pragma, [], |_| Ok(()))?)).await.unwrap();
    };
    put(&states, StateKey::new(SPACE, "before"), b"1").await;
    limit("PRAGMA max_page_count = 1").await;
    let mut large = states.batch();
    large.put(StateKey::new(SPACE, "pending message"), &vec![7; 1 << 20]);
    states.queue(large).await.unwrap();
    let mut small = states.batch();
    small.put(StateKey::new(SPACE, "before"), b"2");
    // It would fit.
    assert!(states.commit(small).await.is_err());
    limit("PRAGMA max_page_count = 1000000").await;
    let mut small = states.batch();
    small.put(StateKey::new(SPACE, "before"), b"3");
    assert!(matches!(states.commit(small).await, Err(StoreError::OutOfStep)));
    let anew = mine(&f);
    assert_eq!(anew.get(StateKey::new(SPACE, "before")).await.unwrap().unwrap(), b"1");
    put(&anew, StateKey::new(SPACE, "before"), b"4").await;
}

/// B5, E5: what a session that has ended still has to write does not bring the keys back that were given up.
#[tokio::test]
async fn who_knew_the_state_before_it_was_cleared_writes_nothing_more() {
    let f = Fixture::new();
    let (awaited, ordered) = (mine(&f), mine(&f).clone());
    put(&awaited, StateKey::new(SPACE, "device"), b"1").await;
    mine(&f).clear().await.unwrap();
    let mut late = ordered.batch();
    late.put(StateKey::new(SPACE, "device"), b"1");
    ordered.queue(late).await.unwrap();
    let mut late = awaited.batch();
    late.put(StateKey::new(SPACE, "session"), b"1");
    assert!(matches!(awaited.commit(late).await, Err(StoreError::Cleared)));
    assert!(matches!(awaited.delete_space(SPACE).await, Err(StoreError::OutOfStep)));
    let anew = mine(&f);
    assert!(anew.list(SPACE).await.unwrap().is_empty());
    assert!(*ordered.lost().borrow() && !*anew.lost().borrow());
    put(&anew, StateKey::new(SPACE, "device"), b"2").await;
}

/// B8: what must never step back is synced even where the store as a whole survives the process alone.
#[tokio::test]
async fn the_state_of_an_account_survives_a_power_cut_whatever_the_durability() {
    let f = Fixture::new();
    let synced = async |write: &str| {
        let before = f.store.counters().synced_commits;
        match write {
            "message" => drop(f.accept("1", "hello").await),
            "session" => put(&mine(&f), StateKey::new(SPACE, "a"), b"x").await,
            _ => drop(mine(&f).delete_space(SPACE).await.unwrap()),
        }
        f.store.counters().synced_commits - before
    };
    assert_eq!(synced("message").await, 0, "the fixture's durability is that of the process");
    assert_eq!(synced("session").await, 1);
    assert_eq!(synced("deletion").await, 1);
    let mode =
        f.store.write(|batch| Ok(batch.conn().query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0))?));
    assert_eq!(mode.await.unwrap(), 1, "NORMAL again, for what comes after");
}
