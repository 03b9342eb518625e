//! The device itself: its keys and who it is linked to. One for each account.

use switchhook_store::StateKey;
use whatsapp_rust::async_trait;
use whatsapp_rust::traits::DeviceStore;
use whatsapp_rust::wacore::stats::StorageResourceReport;
use whatsapp_rust::wacore::store::Device;
use whatsapp_rust::wacore::store::error::Result;

use super::{SealedBackend, failed, from_json, to_json};

const DEVICE: StateKey<'static> = StateKey { space: "device", scope: "", name: "" };

#[async_trait]
impl DeviceStore for SealedBackend {
    async fn save(&self, device: &Device) -> Result<()> {
        let mut batch = self.states.batch();
        batch.put(DEVICE, &to_json(device)?);
        self.commit(batch).await
    }

    async fn load(&self) -> Result<Option<Device>> {
        self.states.get(DEVICE).await.map_err(failed)?.map(|device| from_json(&device)).transpose()
    }

    async fn exists(&self) -> Result<bool> {
        Ok(self.states.get(DEVICE).await.map_err(failed)?.is_some())
    }

    async fn create(&self) -> Result<i32> {
        let _changing = self.changing.lock().await;
        if !self.exists().await? {
            self.save(&Device::new()).await?;
        }
        // The account names the device; the number is only the library's.
        Ok(1)
    }

    /// A copy of the database would be a copy of the keys, in clear or not: there is none.
    async fn snapshot_db(&self, _name: &str, _extra_content: Option<&[u8]>) -> Result<()> {
        Ok(())
    }

    async fn resource_report(&self) -> StorageResourceReport {
        // The page cache belongs to the whole host, not to a device.
        StorageResourceReport { memory_bytes: Some(0), ..StorageResourceReport::default() }
    }
}
