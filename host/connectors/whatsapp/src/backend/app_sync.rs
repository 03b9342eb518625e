//! What the phone keeps in step with its devices: keys, versions and MACs of the app state.

use std::collections::HashMap;

use switchhook_store::StateKey;
use whatsapp_rust::async_trait;
use whatsapp_rust::traits::{AppStateSyncKey, AppSyncStore};
use whatsapp_rust::wacore::appstate::hash::HashState;
use whatsapp_rust::wacore::appstate::processor::AppStateMutationMAC;
use whatsapp_rust::wacore::store::error::Result;

use super::{SealedBackend, failed, from_json, to_json};

const SYNC_KEY: &str = "sync-key";
const LATEST_SYNC_KEY: StateKey<'static> = StateKey { space: "latest-sync-key", scope: "", name: "" };
const VERSION: &str = "app-version";
const MAC: &str = "app-mac";

#[async_trait]
impl AppSyncStore for SealedBackend {
    async fn get_sync_key(&self, key_id: &[u8]) -> Result<Option<AppStateSyncKey>> {
        let found = self.states.get(StateKey::new(SYNC_KEY, &hex::encode(key_id))).await.map_err(failed)?;
        found.map(|key| from_json(&key)).transpose()
    }

    async fn set_sync_key(&self, key_id: &[u8], key: AppStateSyncKey) -> Result<()> {
        let mut batch = self.states.batch();
        batch.put(StateKey::new(SYNC_KEY, &hex::encode(key_id)), &to_json(&key)?).put(LATEST_SYNC_KEY, key_id);
        self.commit(batch).await
    }

    async fn get_version(&self, name: &str) -> Result<HashState> {
        let found = self.states.get(StateKey::new(VERSION, name)).await.map_err(failed)?;
        found.map_or_else(|| Ok(HashState::default()), |state| from_json(&state))
    }

    async fn set_version(&self, name: &str, state: HashState) -> Result<()> {
        let mut batch = self.states.batch();
        batch.put(StateKey::new(VERSION, name), &to_json(&state)?);
        self.commit(batch).await
    }

    async fn put_mutation_macs(&self, name: &str, _version: u64, mutations: &[AppStateMutationMAC]) -> Result<()> {
        let mut batch = self.states.batch();
        for mutation in mutations {
            let index = hex::encode(&mutation.index_mac);
            batch.put(StateKey::scoped(MAC, name, &index), &mutation.value_mac);
        }
        self.commit(batch).await
    }

    async fn get_mutation_mac(&self, name: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>> {
        self.states.get(StateKey::scoped(MAC, name, &hex::encode(index_mac))).await.map_err(failed)
    }

    async fn get_mutation_macs(&self, name: &str, index_macs: &[[u8; 32]]) -> Result<HashMap<[u8; 32], Vec<u8>>> {
        let names: Vec<String> = index_macs.iter().map(hex::encode).collect();
        let keys: Vec<_> = names.iter().map(|index| StateKey::scoped(MAC, name, index)).collect();
        let found = self.states.get_all(&keys).await.map_err(failed)?;
        Ok(found.into_iter().map(|(index, value)| (index_macs[index], value)).collect())
    }

    async fn delete_mutation_macs(&self, name: &str, index_macs: &[Vec<u8>]) -> Result<()> {
        let mut batch = self.states.batch();
        for index in index_macs {
            batch.delete(StateKey::scoped(MAC, name, &hex::encode(index)));
        }
        self.commit(batch).await
    }

    async fn clear_mutation_macs(&self, name: &str) -> Result<()> {
        self.states.delete_scope(MAC, name).await.map(drop).map_err(failed)
    }

    async fn get_latest_sync_key_id(&self) -> Result<Option<Vec<u8>>> {
        self.states.get(LATEST_SYNC_KEY).await.map_err(failed)
    }
}
