//! Sending through a channel because somebody asks for it (B7). It goes the way of every delivery: what is accepted is on
//! disk, leaves under the channel's limits, and is tried again until there is an answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchhook_core::action::Outgoing;
use switchhook_core::code::ErrorCode;
use switchhook_core::id::{ChannelName, OutboxId};
use switchhook_core::message::Chat;
use switchhook_pipeline::wiring::AtDailyLimit;
use switchhook_pipeline::{NotAsked, Request, Requested};
use switchhook_store::StoreError;

use crate::channels::Seat;
use crate::host::Host;
use crate::link::{Act, Caller, LinkRefusal, write_audit};
use crate::messages::{LogEntry, sent};

/// The longest key that is taken, in bytes.
const MAX_KEY: usize = 200;
/// How long it is tried to find out whether anybody can be written to.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// A chat, or a person's number, as the channel's kind writes them.
    pub to: String,
    pub text: String,
    /// The provider's id of a message in that chat.
    #[serde(default)]
    pub reply_to: Option<String>,
}

/// What there is of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Sending {
    /// In the outbox, on disk.
    Accepted(LogEntry),
    /// Asked before under the same key; how far that is.
    Before(LogEntry),
}

/// Why nothing is sent.
#[derive(Debug, thiserror::Error)]
pub enum SendRefusal {
    #[error("{0}")]
    Device(#[from] LinkRefusal),
    #[error("`to`: `{0}` names nobody that `{1}` can write to: give an id as `switchhook messages {1}` shows it")]
    NoRecipient(String, ChannelName),
    #[error("`to`: nobody can be written to at `{0}`")]
    Unreachable(String),
    #[error("`text` says nothing")]
    NoText,
    #[error("`text` is longer than one message may be: send it in parts")]
    TooLarge,
    #[error("all {limit} messages of today are sent: the next day begins at midnight, or `daily_limit` is raised")]
    DayIsOver { limit: u32, retry_after: Duration },
    #[error("a key has 1 to {MAX_KEY} visible characters")]
    BadKey,
    #[error("{0}")]
    OtherMessage(NotAsked),
    /// What was sent under the key is no longer known.
    #[error("a message was sent under this key, and is forgotten")]
    Forgotten,
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl SendRefusal {
    /// The stable code, where there is one for it.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Device(refusal) => refusal.code(),
            Self::NoRecipient(..) | Self::Unreachable(_) => Some(ErrorCode::InvalidRecipient),
            Self::TooLarge => Some(ErrorCode::MessageTooLarge),
            Self::DayIsOver { .. } => Some(ErrorCode::RateLimited),
            _ => None,
        }
    }
}

impl Host {
    /// Sends a message through a channel, once for each `key`.
    pub async fn send(
        &self,
        channel: &str,
        request: SendRequest,
        key: Option<String>,
        caller: Caller,
    ) -> Result<Sending, SendRefusal> {
        if key.as_ref().is_some_and(|key| !is_key(key)) {
            return Err(SendRefusal::BadKey);
        }
        let seat = self.seat_of(channel).await?;
        check(&seat, &request.text)?;
        let named = seat.connector.chat(&request.to).await;
        let chat = named.ok_or_else(|| SendRefusal::NoRecipient(request.to.clone(), seat.channel.clone()))?;
        // What was accepted before stays accepted, whatever has changed since.
        let known = match &key {
            Some(key) => self.store().asked(&seat.account, key).await?,
            None => None,
        };
        if known.is_none() {
            self.leaves_today(&seat, channel)?;
            reachable(&seat, &chat, &request.to).await?;
        }
        let outgoing = Outgoing { reply_to: request.reply_to, ..Outgoing::text(request.text) };
        let host = self.clone();
        self.whole(async move { host.ask(seat, Request { chat, outgoing, key }, caller).await }).await
    }

    /// The channel's place, if it runs and, where it has to be, is linked.
    async fn seat_of(&self, channel: &str) -> Result<Seat, LinkRefusal> {
        let (name, account) = self.account_of(channel)?;
        let seat = self.0.channels.seat(&account).filter(|_| !self.0.stop.is_cancelled());
        let seat = seat.ok_or_else(|| LinkRefusal::NotRunning(name.clone()))?;
        match seat.connector.linkable() {
            Some(linkable) if linkable.linked().await?.is_none() => Err(LinkRefusal::NotLinked(name)),
            _ => Ok(seat),
        }
    }

    /// Where the config wants what is more than a day's messages refused, it is refused at once.
    fn leaves_today(&self, seat: &Seat, channel: &str) -> Result<(), SendRefusal> {
        let wiring = self.0.pipeline.wiring();
        let limits = wiring.channel(&seat.account).map(|wired| wired.limits).unwrap_or_default();
        let limit = limits.per_day.filter(|_| limits.at_daily_limit == AtDailyLimit::Refuse);
        match (limit, self.health(channel)) {
            (Some(limit), Some(health)) if health.sent_today >= u64::from(limit) => {
                let retry_after = health.resets_at.since(self.0.clock.now());
                Err(SendRefusal::DayIsOver { limit, retry_after })
            }
            _ => Ok(()),
        }
    }

    async fn ask(&self, seat: Seat, request: Request, caller: Caller) -> Result<Sending, SendRefusal> {
        let chat = request.chat.id.clone();
        let requested = self.0.pipeline.request(&seat.account, request).await.map_err(|error| match error {
            NotAsked::NoChannel => LinkRefusal::NotRunning(seat.channel.clone()).into(),
            NotAsked::Store(error) => SendRefusal::Store(error),
            other @ NotAsked::OtherMessage(_) => SendRefusal::OtherMessage(other),
        })?;
        match requested {
            Requested::New { request, delivery } => {
                let detail = serde_json::json!({ "request": request, "delivery": delivery, "chat": chat });
                write_audit(self.store(), self.0.clock.as_ref(), &seat.channel, Act::Send, &caller, detail).await;
                self.logged(delivery).await.map(Sending::Accepted)
            }
            Requested::Before { delivery: Some(delivery), .. } => self.logged(delivery).await.map(Sending::Before),
            Requested::Before { delivery: None, .. } => Err(SendRefusal::Forgotten),
        }
    }

    async fn logged(&self, delivery: OutboxId) -> Result<LogEntry, SendRefusal> {
        let logged = self.store().logged_delivery(delivery).await?;
        logged.and_then(sent).ok_or(SendRefusal::Forgotten)
    }
}

fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len()) && key.chars().all(|c| c.is_ascii_graphic())
}

fn check(seat: &Seat, text: &str) -> Result<(), SendRefusal> {
    if text.trim().is_empty() {
        return Err(SendRefusal::NoText);
    }
    if !seat.connector.abilities().text.holds(text) {
        return Err(SendRefusal::TooLarge);
    }
    Ok(())
}

/// Taken for granted where nobody can say.
async fn reachable(seat: &Seat, chat: &Chat, to: &str) -> Result<(), SendRefusal> {
    let asked = tokio::time::timeout(ASKED_WITHIN, seat.connector.is_reachable(chat)).await;
    match asked {
        Ok(Some(false)) => Err(SendRefusal::Unreachable(to.to_owned())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B11
    #[test]
    fn refusals_have_their_codes() {
        let name = || ChannelName::new("wa").unwrap();
        let wait = Duration::from_secs(1);
        for (refusal, code) in [
            (SendRefusal::NoRecipient("bob".to_owned(), name()), Some(ErrorCode::InvalidRecipient)),
            (SendRefusal::Unreachable("+1".to_owned()), Some(ErrorCode::InvalidRecipient)),
            (SendRefusal::TooLarge, Some(ErrorCode::MessageTooLarge)),
            (SendRefusal::DayIsOver { limit: 1, retry_after: wait }, Some(ErrorCode::RateLimited)),
            (LinkRefusal::NotLinked(name()).into(), Some(ErrorCode::SessionInvalid)),
            (SendRefusal::NoText, None),
        ] {
            assert_eq!(refusal.code(), code, "{refusal}");
        }
    }

    #[test]
    fn keys_are_short_and_visible() {
        for good in ["a", "order-17", &"k".repeat(MAX_KEY)] {
            assert!(is_key(good), "{good}");
        }
        for bad in ["", " ", "a b", "ä", "\n", &"k".repeat(MAX_KEY + 1)] {
            assert!(!is_key(bad), "{bad:?}");
        }
    }
}
