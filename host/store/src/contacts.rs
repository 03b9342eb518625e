//! Who has written, and what the operator has said of them.

use serde::{Deserialize, Serialize};
use switchhook_core::id::ChannelName;
use switchhook_core::message::{Party, Standing};
use switchhook_core::person::PersonId;
use switchhook_core::time::UnixMillis;

use crate::error::StoreError;
use crate::store::Store;

/// Somebody who has written on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// With the standing as it is now.
    pub party: Party,
    pub channel: ChannelName,
    pub first_seen: UnixMillis,
    /// To the hour.
    pub last_seen: UnixMillis,
}

impl Store {
    /// What the operator has said of a person known by these ids: one blocked id wins, then one approved. From memory.
    pub fn standing(&self, _ids: &mut dyn Iterator<Item = &PersonId>) -> Standing {
        todo!()
    }
    /// Notes that somebody has written; writes only what is new. Ordered.
    pub async fn remember_contact(&self, _party: &Party, _channel: &ChannelName) {
        todo!()
    }
    pub async fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        todo!()
    }
    /// Says what the operator thinks of a person, seen before or not. `Unknown` takes it back.
    pub async fn set_standing(&self, _id: &PersonId, _standing: Standing) -> Result<(), StoreError> {
        todo!()
    }
    /// Everybody of whom the operator has said something.
    pub async fn standings(&self) -> Result<Vec<(PersonId, Standing)>, StoreError> {
        todo!()
    }
}
