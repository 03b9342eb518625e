//! Receiving: accept on disk, then acknowledge, then ask for more.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use switchhook_core::connector::{ConnectorContext, ConnectorError, InboxError};
use switchhook_core::message::Inbound;
use switchhook_core::status::State;
use switchhook_core::time::{Clock, SystemClock};

use crate::api::{CALL_TIMEOUT, CallError};
use crate::connector::TelegramConnector;
use crate::map::{Mapper, Received};
use crate::types::User;

/// How much longer than the long poll itself the request may take.
const POLL_SLACK: Duration = Duration::from_secs(10);
/// Once draining, what was received may take this long to reach the disk; after that it is left to redelivery.
const DRAIN_ACCEPT: Duration = Duration::from_secs(2);
/// Telegram shows a spinner on a pressed button until somebody answers; not worth more than this.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// Conflicts further apart than this are not in a row.
const CONFLICT_WINDOW: Duration = Duration::from_secs(120);
/// From this many in a row it is another program and not our own predecessor closing down.
const CONFLICTS_MEANT: u32 = 3;

/// How often another program took the bot's updates away, lately.
#[derive(Debug, Default)]
pub(crate) struct Conflicts {
    in_a_row: u32,
    last: Option<Instant>,
}

impl Conflicts {
    fn one_more(&mut self, now: Instant) -> u32 {
        let again = self.last.is_some_and(|last| now.duration_since(last) < CONFLICT_WINDOW);
        self.in_a_row = if again { self.in_a_row + 1 } else { 1 };
        self.last = Some(now);
        self.in_a_row
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
struct Ask {
    offset: Option<i64>,
    wait: Duration,
}

impl TelegramConnector {
    pub(crate) async fn poll_until_drained(&self, context: &ConnectorContext) -> Result<(), ConnectorError> {
        tokio::select! {
            biased;
            () = context.drain.cancelled() => Ok(()),
            me = self.who_am_i() => self.receive(context, Mapper::new(&self.channel, &self.account, me?)).await,
        }
    }

    async fn who_am_i(&self) -> Result<User, ConnectorError> {
        self.bot.call("getMe", &json!({}), CALL_TIMEOUT).await.map_err(|error| self.trouble(error))
    }

    /// The loop. The first request does not wait: its answer proves that nobody else receives for this bot.
    async fn receive(&self, context: &ConnectorContext, mapper: Mapper) -> Result<(), ConnectorError> {
        let mut ask = Ask { offset: None, wait: Duration::ZERO };
        let mut acks = FuturesUnordered::new();
        let mut proven = false;
        loop {
            let poll = self.poll(ask);
            tokio::pin!(poll);
            let updates = loop {
                tokio::select! {
                    biased;
                    // What the request in flight would have brought is delivered again.
                    () = context.drain.cancelled() => return Ok(()),
                    updates = &mut poll => break updates?,
                    Some(()) = acks.next() => {}
                }
            };
            if !std::mem::replace(&mut proven, true) {
                context.status.connected();
            }
            let received = mapper.map(&updates, SystemClock.now());
            if !self.accept(context, &received.messages).await? {
                return Ok(());
            }
            ask = Ask { offset: received.next_offset().or(ask.offset), wait: self.poll_timeout() };
            acks.extend(received.pressed.into_iter().map(|id| self.acknowledge_press(id)));
        }
    }

    async fn poll(&self, ask: Ask) -> Result<Vec<Value>, ConnectorError> {
        let mut params = json!({ "timeout": ask.wait.as_secs(), "allowed_updates": Received::KINDS });
        if let Some(offset) = ask.offset {
            params["offset"] = offset.into();
        }
        let updates = self.bot.call("getUpdates", &params, ask.wait + POLL_SLACK).await;
        updates.map_err(|error| self.trouble(error))
    }

    /// Returns true when everything is on disk, false when draining came first.
    async fn accept(&self, context: &ConnectorContext, batch: &[Inbound]) -> Result<bool, ConnectorError> {
        if batch.is_empty() {
            return Ok(true);
        }
        let drained = async {
            context.drain.cancelled().await;
            tokio::time::sleep(DRAIN_ACCEPT).await;
        };
        tokio::pin!(drained);
        let mut waited = false;
        loop {
            let wait = tokio::select! {
                () = &mut drained => return Ok(false),
                accepted = context.inbox.accept(batch.to_vec()) => match accepted {
                    Ok(()) => break,
                    Err(InboxError::Full { retry_after }) => retry_after,
                    Err(error @ InboxError::Failed { .. }) => {
                        return Err(ConnectorError::Retry { code: "journal", reason: error.to_string() });
                    }
                },
            };
            tracing::warn!(channel = %self.channel, ?wait, "the journal is full: nothing more is fetched until it drains");
            let detail = "the journal of this account is full; Telegram keeps what is new until there is room";
            waited = true;
            context.status.set(State::Connected, Some("journal-full"), Some(detail.to_owned()));
            tokio::select! {
                () = &mut drained => return Ok(false),
                () = tokio::time::sleep(wait) => {}
            }
        }
        if waited {
            context.status.set(State::Connected, None, None);
        }
        context.status.inbound();
        Ok(true)
    }

    /// Best effort: the press itself is in the inbox already.
    async fn acknowledge_press(&self, id: String) {
        let params = json!({ "callback_query_id": id });
        if let Err(error) = self.bot.call::<Value>("answerCallbackQuery", &params, ACK_TIMEOUT).await {
            tracing::debug!(channel = %self.channel, %error, "a pressed button was not acknowledged");
        }
    }

    /// What a failed call of the loop means for the connection.
    fn trouble(&self, error: CallError) -> ConnectorError {
        let reason = error.to_string();
        match error {
            CallError::NotSent(_) | CallError::NoAnswer(_) => ConnectorError::Retry { code: "unreachable", reason },
            CallError::Malformed { status: 404, .. } => ConnectorError::NeedsPerson {
                code: "not-found",
                reason: format!("{reason}; there is no Bot API at `api_url`"),
            },
            CallError::Malformed { .. } => ConnectorError::Retry { code: "malformed-answer", reason },
            CallError::Refused { code: 401 | 404, .. } => ConnectorError::NeedsPerson {
                code: "unauthorized",
                reason: format!(
                    "{reason}; Telegram does not know this token: ask @BotFather for the bot's current one"
                ),
            },
            CallError::Refused { code: 409, description, .. } => self.conflict(&description),
            CallError::Refused { code: 429, retry_after: Some(wait), .. } => {
                ConnectorError::WaitFor { code: "rate-limited", reason, wait }
            }
            CallError::Refused { .. } => ConnectorError::Retry { code: "refused", reason },
        }
    }

    fn conflict(&self, description: &str) -> ConnectorError {
        if description.contains("webhook") {
            let reason = format!("Telegram says 409: {description}; call deleteWebhook for this bot");
            tracing::error!(channel = %self.channel, "{reason}");
            return ConnectorError::Retry { code: "webhook", reason };
        }
        let in_a_row = self.conflicts.lock().one_more(Instant::now());
        if in_a_row < CONFLICTS_MEANT {
            return ConnectorError::Retry { code: "interrupted", reason: format!("Telegram says 409: {description}") };
        }
        let reason = format!(
            "another program receives for the bot {}: stop it, or give this channel a bot of its own (409, {in_a_row} times in a row)",
            self.account
        );
        tracing::error!(channel = %self.channel, "{reason}");
        ConnectorError::Retry { code: "conflict", reason }
    }
}
