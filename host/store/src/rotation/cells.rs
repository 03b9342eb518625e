//! Every cell that is sealed, and how a slice of them is sealed anew.

use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};
use zeroize::Zeroizing;

use crate::account::record::cell_of;
use crate::error::StoreError;
use crate::seal::{Cell, Sealer, Table, Vault};
use crate::tag::Tag;
use crate::writer::Batch;

/// A table with numbered rows, as a rotation sees it.
pub(super) struct Plan {
    table: Table,
    /// What a row is named by where its cells are bound to it: a number or a tag.
    name: &'static str,
    /// The column that says whose key seals; none where that is nobody's.
    owner: Option<&'static str>,
    /// The sealed columns, and whether they are the owner's.
    columns: &'static [(&'static str, Whose)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Owners,
    Nobodys,
}
use Whose::{Nobodys, Owners};

/// The state of accounts, whose rows have no numbers, is not among them.
const PLANS: &[Plan] = &[
    Plan {
        table: Table::Inbox,
        name: "id",
        owner: Some("account"),
        columns: &[("head", Owners), ("body", Owners), ("reason", Nobodys), ("trace", Nobodys)],
    },
    Plan {
        table: Table::Outbox,
        name: "id",
        owner: Some("account"),
        columns: &[("head", Owners), ("body", Owners), ("reason", Nobodys), ("provider_id", Nobodys)],
    },
    Plan { table: Table::Kv, name: "key", owner: Some("owner"), columns: &[("value", Owners)] },
    Plan { table: Table::History, name: "id", owner: Some("owner"), columns: &[("body", Owners)] },
    Plan { table: Table::Contacts, name: "key", owner: None, columns: &[("body", Nobodys)] },
    Plan { table: Table::Standings, name: "person", owner: None, columns: &[("body", Nobodys)] },
    Plan { table: Table::Timers, name: "id", owner: Some("account"), columns: &[("body", Owners)] },
    Plan { table: Table::Generations, name: "id", owner: None, columns: &[("body", Nobodys)] },
    Plan { table: Table::Audits, name: "id", owner: None, columns: &[("body", Nobodys)] },
    Plan { table: Table::Links, name: "id", owner: Some("account"), columns: &[("body", Owners)] },
    Plan { table: Table::Devices, name: "id", owner: Some("account"), columns: &[("body", Owners)] },
];

/// The sealed columns of the tables here.
#[cfg(test)]
pub(crate) fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    PLANS.iter().flat_map(|plan| plan.columns.iter().map(|(column, _)| (plan.table.name(), *column)))
}

/// What a slice came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) resealed: u64,
    pub(super) unreadable: u64,
}

/// A walk through one table, and how far it is.
pub(super) enum Sweep {
    Rows { plan: &'static Plan, after: i64 },
    States { after: Option<StateName> },
}

pub(super) type StateName = (Tag, String, Tag, Tag);

impl Sweep {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        // Credentials first: they are worth the most.
        let rows = PLANS.iter().map(|plan| Self::Rows { plan, after: 0 });
        std::iter::once(Self::States { after: None }).chain(rows)
    }

    /// Looks at the next `rows` rows; gives the rest of the walk, none at its end.
    pub(super) fn slice(
        self,
        batch: &mut Batch<'_>,
        vault: &Vault,
        rows: usize,
    ) -> Result<(Count, Option<Self>), StoreError> {
        let mut count = Count::default();
        let next = match self {
            Self::Rows { plan, after } => {
                rows_after(batch, vault, plan, after, rows, &mut count)?.map(|after| Self::Rows { plan, after })
            }
            Self::States { after } => {
                states_after(batch, vault, after, rows, &mut count)?.map(|after| Self::States { after: Some(after) })
            }
        };
        Ok((count, next))
    }
}

/// A row as it lies.
struct Found {
    number: i64,
    name: Value,
    owner: Option<Tag>,
    cells: Vec<Option<Vec<u8>>>,
}

fn found(row: &Row<'_>, plan: &Plan) -> rusqlite::Result<Found> {
    let cells = (0..plan.columns.len()).map(|n| row.get(n + 3)).collect::<Result<_, _>>()?;
    Ok(Found { number: row.get(0)?, name: row.get(1)?, owner: row.get(2)?, cells })
}

fn rows_after(
    batch: &mut Batch<'_>,
    vault: &Vault,
    plan: &Plan,
    after: i64,
    rows: usize,
    count: &mut Count,
) -> Result<Option<i64>, StoreError> {
    let table = plan.table.name();
    let columns = plan.columns.iter().map(|(column, _)| *column).collect::<Vec<_>>();
    let (name, owner) = (plan.name, plan.owner.unwrap_or("NULL"));
    let select = format!(
        "SELECT rowid, {name}, {owner}, {} FROM {table} WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
        columns.join(", ")
    );
    let mut statement = batch.sql(&select)?;
    let slice = statement.query_map(params![after, rows as i64], |row| found(row, plan))?;
    let slice = slice.collect::<Result<Vec<_>, _>>()?;
    for row in &slice {
        reseal_row(batch, vault, plan, row, count)?;
    }
    Ok(slice.last().filter(|_| slice.len() == rows).map(|row| row.number))
}

fn reseal_row(batch: &Batch<'_>, vault: &Vault, plan: &Plan, row: &Found, count: &mut Count) -> Result<(), StoreError> {
    for ((column, whose), sealed) in plan.columns.iter().zip(&row.cells) {
        let Some(sealed) = sealed.as_ref().filter(|sealed| is_old(vault, sealed)) else { continue };
        let Some(cell) = plan.cell(row, column) else { continue };
        let owners = match (*whose, row.owner) {
            (Nobodys, _) => vec![Tag::NONE],
            (Owners, Some(owner)) => vec![owner],
            (Owners, None) => everybody(batch)?,
        };
        let Some((owner, sealed)) = anew(vault, owners.iter().map(|owner| (*owner, cell.of(*owner))), sealed) else {
            count.unreadable += 1;
            continue;
        };
        let table = plan.table.name();
        batch.execute(&format!("UPDATE {table} SET {column} = ?2 WHERE rowid = ?1"), params![row.number, sealed])?;
        if let (Owners, None, Some(name)) = (*whose, row.owner, plan.owner) {
            batch.execute(&format!("UPDATE {table} SET {name} = ?2 WHERE rowid = ?1"), params![row.number, owner])?;
        }
        count.resealed += 1;
    }
    Ok(())
}

impl Plan {
    /// None where the name is none: nobody of ours wrote it.
    fn cell(&self, row: &Found, column: &'static str) -> Option<Cell> {
        match &row.name {
            Value::Integer(id) => Some(self.table.cell(*id, column)),
            Value::Blob(tag) => Some(self.table.cell(Tag(tag.as_slice().try_into().ok()?), column)),
            _ => None,
        }
    }
}

/// Whoever may own a row that was written before rows said so.
fn everybody(batch: &Batch<'_>) -> Result<Vec<Tag>, StoreError> {
    let mut statement = batch.sql(
        "SELECT account FROM inbox UNION SELECT account FROM outbox UNION SELECT account FROM timers
         UNION SELECT account FROM links UNION SELECT account FROM devices UNION SELECT account FROM account_state",
    )?;
    let mut all = vec![Tag::NONE];
    all.extend(statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<Tag>, _>>()?);
    Ok(all)
}

fn states_after(
    batch: &mut Batch<'_>,
    vault: &Vault,
    after: Option<StateName>,
    rows: usize,
    count: &mut Count,
) -> Result<Option<StateName>, StoreError> {
    let (clause, mut values) = match after {
        None => ("", Vec::new()),
        Some((account, space, scope, name)) => (
            "WHERE (account, space, scope, name) > (?2, ?3, ?4, ?5)",
            vec![blob(account), Value::Text(space), blob(scope), blob(name)],
        ),
    };
    values.insert(0, Value::Integer(rows as i64));
    let select = format!(
        "SELECT account, space, scope, name, value FROM account_state {clause}
         ORDER BY account, space, scope, name LIMIT ?1"
    );
    let mut statement = batch.sql(&select)?;
    let slice = statement.query_map(params_from_iter(values), |row| {
        Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), row.get(4)?))
    })?;
    let slice = slice.collect::<Result<Vec<(StateName, Vec<u8>)>, _>>()?;
    for (name, sealed) in slice.iter().filter(|(_, sealed)| is_old(vault, sealed)) {
        reseal_state(batch, vault, name, sealed, count)?;
    }
    let whole = slice.len() == rows;
    Ok(slice.into_iter().next_back().filter(|_| whole).map(|(name, _)| name))
}

fn reseal_state(
    batch: &Batch<'_>,
    vault: &Vault,
    (account, space, scope, name): &StateName,
    sealed: &[u8],
    count: &mut Count,
) -> Result<(), StoreError> {
    let cell = cell_of(vault, *account, space, *scope, *name);
    let Some((_, sealed)) = anew(vault, std::iter::once((*account, cell)), sealed) else {
        count.unreadable += 1;
        return Ok(());
    };
    batch.execute(
        "UPDATE account_state SET value = ?5 WHERE account = ?1 AND space = ?2 AND scope = ?3 AND name = ?4",
        params![account, space, scope, name, sealed],
    )?;
    count.resealed += 1;
    Ok(())
}

fn blob(tag: Tag) -> Value {
    Value::Blob(tag.0.to_vec())
}

fn is_old(vault: &Vault, sealed: &[u8]) -> bool {
    Sealer::key_of(sealed) != Some(vault.sealer().current())
}

/// Opens it where it opens, and seals it there with the newest key.
fn anew(vault: &Vault, mut places: impl Iterator<Item = (Tag, Cell)>, sealed: &[u8]) -> Option<(Tag, Vec<u8>)> {
    places.find_map(|(owner, cell)| {
        let plain = Zeroizing::new(vault.open(cell, sealed).ok()?);
        Some((owner, vault.sealing().seal(cell, &plain)))
    })
}
