//! What somebody asks the host to send, which answers nobody's message: it goes out like every other delivery, under the
//! same limits, and nothing is lost.

use switchhook_core::action::{Action, Outgoing};
use switchhook_core::id::{AccountId, InboxId, OutboxId};
use switchhook_core::message::Chat;
use switchhook_store::{Asking, NewDelivery, Store, StoreError, StoredDelivery};

use crate::pipeline::Pipeline;
use crate::settle::ASKED;

/// A message to send.
#[derive(Debug, Clone)]
pub struct Request {
    pub chat: Chat,
    pub outgoing: Outgoing,
    /// What it is told by from other requests of the account: asked twice, it is sent once.
    pub key: Option<String>,
}

/// What there is of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// It stands in the outbox.
    New { request: InboxId, delivery: OutboxId },
    /// Asked before; none once the delivery is forgotten.
    Before { request: InboxId, delivery: Option<OutboxId> },
}

/// Why nothing was asked for.
#[derive(Debug, thiserror::Error)]
pub enum NotAsked {
    #[error("the channel does not run")]
    NoChannel,
    #[error("another message was sent under this key ({0}): give each message a key of its own")]
    OtherMessage(InboxId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Pipeline {
    /// Returns when the message is in the outbox, on disk.
    pub async fn request(&self, account: &AccountId, request: Request) -> Result<Requested, NotAsked> {
        let wiring = self.wiring();
        let channel = wiring.channel(account).ok_or(NotAsked::NoChannel)?;
        let Request { chat, outgoing, key } = request;
        let mut delivery = NewDelivery {
            channel: channel.name.clone(),
            account: account.clone(),
            chat: chat.id,
            chat_kind: chat.kind,
            thread: chat.thread,
            action: Action::Send(outgoing),
            answers: None,
            armed: false,
            fingerprint: ASKED.to_owned(),
        };
        let (store, dispatcher) = (&self.desk.store, &self.dispatcher);
        let reserved = dispatcher.reserve(std::slice::from_mut(&mut delivery));
        match store.ask(account, key.as_deref(), delivery.clone()).await {
            Ok(Asking::New { request, delivery: id }) => {
                dispatcher.send(&[request], std::iter::once((delivery, id)), self.desk.standings(), reserved);
                Ok(Requested::New { request, delivery: id })
            }
            Ok(Asking::Before(request)) => {
                dispatcher.release(reserved);
                before(store, request, &delivery).await
            }
            Err(error) => {
                dispatcher.release(reserved);
                Err(error.into())
            }
        }
    }
}

async fn before(store: &Store, request: InboxId, asked: &NewDelivery) -> Result<Requested, NotAsked> {
    let known = store.deliveries_of(request).await?.into_iter().next();
    // What is erased can't be told from this one any more, and is taken for it.
    let same = |known: &StoredDelivery| {
        known.chat == asked.chat && known.action.as_ref().is_none_or(|action| *action == asked.action)
    };
    if known.as_ref().is_some_and(|known| !same(known)) {
        return Err(NotAsked::OtherMessage(request));
    }
    Ok(Requested::Before { request, delivery: known.map(|known| known.id) })
}
