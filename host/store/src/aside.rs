//! Rows of the inbox that nobody decides about: what the owner of an account wrote elsewhere.

use switchhook_core::id::InboxId;

use crate::error::StoreError;
use crate::inbox;
use crate::journal::{InboxState, NewMessage};
use crate::seal::Table;
use crate::store::Store;

impl Store {
    /// Keeps what the owner wrote elsewhere, for the log. Awaited; what is there already is a success.
    pub async fn note_own(&self, batch: Vec<NewMessage>) -> Result<(), StoreError> {
        let (now, first) = (self.now(), self.ids(Table::Inbox, batch.len()));
        let sealing = self.vault().sealing();
        let sealed = batch.into_iter().zip(first..);
        let rows = sealed.map(|(new, id)| inbox::NewRow::seal(&sealing, InboxId(id), new, now));
        let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        self.write(move |batch| rows.iter().try_for_each(|row| row.put(batch, InboxState::Own).map(drop))).await
    }
}
