//! Receiving: what was decrypted is in the inbox, on disk, before WhatsApp is told that we have it.

use std::sync::Arc;

use parking_lot::Mutex;
use switchhook_core::connector::{Inbox, StatusReporter};
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::message::{Content, Inbound, Message};
use switchhook_store::AccountStore;
use tokio::sync::mpsc;
use whatsapp_rust::prelude::InboundMessage;
use whatsapp_rust::wacore::time::now_secs;
use whatsapp_rust::wacore_binary::JidExt;
use whatsapp_rust::{Client, InboundDurabilityHook, async_trait};

use crate::identity::Ids;
use crate::map::{Mapper, chat};
use crate::reason::Ending;
use crate::record::{Head, Link, Seen};
use crate::said::Said;

/// Runs under the lock of the sender's session: it may wait for disk, and for nothing else.
pub(crate) struct Receiver {
    pub(crate) channel: ChannelName,
    pub(crate) account: AccountId,
    pub(crate) states: AccountStore,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) status: StatusReporter,
    pub(crate) link: Link,
    /// Told when a batch was not kept: WhatsApp sends it again on the next connection only.
    pub(crate) trouble: mpsc::Sender<Ending>,
    /// Senders without a number, each said once.
    pub(crate) said: Mutex<Said>,
}

#[async_trait]
impl InboundDurabilityHook for Receiver {
    async fn on_messages(&self, client: Arc<Client>, batch: &[InboundMessage]) -> whatsapp_rust::anyhow::Result<()> {
        let result = self.take(&client, batch).await;
        if let Err(reason) = &result {
            // One is enough; the session ends with it.
            let _ = self.trouble.try_send(Ending::Journal { reason: reason.clone() });
        }
        result.map_err(whatsapp_rust::anyhow::Error::msg)
    }
}

impl Receiver {
    async fn take(&self, client: &Client, batch: &[InboundMessage]) -> Result<(), String> {
        let (mut accepted, mut own) = (Vec::with_capacity(batch.len()), Vec::new());
        let mut seen = Vec::with_capacity(batch.len());
        for received in batch {
            let Some((chat, inbound)) = self.read(client, received).await else { continue };
            seen.push((chat, received.info.id.clone(), as_seen(received)));
            if received.info.source.is_from_me { &mut own } else { &mut accepted }.extend(inbound);
        }
        self.keep(seen).await?;
        if !own.is_empty() {
            self.inbox.note_own(own).await.map_err(|error| error.to_string())?;
        }
        if accepted.is_empty() {
            return Ok(());
        }
        self.inbox.accept(accepted).await.map_err(|error| error.to_string())?;
        self.status.inbound();
        Ok(())
    }

    /// The chat a message belongs to, and what of it goes to the inbox. None for what is of no use later either.
    async fn read(&self, client: &Client, received: &InboundMessage) -> Option<(String, Option<Inbound>)> {
        let (info, source) = (&received.info, &received.info.source);
        if source.chat.is_status_broadcast() || source.chat.is_newsletter() || source.chat.is_broadcast_list() {
            return None;
        }
        let me = Ids { number: Some(self.link.number.clone()), lid: self.link.lid.clone() };
        let mapper = Mapper { channel: &self.channel, account: &self.account, me: &me };
        if source.is_from_me {
            let peer = peer(client, received).await;
            let written = mapper.map(&received.message, info, &me, &peer).filter(|own| is_message(&own.message));
            return Some((chat(info, &peer)?.id, written.filter(|own| self.is_since_link(own))));
        }
        let sender = Ids::of(std::iter::once(&source.sender).chain(&source.sender_alt)).complete(client).await;
        let inbound = mapper.map(&received.message, info, &sender, &sender)?;
        let chat = inbound.message.chat.id.clone();
        if !self.is_since_link(&inbound) {
            tracing::debug!(channel = %self.channel, "a message from before the link is left alone");
            return Some((chat, None));
        }
        self.say_unresolved(&inbound);
        Some((chat, Some(inbound)))
    }

    /// WhatsApp tells whole seconds: what was written within the second of the link may have been written after it.
    fn is_since_link(&self, inbound: &Inbound) -> bool {
        inbound.message.sent_at.0 / 1000 >= self.link.since / 1000
    }

    async fn keep(&self, seen: Vec<(String, String, Seen)>) -> Result<(), String> {
        let (mut batch, now) = (self.states.batch(), now_secs());
        for (chat, id, seen) in &seen {
            seen.put(&mut batch, chat, id, now);
        }
        self.states.queue(batch).await.map_err(|error| error.to_string())
    }

    fn say_unresolved(&self, inbound: &Inbound) {
        let Some(reason) = &inbound.unresolved else { return };
        if self.said.lock().is_first(inbound.message.sender.id.as_str()) {
            tracing::warn!(channel = %self.channel, "a sender is not let in: {reason}");
        }
    }
}

/// With whom the chat is that the owner wrote in on the phone, or on another device.
async fn peer(client: &Client, received: &InboundMessage) -> Ids {
    let source = &received.info.source;
    let peer = source.recipient.as_ref().unwrap_or(&source.chat);
    let told = std::iter::once(peer).chain(&source.recipient_alt).chain(&received.info.peer_recipient_pn);
    Ids::of(told).complete(client).await
}

/// Whether it says something new, which a log of messages has; what changes an earlier one does not.
fn is_message(message: &Message) -> bool {
    matches!(message.content, Content::Text(_) | Content::Other { .. })
}

fn as_seen(received: &InboundMessage) -> Seen {
    let source = &received.info.source;
    let head = Head {
        chat: source.chat.to_non_ad_string(),
        sender: source.sender.to_non_ad_string(),
        from_me: source.is_from_me,
    };
    Seen { head, message: received.message.as_ref().clone() }
}
