//! Secrets of single messages, by which later reactions, edits and votes are opened.

use switchhook_store::{StateKey, StatePlain};
use whatsapp_rust::async_trait;
use whatsapp_rust::traits::{
    MessageSecret, MsgSecretEntry, MsgSecretStore, merge_msg_secret_expiry, merge_msg_secret_message_ts,
};
use whatsapp_rust::wacore::store::error::Result;

use super::{SealedBackend, failed, misshapen, sender_and_id};

const SECRET: &str = "message-secret";

struct Row {
    secret: MessageSecret,
    /// Unix seconds; 0 means never.
    expires_at: i64,
    message_ts: i64,
}

impl Row {
    fn pack(&self) -> Vec<u8> {
        [self.secret.as_slice(), &self.expires_at.to_be_bytes(), &self.message_ts.to_be_bytes()].concat()
    }
    fn unpack(bytes: &[u8]) -> Result<Self> {
        let wrong = || misshapen("message secret");
        let (secret, rest) = bytes.split_first_chunk().ok_or_else(wrong)?;
        let (expires_at, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
        let message_ts = i64::from_be_bytes(rest.try_into().map_err(|_| wrong())?);
        Ok(Self { secret: *secret, expires_at: i64::from_be_bytes(*expires_at), message_ts })
    }
    fn plain(&self) -> StatePlain {
        if self.expires_at == 0 { StatePlain::default() } else { StatePlain::expiry(self.expires_at) }
    }
}

impl SealedBackend {
    async fn secret(&self, chat: &str, sender: &str, msg_id: &str) -> Result<Option<Row>> {
        let found = self.states.get(StateKey::scoped(SECRET, chat, &sender_and_id(sender, msg_id))).await;
        found.map_err(failed)?.map(|row| Row::unpack(&row)).transpose()
    }
}

#[async_trait]
impl MsgSecretStore for SealedBackend {
    async fn put_msg_secret(&self, chat: &str, sender: &str, msg_id: &str, secret: &MessageSecret) -> Result<()> {
        let (chat, sender, msg_id) = (chat.into(), sender.into(), msg_id.into());
        let entry = MsgSecretEntry { chat, sender, msg_id, secret: *secret, expires_at: 0, message_ts: 0 };
        self.put_msg_secrets(vec![entry]).await.map(drop)
    }

    async fn put_msg_secrets(&self, entries: Vec<MsgSecretEntry>) -> Result<usize> {
        let _changing = self.changing.lock().await;
        let mut merged: std::collections::HashMap<(&str, String), Row> = std::collections::HashMap::new();
        for entry in &entries {
            let place = (&*entry.chat, sender_and_id(&entry.sender, &entry.msg_id));
            let before = match merged.remove(&place) {
                Some(row) => Some(row),
                None => self.secret(&entry.chat, &entry.sender, &entry.msg_id).await?,
            };
            let (mut expires_at, mut message_ts) = (entry.expires_at, entry.message_ts);
            if let Some(before) = before {
                expires_at = merge_msg_secret_expiry(before.expires_at, expires_at);
                message_ts = merge_msg_secret_message_ts(before.message_ts, message_ts);
            }
            merged.insert(place, Row { secret: entry.secret, expires_at, message_ts });
        }
        let mut batch = self.states.batch();
        for ((chat, name), row) in &merged {
            batch.put_plain(StateKey::scoped(SECRET, chat, name), &row.pack(), row.plain());
        }
        self.queue(batch).await?;
        Ok(entries.len())
    }

    async fn get_msg_secret(&self, chat: &str, sender: &str, msg_id: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.secret(chat, sender, msg_id).await?.map(|row| row.secret.to_vec()))
    }

    async fn get_msg_secret_with_ts(&self, chat: &str, sender: &str, msg_id: &str) -> Result<Option<(Vec<u8>, i64)>> {
        Ok(self.secret(chat, sender, msg_id).await?.map(|row| (row.secret.to_vec(), row.message_ts)))
    }

    async fn delete_expired_msg_secrets(&self, cutoff_timestamp: i64) -> Result<u32> {
        // A deadline at the cutoff has passed.
        let bound = cutoff_timestamp.saturating_add(1);
        Ok(self.states.delete_before(SECRET, bound).await.map_err(failed)? as u32)
    }
}
