//! A host that lets everybody in and keeps nothing.

use std::sync::Arc;

use async_trait::async_trait;
use switchhook_core::hook::{Call, HostServices, KvError, KvSpace, LogLevel, Turn};
use switchhook_core::time::UnixMillis;

pub(crate) struct Yes;

impl Yes {
    pub(crate) fn call() -> Call {
        Call { now: UnixMillis(1_700_000_000_123), seed: 7, host: Arc::new(Self) }
    }
}

#[async_trait]
impl HostServices for Yes {
    fn log(&self, _: LogLevel, _: &str) {}
    fn sender_in(&self, group: &str) -> bool {
        group == "allow_from"
    }
    fn contains(&self, _: &str, _: &str) -> bool {
        false
    }
    async fn history(&self, _: u32, _: u32) -> Vec<Turn> {
        Vec::new()
    }
    async fn kv_get(&self, _: KvSpace, _: &str) -> Option<Vec<u8>> {
        None
    }
    async fn kv_set(&self, _: KvSpace, _: &str, _: Vec<u8>) -> Result<(), KvError> {
        Ok(())
    }
    async fn kv_delete(&self, _: KvSpace, _: &str) {}
    async fn kv_increment(&self, _: KvSpace, _: &str, by: i64) -> Result<i64, KvError> {
        Ok(by)
    }
    async fn attachment(&self, _: &str, _: u64, _: u32) -> Option<Vec<u8>> {
        None
    }
}
