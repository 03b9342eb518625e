//! Looks at a file before anything is written to it: whether it is a journal at all, one that this version knows, and
//! whole.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::error::StoreError;

/// Where the migrations are noted that a journal has had.
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
    if !tables.is_empty() {
        let has = |name: &str| tables.iter().any(|table| table == name);
        let at: Option<i64> = match has(HISTORY) {
            true => conn.query_row(&format!("SELECT max(version) FROM {HISTORY}"), [], |row| row.get(0))?,
            false => None,
        };
        match at {
            Some(has) if has > newest => return Err(StoreError::Newer { file: file.to_owned(), has, newest }),
            Some(_) if OURS.iter().all(|ours| has(ours)) => {}
            // The first start was cut short.
            None if tables == [HISTORY] => {}
            _ => return Err(StoreError::Foreign { file: file.to_owned() }),
        }
        whole(conn, file)?;
    }
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

fn whole(conn: &Connection, file: &Path) -> Result<(), StoreError> {
    let size = std::fs::metadata(file).map_or(0, |found| found.len());
    if size > READ_THROUGH {
        return Ok(());
    }
    let said: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if said == "ok" { Ok(()) } else { Err(StoreError::Damaged { reason: said }) }
}
