//! Bringing a log to disk outside of SQLite's own commits.
#![allow(unsafe_code, reason = "SQLite gives a connection's log as a C structure only")]

use std::ffi::c_int;
use std::ptr;

use rusqlite::Connection;
use rusqlite::ffi::{
    Error, SQLITE_CANTOPEN, SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_OK, SQLITE_SYNC_NORMAL, sqlite3_file,
    sqlite3_file_control,
};

use crate::vfs::{self, Log};

/// Brings to disk what was committed without a sync (`synchronous = NORMAL`): a power cut no longer takes it back. By the
/// file that SQLite itself has, so that a failure is seen by whoever comes first, and once.
pub fn sync(conn: &Connection) -> rusqlite::Result<()> {
    // SAFETY: the connection is borrowed, so nobody else uses its log.
    done(unsafe { vfs::sync(log(conn)?.cast(), SQLITE_SYNC_NORMAL) })
}

/// For tests: from now on syncs of the log fail, as on a disk that loses what it is given; or they no longer do.
pub fn fail_syncs(conn: &Connection, fail: bool) -> rusqlite::Result<()> {
    // SAFETY: as above, and the log is one of ours.
    unsafe { (*log(conn)?).fails = fail };
    Ok(())
}

/// The open log of a connection. Fails where it has none, or one that is not ours.
fn log(conn: &Connection) -> rusqlite::Result<*mut Log> {
    let mut file: *mut sqlite3_file = ptr::null_mut();
    // SAFETY: the handle is valid while the connection is borrowed; SQLite puts a pointer where it is told.
    done(unsafe {
        sqlite3_file_control(conn.handle(), c"main".as_ptr(), SQLITE_FCNTL_JOURNAL_POINTER, (&raw mut file).cast())
    })?;
    // SAFETY: SQLite gives a pointer to a file of its own, or none.
    let ours = unsafe { file.as_ref() }.is_some_and(|file| ptr::eq(file.pMethods, &raw const vfs::METHODS));
    if ours { Ok(file.cast()) } else { Err(failure(SQLITE_CANTOPEN)) }
}

fn done(code: c_int) -> rusqlite::Result<()> {
    if code == SQLITE_OK { Ok(()) } else { Err(failure(code)) }
}

fn failure(code: c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(Error::new(code), None)
}
