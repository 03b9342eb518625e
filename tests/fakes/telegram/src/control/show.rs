//! What the fake tells of itself.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Shared, Told, bot_id};

/// The longest `wait` waits, in milliseconds, unless told otherwise.
const DEFAULT_WAIT_MS: u64 = 10_000;

pub(super) async fn ledger(State(fake): Shared) -> Json<Value> {
    Json(fake.world().ledger.show())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    bot: Option<i64>,
}

pub(super) async fn unconfirmed(State(fake): Shared, Query(which): Query<Which>) -> Told {
    let world = fake.world();
    let bot = bot_id(&world, which.bot.map(Value::from).as_ref())?;
    Ok(Json(json!({ "updates": world.bots[&bot].unconfirmed() })))
}

pub(super) async fn polling(State(fake): Shared, Query(which): Query<Which>) -> Told {
    let world = fake.world();
    let bot = bot_id(&world, which.bot.map(Value::from).as_ref())?;
    Ok(Json(json!({ "polling": world.bots[&bot].is_polled() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    sent: Option<usize>,
    polling: Option<bool>,
    bot: Option<i64>,
    chat: Option<i64>,
    timeout_ms: Option<u64>,
}

/// Waits until so many messages were accepted and a poll is open or closed, whichever is asked for.
pub(super) async fn wait(State(fake): Shared, Query(wait): Query<Wait>) -> Told {
    let deadline = Instant::now() + Duration::from_millis(wait.timeout_ms.unwrap_or(DEFAULT_WAIT_MS));
    let mut bell = fake.bell();
    loop {
        let (sent, polling) = {
            let world = fake.world();
            let polled = |bot: &i64| wait.bot.is_none_or(|wanted| wanted == *bot);
            let polling = world.bots.iter().filter(|(id, _)| polled(id)).any(|(_, bot)| bot.is_polled());
            (world.ledger.sent(wait.bot, wait.chat), polling)
        };
        let reached =
            wait.sent.is_none_or(|wanted| sent >= wanted) && wait.polling.is_none_or(|wanted| polling == wanted);
        let in_time = !reached && tokio::time::timeout_at(deadline, bell.changed()).await.is_ok();
        if !in_time {
            return Ok(Json(json!({ "reached": reached, "sent": sent, "polling": polling })));
        }
    }
}
