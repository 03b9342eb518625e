//! The way in: what a connector received is written to the journal, and taken up at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use switchhook_core::connector::{Inbox, InboxError};
use switchhook_core::id::AccountId;
use switchhook_core::message::{Conversation, Inbound};
use switchhook_store::{Accepted, NewMessage, failpoint};

use crate::desk::Desk;
use crate::event::EventKind;
use crate::lanes::Lanes;
use crate::stages::{Body, Entry};

/// How many messages of one account may wait in the journal before its intake is stopped.
const MAX_BACKLOG: usize = 10_000;

/// How long an intake waits for the backlog to shrink before it refuses.
const BACKLOG_PATIENCE: Duration = Duration::from_secs(30);

/// The inbox of one account.
pub(crate) struct Intake {
    pub(crate) desk: Arc<Desk>,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) account: AccountId,
}

#[async_trait]
impl Inbox for Intake {
    async fn accept(&self, batch: Vec<Inbound>) -> Result<(), InboxError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.wait_for_room().await?;
        let lanes: Vec<(Conversation, Body)> = batch
            .iter()
            .map(|m| {
                let body = Body { message: m.message.clone(), unresolved: m.unresolved.clone() };
                (m.message.conversation(), body)
            })
            .collect();
        let accepting = self.desk.store.accept(batch.into_iter().map(new_message).collect()).await;
        let seen = accepting.seen.await.map_err(|_| closed())?.map_err(failed)?;
        // Work begins while the journal is being synced: an outcome is always committed after its message.
        for (accepted, (conversation, body)) in seen.into_iter().zip(lanes) {
            if let Accepted::New(id) = accepted {
                self.desk.tell(&body.message.channel, EventKind::Accepted { message: id });
                self.lanes.push(&conversation, Entry { id, body: Some(body) });
            }
        }
        accepting.durable.await.map_err(|_| closed())?.map_err(failed)?;
        failpoint::edge("intake.before_ack");
        metrics::counter!("switchhook_accepted_batches_total").increment(1);
        Ok(())
    }
}

fn new_message(inbound: Inbound) -> NewMessage {
    NewMessage { dedupe_key: inbound.dedupe_key, message: inbound.message, unresolved: inbound.unresolved }
}

fn closed() -> InboxError {
    InboxError::Failed { reason: "the journal is closed".to_owned() }
}

fn failed(error: switchhook_store::StoreError) -> InboxError {
    InboxError::Failed { reason: error.to_string() }
}

impl Intake {
    async fn wait_for_room(&self) -> Result<(), InboxError> {
        let started = tokio::time::Instant::now();
        while self.desk.store.backlog(&self.account) >= MAX_BACKLOG {
            if started.elapsed() >= BACKLOG_PATIENCE {
                return Err(InboxError::Full { retry_after: Duration::from_secs(5) });
            }
            // The backlog shrinks with every settled message; how fast is not worth a notification per message.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}
