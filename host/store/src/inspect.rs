//! Looks at a file before anything is written to it: whether it is a journal at all, one that this version knows, and
//! whole.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::error::StoreError;

/// Where the first versions noted the migrations that a journal had had.
const HISTORY: &str = "refinery_schema_history";
/// Every journal has these, of whatever version.
const OURS: [&str; 2] = ["meta", "inbox"];
const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
/// A journal of up to so many bytes is read through at the start, which takes a tenth of a second then. Damage to a
/// larger one shows when it is met.
const READ_THROUGH: u64 = 64 << 20;

/// Refuses a file that is not for this version, and one that is broken, before anything is changed. `newest` is the last
/// migration that this version knows.
pub(crate) fn inspect(conn: &Connection, file: &Path, newest: i64) -> Result<(), StoreError> {
    // Else closing it would bring the log of whatever it is into it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let tables: Vec<String> = {
        let mut names = conn.prepare(TABLES)?;
        names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    if tables.is_empty() {
        // Made by another program that has not got to its tables yet, or has emptied them.
        if user_version(conn)? != 0 {
            return Err(StoreError::Foreign { file: file.to_owned() });
        }
    } else {
        let has = |name: &str| tables.iter().any(|table| table == name);
        let at = if has(HISTORY) { noted(conn)? } else { user_version(conn)? };
        match at {
            0 if tables == [HISTORY] => {} // The first start of a first version was cut short.
            0 => return Err(StoreError::Foreign { file: file.to_owned() }),
            _ if !OURS.iter().all(|ours| has(ours)) => return Err(StoreError::Foreign { file: file.to_owned() }),
            has if has > newest => return Err(StoreError::Newer { file: file.to_owned(), has, newest }),
            _ => {}
        }
        whole(conn, file)?;
    }
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

/// How many migrations the journal has had, as the first versions noted it.
fn noted(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row(&format!("SELECT coalesce(max(version), 0) FROM {HISTORY}"), [], |row| row.get(0))
}

fn user_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Has a journal of a first version note its own as all others do.
pub(crate) fn bring_version_over(conn: &mut Connection) -> rusqlite::Result<()> {
    if !conn.table_exists(None, HISTORY)? {
        return Ok(());
    }
    let transaction = conn.transaction()?;
    transaction.pragma_update(None, "user_version", noted(&transaction)?)?;
    transaction.execute_batch(&format!("DROP TABLE {HISTORY}"))?;
    transaction.commit()
}

fn whole(conn: &Connection, file: &Path) -> Result<(), StoreError> {
    let size = std::fs::metadata(file).map_or(0, |found| found.len());
    if size > READ_THROUGH {
        return Ok(());
    }
    let said: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if said == "ok" { Ok(()) } else { Err(StoreError::Damaged { reason: said }) }
}
