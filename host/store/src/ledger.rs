//! Which generations there were, and who did what.

use std::time::Duration;

use rusqlite::params;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use switchhook_core::time::UnixMillis;

use crate::error::StoreError;
use crate::seal::{Table, or_leave_out};
use crate::store::Store;
use crate::tag::to_sql_time;

/// An attempt to apply a config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerationRecord {
    pub number: u64,
    pub digest: String,
    pub cause: String,
    pub outcome: String,
    pub changes: serde_json::Value,
    pub took: Duration,
    pub at: UnixMillis,
}

/// Something an operator or the host did that somebody may ask about later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub at: UnixMillis,
    pub actor: String,
    /// Where it was asked from; none where it was asked within the host.
    #[serde(default)]
    pub address: Option<String>,
    #[serde(default)]
    pub user_agent: Option<String>,
    pub act: String,
    /// What it was done to.
    pub subject: String,
    pub detail: serde_json::Value,
}

const KEEP_GENERATION: &str = "INSERT INTO generations (id, at, body) VALUES (?1, ?2, ?3)";
const KEEP_AUDIT: &str = "INSERT INTO audits (id, at, body) VALUES (?1, ?2, ?3)";
const KEEP_ROUTINE: &str = "INSERT INTO audits (id, at, body, routine) VALUES (?1, ?2, ?3, 1)";

impl Store {
    pub async fn record_generation(&self, r: GenerationRecord) -> Result<(), StoreError> {
        let id = self.ids(Table::Generations, 1);
        let sealing = self.vault().sealing();
        let sealed = sealing.seal_json(Table::Generations.cell(id, "body"), &r)?;
        self.write(move |batch| batch.execute(KEEP_GENERATION, params![id, to_sql_time(r.at), sealed]).map(drop)).await
    }

    /// The newest first, those of earlier processes included.
    pub async fn generations(&self, limit: u32) -> Result<Vec<GenerationRecord>, StoreError> {
        self.newest(Table::Generations, "SELECT id, body FROM generations ORDER BY id DESC LIMIT ?1", limit).await
    }

    /// What somebody did. Ordered.
    pub async fn audit(&self, e: AuditEntry) {
        self.keep_audit(e, KEEP_AUDIT).await;
    }

    /// What the host does with every message: forgotten sooner, and left out where only people's acts are asked for.
    /// Ordered.
    pub async fn audit_routine(&self, e: AuditEntry) {
        self.keep_audit(e, KEEP_ROUTINE).await;
    }

    async fn keep_audit(&self, e: AuditEntry, sql: &'static str) {
        let id = self.ids(Table::Audits, 1);
        let sealing = self.vault().sealing();
        match sealing.seal_json(Table::Audits.cell(id, "body"), &e) {
            Ok(sealed) => {
                let at = to_sql_time(e.at);
                self.order("audit", move |batch| batch.execute(sql, params![id, at, sealed]).map(drop)).await;
            }
            Err(error) => tracing::error!(%error, act = e.act, "an audit entry can't be sealed"),
        }
    }

    /// The newest first.
    pub async fn audits(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.newest(Table::Audits, "SELECT id, body FROM audits ORDER BY id DESC LIMIT ?1", limit).await
    }

    /// The same without what is written of every message.
    pub async fn audits_of_people(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        const RARE: &str = "SELECT id, body FROM audits WHERE routine = 0 ORDER BY id DESC LIMIT ?1";
        self.newest(Table::Audits, RARE, limit).await
    }

    pub(crate) async fn newest<T>(&self, table: Table, sql: &'static str, limit: u32) -> Result<Vec<T>, StoreError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let vault = self.vault().clone();
        self.read_settled(move |conn| {
            let mut statement = conn.prepare_cached(sql)?;
            let mut rows = statement.query([limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, sealed): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
                found.extend(or_leave_out(vault.open_json(table.cell(id, "body"), &sealed))?);
            }
            Ok(found)
        })
        .await
    }
}
