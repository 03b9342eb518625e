//! Sessions, identities, prekeys and sender keys. A ratchet that goes back in time is lost: all of it is awaited, but for
//! the removal of prekeys that are used up, which the session written after them covers.

use std::sync::Arc;

use bytes::Bytes;
use switchhook_store::{StateBatch, StateKey, StatePlain};
use whatsapp_rust::async_trait;
use whatsapp_rust::traits::SignalStore;
use whatsapp_rust::wacore::store::error::Result;

use super::{SealedBackend, failed, misshapen};

const IDENTITY: &str = "identity";
const SESSION: &str = "session";
const PREKEY: &str = "prekey";
const SIGNED_PREKEY: &str = "signed-prekey";
const SENDER_KEY: &str = "sender-key";

/// By user, so that everything there is of one is found whatever the device: `user@server` or `user:device@server`.
fn by_user<'a>(space: &'static str, address: &'a str) -> StateKey<'a> {
    let user = address.find(['@', ':']).map_or("", |end| &address[..end]);
    StateKey::scoped(space, user, address)
}

fn put_prekey(batch: &mut StateBatch<'_>, id: u32, record: &[u8], uploaded: bool) {
    let name = id.to_string();
    let key = StateKey::new(PREKEY, &name);
    batch.put_plain(key, record, StatePlain::number(id));
    if uploaded {
        batch.mark_uploaded(key);
    }
}

#[async_trait]
impl SignalStore for SealedBackend {
    async fn put_identity(&self, address: &str, key: [u8; 32]) -> Result<()> {
        let mut batch = self.states.batch();
        batch.put(by_user(IDENTITY, address), &key);
        self.commit(batch).await
    }

    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        let mut batch = self.states.batch();
        for (address, key) in identities {
            batch.put(by_user(IDENTITY, address), key);
        }
        self.commit(batch).await
    }

    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        let found = self.states.get(by_user(IDENTITY, address)).await.map_err(failed)?;
        found.map(|key| key.as_slice().try_into().map_err(|_| misshapen("identity"))).transpose()
    }

    async fn delete_identity(&self, address: &str) -> Result<()> {
        let mut batch = self.states.batch();
        batch.delete(by_user(IDENTITY, address));
        self.commit(batch).await
    }

    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        Ok(self.states.get(by_user(SESSION, address)).await.map_err(failed)?.map(Bytes::from))
    }

    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        let mut batch = self.states.batch();
        batch.put(by_user(SESSION, address), session);
        self.commit(batch).await
    }

    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        let mut batch = self.states.batch();
        for (address, session) in sessions {
            batch.put(by_user(SESSION, address), session);
        }
        self.commit(batch).await
    }

    async fn delete_session(&self, address: &str) -> Result<()> {
        let mut batch = self.states.batch();
        batch.delete(by_user(SESSION, address));
        self.commit(batch).await
    }

    async fn has_session(&self, address: &str) -> Result<bool> {
        Ok(self.states.get(by_user(SESSION, address)).await.map_err(failed)?.is_some())
    }

    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        Ok(self.states.any_in_scope(SESSION, user).await.map_err(failed)?
            || self.states.any_in_scope(IDENTITY, user).await.map_err(failed)?)
    }

    async fn store_prekey(&self, id: u32, record: &[u8], uploaded: bool) -> Result<()> {
        let mut batch = self.states.batch();
        put_prekey(&mut batch, id, record, uploaded);
        self.commit(batch).await
    }

    async fn store_prekeys_batch(&self, keys: &[(u32, Bytes)], uploaded: bool) -> Result<()> {
        let mut batch = self.states.batch();
        for (id, record) in keys {
            put_prekey(&mut batch, *id, record, uploaded);
        }
        self.commit(batch).await
    }

    async fn load_prekey(&self, id: u32) -> Result<Option<Bytes>> {
        let found = self.states.get(StateKey::new(PREKEY, &id.to_string())).await.map_err(failed)?;
        Ok(found.map(Bytes::from))
    }

    async fn load_prekeys_batch(&self, ids: &[u32]) -> Result<Vec<(u32, Bytes)>> {
        let names: Vec<String> = ids.iter().map(u32::to_string).collect();
        let keys: Vec<_> = names.iter().map(|name| StateKey::new(PREKEY, name)).collect();
        let found = self.states.get_all(&keys).await.map_err(failed)?;
        Ok(found.into_iter().map(|(index, record)| (ids[index], record.into())).collect())
    }

    async fn mark_prekeys_uploaded(&self, ids: &[u32]) -> Result<()> {
        let mut batch = self.states.batch();
        for id in ids {
            batch.mark_uploaded(StateKey::new(PREKEY, &id.to_string()));
        }
        self.commit(batch).await
    }

    async fn remove_prekey(&self, id: u32) -> Result<()> {
        let mut batch = self.states.batch();
        batch.delete(StateKey::new(PREKEY, &id.to_string()));
        self.queue(batch).await
    }

    async fn get_max_prekey_id(&self) -> Result<u32> {
        Ok(self.states.highest(PREKEY).await.map_err(failed)?.unwrap_or(0))
    }

    async fn store_signed_prekey(&self, id: u32, record: &[u8]) -> Result<()> {
        let mut batch = self.states.batch();
        batch.put_plain(StateKey::new(SIGNED_PREKEY, &id.to_string()), record, StatePlain::number(id));
        self.commit(batch).await
    }

    async fn load_signed_prekey(&self, id: u32) -> Result<Option<Vec<u8>>> {
        self.states.get(StateKey::new(SIGNED_PREKEY, &id.to_string())).await.map_err(failed)
    }

    async fn load_all_signed_prekeys(&self) -> Result<Vec<(u32, Vec<u8>)>> {
        let all = self.states.list(SIGNED_PREKEY).await.map_err(failed)?;
        Ok(all.into_iter().filter_map(|entry| Some((entry.number?, entry.value))).collect())
    }

    async fn remove_signed_prekey(&self, id: u32) -> Result<()> {
        let mut batch = self.states.batch();
        batch.delete(StateKey::new(SIGNED_PREKEY, &id.to_string()));
        self.commit(batch).await
    }

    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        let mut batch = self.states.batch();
        batch.put(StateKey::new(SENDER_KEY, address), record);
        self.commit(batch).await
    }

    async fn put_sender_keys_batch(&self, sender_keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        let mut batch = self.states.batch();
        for (address, record) in sender_keys {
            batch.put(StateKey::new(SENDER_KEY, address), record);
        }
        self.commit(batch).await
    }

    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        self.states.get(StateKey::new(SENDER_KEY, address)).await.map_err(failed)
    }

    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        let mut batch = self.states.batch();
        batch.delete(StateKey::new(SENDER_KEY, address));
        self.commit(batch).await
    }
}
