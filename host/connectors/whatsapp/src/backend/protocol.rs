//! What the protocol must remember of others: their devices, numbers, tokens, and messages under way. Ordered, but for
//! what deletes by range.

use std::collections::HashMap;

use switchhook_store::{StateBatch, StateKey, StatePlain};
use whatsapp_rust::async_trait;
use whatsapp_rust::traits::{
    DeviceListRecord, LidPnMappingEntry, PendingInboundKey, PendingInboundRow, ProtocolStore, TcTokenEntry,
};
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::time::now_secs;

use super::{SealedBackend, failed, from_json, sender_and_id, to_json};

/// By group, then device: whether the device has our sender key.
const SENDER_KEY_DEVICE: &str = "sender-key-device";
const LID: &str = "lid";
/// From a phone number to its LID.
const NUMBER: &str = "number";
const BASE_KEY: &str = "base-key";
const DEVICES: &str = "devices";
const GROUP: &str = "group";
const TOKEN: &str = "contact-token";
const SENT: &str = "sent";
const PENDING: &str = "pending-inbound";

fn put_pending(batch: &mut StateBatch<'_>, row: &PendingInboundRow<'_>, now: i64) {
    let name = sender_and_id(row.sender, row.id);
    batch.put_plain(StateKey::scoped(PENDING, row.chat, &name), row.message, StatePlain::expiry(now));
}

impl SealedBackend {
    /// The phone number that a LID stands for, as far as is known with what this batch is about to write.
    async fn number_of(&self, lid: &str, batch: &HashMap<&str, &str>) -> Result<Option<String>> {
        if let Some(number) = batch.get(lid) {
            return Ok(Some((*number).to_owned()));
        }
        Ok(self.get_lid_mapping(lid).await?.map(|entry| entry.phone_number))
    }

    async fn put_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        let mut batch = self.states.batch();
        batch.put(StateKey::new(TOKEN, jid), &to_json(entry)?);
        self.queue(batch).await
    }
}

#[async_trait]
impl ProtocolStore for SealedBackend {
    async fn get_sender_key_devices(&self, group_jid: &str) -> Result<Vec<(String, bool)>> {
        let all = self.states.list_scope(SENDER_KEY_DEVICE, group_jid).await.map_err(failed)?;
        Ok(all.into_iter().map(|entry| (entry.name, entry.value == [1])).collect())
    }

    async fn set_sender_key_status(&self, group_jid: &str, entries: &[(&str, bool)]) -> Result<()> {
        let mut batch = self.states.batch();
        for (device, has_key) in entries {
            batch.put(StateKey::scoped(SENDER_KEY_DEVICE, group_jid, device), &[u8::from(*has_key)]);
        }
        self.queue(batch).await
    }

    async fn clear_sender_key_devices(&self, group_jid: &str) -> Result<()> {
        self.states.delete_scope(SENDER_KEY_DEVICE, group_jid).await.map(drop).map_err(failed)
    }

    async fn delete_sender_key_device_rows(&self, device_jids: &[&str]) -> Result<()> {
        self.states.delete_named(SENDER_KEY_DEVICE, device_jids).await.map(drop).map_err(failed)
    }

    async fn clear_all_sender_key_devices(&self) -> Result<()> {
        self.states.delete_space(SENDER_KEY_DEVICE).await.map(drop).map_err(failed)
    }

    async fn get_lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        let found = self.states.get(StateKey::new(LID, lid)).await.map_err(failed)?;
        found.map(|entry| from_json(&entry)).transpose()
    }

    async fn get_pn_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        let Some(lid) = self.states.get(StateKey::new(NUMBER, phone)).await.map_err(failed)? else { return Ok(None) };
        self.get_lid_mapping(&String::from_utf8_lossy(&lid)).await
    }

    async fn put_lid_mapping(&self, entry: &LidPnMappingEntry) -> Result<()> {
        self.put_lid_mappings(std::slice::from_ref(entry)).await
    }

    async fn put_lid_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        let _changing = self.changing.lock().await;
        let mut batch = self.states.batch();
        let mut numbers = HashMap::new();
        for entry in entries {
            // A LID that moves to another number leaves the old one without.
            if let Some(old) = self.number_of(&entry.lid, &numbers).await?
                && old != entry.phone_number
            {
                batch.delete(StateKey::new(NUMBER, &old));
            }
            batch.put(StateKey::new(NUMBER, &entry.phone_number), entry.lid.as_bytes());
            batch.put(StateKey::new(LID, &entry.lid), &to_json(entry)?);
            numbers.insert(&*entry.lid, &*entry.phone_number);
        }
        self.queue(batch).await
    }

    async fn get_all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        let all = self.states.list(LID).await.map_err(failed)?;
        all.iter().map(|entry| from_json(&entry.value)).collect()
    }

    async fn save_base_key(&self, address: &str, message_id: &str, base_key: &[u8]) -> Result<()> {
        let mut batch = self.states.batch();
        batch.put(StateKey::scoped(BASE_KEY, address, message_id), base_key);
        self.queue(batch).await
    }

    async fn has_same_base_key(&self, address: &str, message_id: &str, current_base_key: &[u8]) -> Result<bool> {
        let saved = self.states.get(StateKey::scoped(BASE_KEY, address, message_id)).await.map_err(failed)?;
        Ok(saved.is_some_and(|saved| saved == current_base_key))
    }

    async fn delete_base_key(&self, address: &str, message_id: &str) -> Result<()> {
        let mut batch = self.states.batch();
        batch.delete(StateKey::scoped(BASE_KEY, address, message_id));
        self.queue(batch).await
    }

    async fn update_device_list(&self, record: DeviceListRecord) -> Result<()> {
        self.update_device_lists(vec![record]).await
    }

    async fn update_device_lists(&self, records: Vec<DeviceListRecord>) -> Result<()> {
        let mut batch = self.states.batch();
        for record in &records {
            batch.put(StateKey::new(DEVICES, &record.user), &to_json(record)?);
        }
        self.queue(batch).await
    }

    async fn get_devices(&self, user: &str) -> Result<Option<DeviceListRecord>> {
        let found = self.states.get(StateKey::new(DEVICES, user)).await.map_err(failed)?;
        found.map(|record| from_json(&record)).transpose()
    }

    async fn delete_devices(&self, user: &str) -> Result<()> {
        let mut batch = self.states.batch();
        batch.delete(StateKey::new(DEVICES, user));
        self.queue(batch).await
    }

    async fn get_group_metadata(&self, group_jid: &str) -> Result<Option<Vec<u8>>> {
        self.states.get(StateKey::new(GROUP, group_jid)).await.map_err(failed)
    }

    async fn put_group_metadata(&self, group_jid: &str, blob: &[u8]) -> Result<()> {
        let mut batch = self.states.batch();
        batch.put(StateKey::new(GROUP, group_jid), blob);
        self.queue(batch).await
    }

    async fn delete_group_metadata(&self, group_jid: &str) -> Result<()> {
        let mut batch = self.states.batch();
        batch.delete(StateKey::new(GROUP, group_jid));
        self.queue(batch).await
    }

    async fn get_tc_token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        let found = self.states.get(StateKey::new(TOKEN, jid)).await.map_err(failed)?;
        found.map(|entry| from_json(&entry)).transpose()
    }

    async fn put_tc_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        let _changing = self.changing.lock().await;
        self.put_token(jid, entry).await
    }

    async fn delete_tc_token(&self, jid: &str) -> Result<()> {
        let _changing = self.changing.lock().await;
        let mut batch = self.states.batch();
        batch.delete(StateKey::new(TOKEN, jid));
        self.queue(batch).await
    }

    async fn get_all_tc_token_jids(&self) -> Result<Vec<String>> {
        let all = self.states.list(TOKEN).await.map_err(failed)?;
        Ok(all.into_iter().map(|entry| entry.name).collect())
    }

    async fn delete_expired_tc_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        let _changing = self.changing.lock().await;
        let mut batch = self.states.batch();
        let mut count = 0;
        for entry in self.states.list(TOKEN).await.map_err(failed)? {
            let token: TcTokenEntry = from_json(&entry.value)?;
            let received = !token.token.is_empty() && token.token_timestamp >= token_cutoff;
            let issued = token.sender_timestamp.is_some_and(|at| at >= sender_cutoff);
            if !received && !issued {
                batch.delete(StateKey::new(TOKEN, &entry.name));
                count += 1;
            }
        }
        self.queue(batch).await?;
        Ok(count)
    }

    async fn touch_tc_token_sender_timestamp(&self, jid: &str, sender_timestamp: i64) -> Result<()> {
        let _changing = self.changing.lock().await;
        let mut entry = self.get_tc_token(jid).await?.unwrap_or_else(|| TcTokenEntry {
            token: Vec::new(),
            token_timestamp: sender_timestamp,
            sender_timestamp: None,
        });
        let latest = entry.sender_timestamp.map_or(sender_timestamp, |at| at.max(sender_timestamp));
        entry.sender_timestamp = Some(latest);
        self.put_token(jid, &entry).await
    }

    async fn store_received_tc_token(&self, jid: &str, token: &[u8], token_timestamp: i64) -> Result<()> {
        let _changing = self.changing.lock().await;
        let before = self.get_tc_token(jid).await?;
        let fresher = |e: &TcTokenEntry| !e.token.is_empty() && token_timestamp < e.token_timestamp;
        if before.as_ref().is_some_and(fresher) {
            return Ok(());
        }
        let sender_timestamp = before.and_then(|entry| entry.sender_timestamp);
        self.put_token(jid, &TcTokenEntry { token: token.to_vec(), token_timestamp, sender_timestamp }).await
    }

    async fn store_sent_message(&self, chat_jid: &str, message_id: &str, payload: &[u8]) -> Result<()> {
        let mut batch = self.states.batch();
        batch.put_plain(StateKey::scoped(SENT, chat_jid, message_id), payload, StatePlain::expiry(now_secs()));
        self.queue(batch).await
    }

    async fn take_sent_message(&self, chat_jid: &str, message_id: &str) -> Result<Option<Vec<u8>>> {
        let _changing = self.changing.lock().await;
        let key = StateKey::scoped(SENT, chat_jid, message_id);
        let taken = self.states.get(key).await.map_err(failed)?;
        if taken.is_some() {
            let mut batch = self.states.batch();
            batch.delete(key);
            self.queue(batch).await?;
        }
        Ok(taken)
    }

    async fn delete_expired_sent_messages(&self, cutoff_timestamp: i64) -> Result<u32> {
        Ok(self.states.delete_before(SENT, cutoff_timestamp).await.map_err(failed)? as u32)
    }

    async fn store_pending_inbound(&self, chat: &str, sender: &str, id: &str, message: &[u8]) -> Result<()> {
        self.store_pending_inbound_batch(&[PendingInboundRow { chat, sender, id, message }]).await
    }

    async fn get_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<Option<Vec<u8>>> {
        self.states.get(StateKey::scoped(PENDING, chat, &sender_and_id(sender, id))).await.map_err(failed)
    }

    async fn delete_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<()> {
        self.delete_pending_inbound_batch(&[PendingInboundKey { chat, sender, id }]).await
    }

    async fn delete_expired_pending_inbound(&self, cutoff_timestamp: i64) -> Result<u32> {
        Ok(self.states.delete_before(PENDING, cutoff_timestamp).await.map_err(failed)? as u32)
    }

    async fn store_pending_inbound_batch(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        let (mut batch, now) = (self.states.batch(), now_secs());
        rows.iter().for_each(|row| put_pending(&mut batch, row, now));
        self.queue(batch).await
    }

    async fn delete_pending_inbound_batch(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        let mut batch = self.states.batch();
        for key in keys {
            batch.delete(StateKey::scoped(PENDING, key.chat, &sender_and_id(key.sender, key.id)));
        }
        self.queue(batch).await
    }
}
