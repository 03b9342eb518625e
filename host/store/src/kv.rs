//! Key-value pairs of plugins.

use switchhook_core::id::PluginName;

use crate::error::StoreError;
use crate::journal::{KvScope, KvWrite};
use crate::store::Store;

impl Store {
    /// Ordered; a read that follows sees it.
    pub async fn write_kv(&self, _writes: Vec<KvWrite>) {
        todo!()
    }
    pub async fn kv_get(&self, _scope: &KvScope, _key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        todo!()
    }
    /// Bytes of keys and values that a plugin keeps, as of the last commit.
    pub async fn kv_usage(&self, _plugin: &PluginName) -> u64 {
        todo!()
    }
}
