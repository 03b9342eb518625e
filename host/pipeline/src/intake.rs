//! The way in: what a connector received is written to the journal, and taken up at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use switchhook_core::connector::{Inbox, InboxError, Progress};
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
        let arrivals: Vec<(Conversation, Body)> = batch
            .iter()
            .map(|m| (m.message.conversation(), Body { message: m.message.clone(), unresolved: m.unresolved.clone() }))
            .collect();
        // Told by the writer, also where the caller has gone meanwhile (a page that closes): what is written is taken up.
        let (desk, lanes) = (self.desk.clone(), self.lanes.clone());
        let seen = move |accepted: Result<_, _>| take_up(&desk, &lanes, arrivals, accepted.unwrap_or_default());
        let durable = self.desk.store.accept_and(batch.into_iter().map(new_message).collect(), seen).await;
        durable.await.map_err(|_| closed())?.map_err(failed)?;
        failpoint::edge("intake.before_ack");
        Ok(())
    }
    async fn note_own(&self, batch: Vec<Inbound>) -> Result<(), InboxError> {
        self.desk.store.note_own(batch.into_iter().map(new_message).collect()).await.map_err(failed)
    }
    async fn progressed(&self, progress: Progress) {
        self.desk.store.note_progress(&self.account, &progress).await;
    }
}

/// Takes a batch up while the journal is being synced: an outcome is always committed after its message.
fn take_up(desk: &Desk, lanes: &Arc<Lanes>, arrivals: Vec<(Conversation, Body)>, accepted: Vec<Accepted>) {
    for (accepted, (conversation, body)) in accepted.into_iter().zip(arrivals) {
        match accepted {
            Accepted::New(id) => {
                desk.tell(&body.message.channel, EventKind::Accepted { message: id });
                lanes.push(&conversation, Entry { id, body: Some(body) });
            }
            // Mostly settled long ago, and then left alone; but it may be one that nobody has taken up.
            Accepted::Duplicate(id) => lanes.push(&conversation, Entry { id, body: None }),
        }
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
