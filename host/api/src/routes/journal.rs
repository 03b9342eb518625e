//! What became of messages and deliveries, and what the operator does about those that wait.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use switchhook_core::id::{InboxId, OutboxId};
use switchhook_core::message::Message;
use switchhook_runtime::Explanation;
use switchhook_store::{Approval, DeliveryState, InboxState, StoredDelivery, StoredMessage};

use crate::dto::{DeadLetters, DeliveryEntry, MessageContent, MessageEntry};
use crate::error::ApiError;
use crate::routes::Api;

/// How many entries a list shows: the newest.
const LISTED: u32 = 500;

pub(crate) async fn explain(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Explanation>, ApiError> {
    let id = message_id(&id)?;
    match api.host.explain(id).await? {
        Some(explanation) => Ok(Json(explanation)),
        None => Err(ApiError::NotFound(format!("there is no {id}"))),
    }
}

pub(crate) async fn held(State(api): State<Api>) -> Result<Json<Vec<MessageEntry>>, ApiError> {
    let held = api.host.store().list(InboxState::Held, LISTED).await?;
    Ok(Json(held.into_iter().map(message_entry).collect()))
}

pub(crate) async fn approve(State(api): State<Api>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let id = message_id(&id)?;
    require(&api, id, InboxState::Held).await?;
    api.host.replay(id, Approval::Approved).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn drop(State(api): State<Api>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let id = message_id(&id)?;
    require(&api, id, InboxState::Held).await?;
    api.host.store().drop_message(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn dead(State(api): State<Api>) -> Result<Json<DeadLetters>, ApiError> {
    let store = api.host.store();
    let messages = store.list(InboxState::Dead, LISTED).await?;
    let deliveries = store.list_deliveries(&[DeliveryState::Dead, DeliveryState::Parked], LISTED).await?;
    Ok(Json(DeadLetters {
        messages: messages.into_iter().map(message_entry).collect(),
        deliveries: deliveries.into_iter().map(delivery_entry).collect(),
    }))
}

/// A message goes through its plugins again, under the config of now; a delivery is sent again as it is.
pub(crate) async fn replay(State(api): State<Api>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    if let Ok(id) = id.parse::<OutboxId>() {
        api.host.resend(id).await?;
    } else {
        let id = message_id(&id)?;
        require(&api, id, InboxState::Dead).await?;
        api.host.replay(id, Approval::Replay).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `held approve` is for held messages alone and `dead replay` for dead ones: what a person meant must be what it does.
async fn require(api: &Api, id: InboxId, state: InboxState) -> Result<(), ApiError> {
    match api.host.store().load(id).await? {
        None => Err(ApiError::NotFound(format!("there is no {id}"))),
        Some(stored) if stored.state == state => Ok(()),
        Some(stored) => {
            let [is, must] = [stored.state, state].map(|state| format!("{state:?}").to_lowercase());
            Err(ApiError::Conflict(format!("{id} is {is}; this takes one that is {must}")))
        }
    }
}

fn message_id(text: &str) -> Result<InboxId, ApiError> {
    text.parse().map_err(|error: switchhook_core::id::InvalidEntry| ApiError::BadRequest(error.to_string()))
}

fn message_entry(stored: StoredMessage) -> MessageEntry {
    MessageEntry {
        id: stored.id,
        state: stored.state,
        reason: stored.reason,
        accepted_at: stored.accepted_at,
        attempts: stored.attempts,
        content: stored.message.map(message_content),
    }
}

fn message_content(message: Message) -> MessageContent {
    MessageContent {
        text: message.text().map(str::to_owned),
        channel: message.channel,
        account: message.account,
        chat: message.chat.id,
        sender: message.sender.id,
        sender_name: message.sender.name,
    }
}

fn delivery_entry(stored: StoredDelivery) -> DeliveryEntry {
    DeliveryEntry {
        id: stored.id,
        message: stored.message,
        channel: stored.channel,
        account: stored.account,
        chat: stored.chat,
        state: stored.state,
        reason: stored.reason,
        attempts: stored.attempts,
        unknowns: stored.unknowns,
    }
}
