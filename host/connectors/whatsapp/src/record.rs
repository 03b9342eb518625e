//! What we keep of an account beside the device's own state: whose it is, and the messages seen lately, which answers,
//! reactions, read marks and downloads refer to.

use serde::{Deserialize, Serialize};
use switchhook_store::{AccountStore, StateBatch, StateKey, StatePlain, StoreError};
use whatsapp_rust::prelude::wa;
use whatsapp_rust::waproto::buffa::Message as _;

const LINK: StateKey<'static> = StateKey { space: "link", scope: "", name: "" };
const BEGUN: StateKey<'static> = StateKey { space: "link", scope: "", name: "begun" };
const SEEN: &str = "seen";
/// Messages are kept for this long, in seconds: WhatsApp's media servers keep theirs about as long.
const KEPT: i64 = 30 * 24 * 3600;

/// Whose device the account is, since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) number: String,
    pub(crate) lid: Option<String>,
    pub(crate) name: Option<String>,
    /// What the phone said that it is when it agreed, such as `android`.
    #[serde(default)]
    pub(crate) platform: Option<String>,
    /// Unix milliseconds. What was written before is never answered.
    pub(crate) since: u64,
}

async fn link(states: &AccountStore) -> Result<Option<Link>, StoreError> {
    // One that does not read is none: the device itself says whether there is a link.
    Ok(states.get(LINK).await?.and_then(|link| serde_json::from_slice(&link).ok()))
}

pub(crate) async fn keep_link(states: &AccountStore, link: &Link) -> Result<(), StoreError> {
    let mut batch = states.batch();
    batch.put(LINK, &serde_json::to_vec(link).expect("texts and a number"));
    states.commit(batch).await
}

/// When an attempt to link began, in Unix milliseconds: a process that dies between the phone's word and the record of
/// the link still knows what was written before.
pub(crate) async fn begin_link(states: &AccountStore, at: u64) -> Result<(), StoreError> {
    let mut batch = states.batch();
    batch.put(BEGUN, &at.to_be_bytes());
    states.commit(batch).await
}

/// What is known of a link beside the device itself: since when there may be one, by its record's word or the attempt's
/// that made it, and what the phone is.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) since: u64,
    pub(crate) platform: Option<String>,
}

pub(crate) async fn told(states: &AccountStore) -> Result<Told, StoreError> {
    if let Some(link) = link(states).await? {
        return Ok(Told { since: link.since, platform: link.platform });
    }
    let begun = states.get(BEGUN).await?.and_then(|bytes| bytes.as_slice().try_into().ok());
    Ok(Told { since: begun.map_or(0, u64::from_be_bytes), platform: None })
}

/// A message as it was, and whose.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) head: Head,
    pub(crate) message: wa::Message,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// As the stanza had them, without the device.
    pub(crate) chat: String,
    pub(crate) sender: String,
    pub(crate) from_me: bool,
}

impl Seen {
    fn pack(&self) -> Vec<u8> {
        let head = serde_json::to_vec(&self.head).expect("texts and a flag");
        let mut packed = (head.len() as u32).to_be_bytes().to_vec();
        packed.extend(head);
        packed.extend(self.message.encode_to_vec());
        packed
    }
    fn unpack(packed: &[u8]) -> Option<Self> {
        let (length, rest) = packed.split_first_chunk::<4>()?;
        let (head, body) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        Some(Self { head: serde_json::from_slice(head).ok()?, message: wa::Message::decode_from_slice(body).ok()? })
    }
    /// Goes with other changes. `now` is in seconds.
    pub(crate) fn put(&self, batch: &mut StateBatch<'_>, chat: &str, id: &str, now: i64) {
        batch.put_plain(StateKey::scoped(SEEN, chat, id), &self.pack(), StatePlain::expiry(now + KEPT));
    }
}

/// A message of a chat, by our id of the chat and WhatsApp's of the message.
pub(crate) async fn seen(states: &AccountStore, chat: &str, id: &str) -> Option<Seen> {
    match states.get(StateKey::scoped(SEEN, chat, id)).await {
        Ok(found) => found.and_then(|packed| Seen::unpack(&packed)),
        Err(error) => {
            tracing::warn!(%error, "a message seen before can't be read");
            None
        }
    }
}

pub(crate) async fn forget_old(states: &AccountStore, now: i64) -> Result<usize, StoreError> {
    states.delete_before(SEEN, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_seen_comes_back_as_it_was() {
        let head = Head { chat: "1@g.us".to_owned(), sender: "2@lid".to_owned(), from_me: true };
        let message = wa::Message { conversation: Some("hello".to_owned()), ..Default::default() };
        let seen = Seen { head, message };
        assert_eq!(Seen::unpack(&seen.pack()), Some(seen.clone()));
        assert_eq!(Seen::unpack(&seen.pack()[..3]), None);
    }
}
