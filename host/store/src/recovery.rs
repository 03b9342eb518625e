//! What opening does with what the process before left.

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;

use rusqlite::{Connection, OptionalExtension, Row};
use switchhook_core::message::Standing;

use crate::error::StoreError;
use crate::journal::{DeliveryState, InboxState};
use crate::memory::{Memory, Seen};
use crate::seal::Table;
use crate::store::Recovered;
use crate::tag::{Tag, from_sql_time};
use crate::traffic;

/// What was leaving is `unknown` now: its attempt was counted when it was armed. Work on what waits may have begun, which
/// nothing says of a first time. Then memory is filled.
pub(crate) fn recover(conn: &mut Connection, memory: &Memory) -> Result<Recovered, StoreError> {
    let unknown = conn.execute(
        "UPDATE outbox SET state = ?1, unknowns = unknowns + 1 WHERE state = ?2",
        [DeliveryState::Unknown, DeliveryState::Armed],
    )?;
    conn.execute("UPDATE inbox SET attempts = 1 WHERE state = ?1 AND attempts = 0", [InboxState::Pending])?;
    let pending = InboxState::Pending.as_str();
    let backlog = format!("SELECT account, COUNT(*) FROM inbox WHERE state = '{pending}' GROUP BY account");
    *memory.backlog.lock() = collect(conn, &backlog, |row| row.get(1))?;
    *memory.kv_usage.lock() = collect(conn, "SELECT plugin, SUM(size) FROM kv GROUP BY plugin", |row| row.get(1))?;
    *memory.standings.write() = collect(conn, "SELECT person, standing FROM standings", |row| {
        row.get::<_, String>(1).map(|text| standing(&text))
    })?;
    *memory.contacts.lock() = collect(conn, "SELECT key, print, last_seen FROM contacts", |row| {
        Ok(Seen { print: row.get(1)?, last: from_sql_time(row.get(2)?) })
    })?;
    *memory.traffic.lock() = traffic::load(conn)?;
    let waiting = memory.backlog.lock().values().sum::<i64>() as usize;
    Ok(Recovered { unknown, waiting })
}

/// The next id of each table. SQLite remembers the highest there ever was, so that none comes twice.
pub(crate) fn next_ids(conn: &Connection) -> Result<HashMap<Table, AtomicI64>, StoreError> {
    let tables = [
        Table::Inbox,
        Table::Outbox,
        Table::History,
        Table::Timers,
        Table::Generations,
        Table::Audits,
        Table::Links,
        Table::Devices,
    ];
    let mut next = HashMap::new();
    for table in tables {
        let highest: Option<i64> = conn
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = ?1", [table.name()], |row| row.get(0))
            .optional()?;
        next.insert(table, AtomicI64::new(highest.unwrap_or(0) + 1));
    }
    Ok(next)
}

/// How a standing is written. What can't be read is `Blocked`: it was said for a reason.
pub(crate) fn standing(text: &str) -> Standing {
    match text {
        "unknown" => Standing::Unknown,
        "approved" => Standing::Approved,
        _ => Standing::Blocked,
    }
}

/// The reverse of [`standing`]; nothing is written of what is unknown.
pub(crate) fn standing_text(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Unknown => None,
        Standing::Approved => Some("approved"),
        Standing::Blocked => Some("blocked"),
    }
}

fn collect<T>(
    conn: &Connection,
    sql: &str,
    value: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<HashMap<Tag, T>, StoreError> {
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, value(row)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
