//! Whose device an account is, or was last.

use rusqlite::params;
use serde::{Deserialize, Serialize};
use switchhook_core::id::{AccountId, ChannelName, DeviceId};
use switchhook_core::link::{LinkMethodName, LinkedDevice};
use switchhook_core::time::UnixMillis;

use crate::error::StoreError;
use crate::seal::{Cell, Table, or_leave_out};
use crate::store::Store;
use crate::tag::Tag;

/// What is remembered of a device (B4). Its keys are not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    pub id: DeviceId,
    pub channel: ChannelName,
    pub account: AccountId,
    pub linked: LinkedDevice,
    /// None where it was linked before this was remembered.
    pub method: Option<LinkMethodName>,
    pub linked_at: UnixMillis,
    pub last_connected_at: Option<UnixMillis>,
    pub last_disconnected_at: Option<UnixMillis>,
    /// The end of the link; none while it stands.
    pub end: Option<DeviceEnd>,
}

/// How a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEnd {
    pub at: UnixMillis,
    pub by: EndedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// The phone, or its service.
    Phone,
    /// `unlink`.
    Unlink,
    /// `reset`, or another number that took its place.
    Reset,
}

const KEEP: &str = "INSERT INTO devices (id, account, body) VALUES (?1, ?2, ?3)
    ON CONFLICT (id) DO UPDATE SET body = excluded.body";
/// Of each account the newest.
const NEWEST: &str = "SELECT id, account, body FROM devices
    WHERE id IN (SELECT max(id) FROM devices GROUP BY account) ORDER BY id";

impl Store {
    /// For a device that is new.
    pub fn next_device_id(&self) -> DeviceId {
        DeviceId(self.ids(Table::Devices, 1))
    }

    /// Remembers a device, or what has become of it. Awaited.
    pub async fn keep_device(&self, record: &DeviceRecord) -> Result<(), StoreError> {
        let (id, account) = (record.id.0, self.vault().account(&record.account));
        let sealing = self.vault().sealing();
        let sealed = sealing.seal_json(cell(id, account), record)?;
        self.write(move |batch| batch.execute(KEEP, params![id, account, sealed]).map(drop)).await
    }

    /// The same, ordered.
    pub async fn keep_device_later(&self, record: &DeviceRecord) {
        let (id, account) = (record.id.0, self.vault().account(&record.account));
        let sealing = self.vault().sealing();
        match sealing.seal_json(cell(id, account), record) {
            Ok(sealed) => {
                self.order("device", move |batch| batch.execute(KEEP, params![id, account, sealed]).map(drop)).await;
            }
            Err(error) => tracing::error!(%error, "a device can't be sealed"),
        }
    }

    /// The last device of each account, whether its link stands or not.
    pub async fn devices(&self) -> Result<Vec<DeviceRecord>, StoreError> {
        let vault = self.vault().clone();
        self.read_settled(move |conn| {
            let mut statement = conn.prepare_cached(NEWEST)?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, account, sealed): (i64, Tag, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                found.extend(or_leave_out(vault.open_json(cell(id, account), &sealed))?);
            }
            Ok(found)
        })
        .await
    }
}

fn cell(id: i64, account: Tag) -> Cell {
    Table::Devices.cell(id, "body").of(account)
}
