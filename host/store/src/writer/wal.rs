//! The write-ahead log: how long it has grown, and what a commit to it takes.

use std::cell::Cell;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::ffi::SQLITE_BUSY;

use crate::error::StoreError;

/// From so many pages on it is folded into the journal: SQLite's own number.
const FOLD_AT: i32 = 1000;

/// A commit that takes no longer may be done on a lane's thread: so long a guest may have it at a time, too.
const QUICK: Duration = Duration::from_micros(500);

thread_local! {
    /// Pages in the log after the last commit of this thread. SQLite's hook takes no state of ours.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

pub(super) struct Wal {
    /// Pages in it, as of the last commit.
    pages: Cell<i32>,
    /// What a commit takes, as a moving average; none before the first.
    usual: Cell<Option<Duration>>,
}

impl Wal {
    /// The log of this connection. SQLite no longer folds it by itself: in a commit, whoever waits for that would wait for the
    /// whole of it.
    pub(super) fn of(conn: &Connection) -> Self {
        conn.wal_hook(Some(|_, pages| {
            PAGES.set(pages);
            Ok(())
        }));
        Self { pages: Cell::new(0), usual: Cell::new(None) }
    }

    /// A commit of this thread went through. How long it took is told of those that keep what the store keeps: one that is
    /// not synced says nothing of one that is.
    pub(super) fn committed(&self, took: Option<Duration>) {
        // The hook is not called for a commit of nothing.
        match PAGES.take() {
            0 => return,
            pages => self.pages.set(pages),
        }
        if let Some(took) = took {
            let usual = self.usual.get().map_or(took, |usual| (usual * 3 + took) / 4);
            self.usual.set(Some(usual));
        }
    }

    /// Whether commits are known to be quick here.
    pub(super) fn is_quick(&self) -> bool {
        self.usual.get().is_some_and(|usual| usual <= QUICK)
    }

    /// Has commits been as quick as this.
    #[cfg(test)]
    pub(super) fn assume(&self, usual: Duration) {
        self.usual.set(Some(usual));
    }

    /// Folds it where it is long, as far as nobody reads from it.
    pub(super) fn fold(&self, conn: &Connection) -> rusqlite::Result<()> {
        if self.pages.get() < FOLD_AT {
            return Ok(());
        }
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }

    /// Brings all of it into the journal, and begins at its start. Waits for whoever reads from it.
    pub(super) fn begin_anew(&self, conn: &Connection) -> Result<(), StoreError> {
        match conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))? {
            0 => Ok(()),
            _busy => Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(SQLITE_BUSY), None).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(folder: &std::path::Path) -> Connection {
        let conn = Connection::open(folder.join("db")).unwrap();
        conn.pragma_update(None, "journal_mode", "WAL").unwrap();
        conn
    }

    #[test]
    fn what_a_commit_takes_is_an_average_of_the_last_few() {
        let folder = tempfile::tempdir().unwrap();
        let conn = logged(folder.path());
        let wal = Wal::of(&conn);
        let commit = |took| {
            conn.execute_batch("CREATE TABLE IF NOT EXISTS t (x); INSERT INTO t VALUES (1)").unwrap();
            wal.committed(took);
        };
        commit(None);
        assert!(!wal.is_quick(), "nothing is known");
        commit(Some(QUICK / 2));
        assert!(wal.is_quick());
        commit(Some(QUICK * 8));
        assert!(!wal.is_quick(), "a disk that stalls");
        (0..20).for_each(|_| commit(None));
        assert!(!wal.is_quick(), "what is not synced says nothing");
        (0..20).for_each(|_| commit(Some(QUICK / 2)));
        assert!(wal.is_quick(), "it has passed");
        wal.committed(Some(QUICK * 1000));
        assert!(wal.is_quick(), "a commit of nothing says nothing");
    }

    #[test]
    fn a_long_log_is_folded_and_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        let conn = logged(folder.path());
        let wal = Wal::of(&conn);
        let insert = |pages: i32| {
            conn.execute("INSERT INTO t VALUES (zeroblob(?1))", [i64::from(pages) * 4096]).unwrap();
            wal.committed(None);
            wal.fold(&conn).unwrap();
            wal.pages.get()
        };
        conn.execute_batch("CREATE TABLE t (x)").unwrap();
        assert!((FOLD_AT..FOLD_AT + 50).contains(&insert(FOLD_AT)), "{}", wal.pages.get());
        assert!(insert(1) < 20, "it was folded");
        assert!(insert(10) < 40, "a short one goes on");
    }
}
