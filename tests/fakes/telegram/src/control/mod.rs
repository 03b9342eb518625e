//! How tests and people drive the fake: `/_control/`.

mod show;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bot::Bot;
use crate::fault::Fault;
use crate::limits::Limits;
use crate::world::{Fake, TokenText, World};

type Shared = State<Arc<Fake>>;

pub(crate) fn router() -> Router<Arc<Fake>> {
    Router::new()
        .route("/_control/write", post(write::write))
        .route("/_control/writes", post(write::writes))
        .route("/_control/update", post(write::update))
        .route("/_control/edit", post(write::edit))
        .route("/_control/press", post(write::press))
        .route("/_control/react", post(write::react))
        .route("/_control/ledger", get(show::ledger).delete(forget))
        .route("/_control/unconfirmed", get(show::unconfirmed))
        .route("/_control/polling", get(show::polling))
        .route("/_control/wait", get(show::wait))
        .route("/_control/faults", post(add_fault).get(show_faults).delete(delete_faults))
        .route("/_control/outage", post(outage))
        .route("/_control/limits", post(limits))
        .route("/_control/block", post(block))
        .route("/_control/token", post(token))
}

/// What a command could not do.
#[derive(Debug)]
pub(crate) struct Wrong(StatusCode, String);

impl Wrong {
    fn request(what: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, what.into())
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

type Told = Result<Json<Value>, Wrong>;

/// The bot a command is about: its id, as a number or text, or its token. The only one, if none is named.
fn bot_id(world: &World, named: Option<&Value>) -> Result<i64, Wrong> {
    let id = match named {
        None => (world.bots.len() == 1).then(|| world.bots.keys().next().copied()).flatten(),
        Some(Value::String(text)) => text.split(':').next().and_then(|id| id.parse().ok()),
        Some(value) => value.as_i64(),
    };
    id.filter(|id| world.bots.contains_key(id)).ok_or_else(|| {
        let known: Vec<String> = world.bots.keys().map(i64::to_string).collect();
        Wrong::request(format!("name a bot by its id; there are {}", known.join(", ")))
    })
}

/// Keeps a long run from filling the memory.
async fn forget(State(fake): Shared) -> Json<Value> {
    let mut world = fake.world();
    world.ledger.forget();
    world.bots.values_mut().for_each(Bot::forget_messages);
    Json(json!({}))
}

async fn add_fault(State(fake): Shared, Json(fault): Json<Fault>) -> Json<Value> {
    fake.world().faults.add(fault);
    Json(json!({}))
}

async fn show_faults(State(fake): Shared) -> Json<Value> {
    Json(json!(fake.world().faults))
}

async fn delete_faults(State(fake): Shared) -> Json<Value> {
    fake.world().faults.clear();
    Json(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    on: bool,
}

/// Cuts everybody who called a method off, and whoever calls one until it is over.
async fn outage(State(fake): Shared, Json(switch): Json<Switch>) -> Json<Value> {
    let mut world = fake.world();
    world.outage = switch.on;
    let callers: HashMap<_, _> = std::mem::take(&mut world.callers);
    drop(world);
    if switch.on {
        callers.values().for_each(|cut| cut.cancel());
    }
    Json(json!({}))
}

async fn limits(State(fake): Shared, Json(switch): Json<Switch>) -> Json<Value> {
    fake.world().limits = if switch.on { Limits::enforced() } else { Limits::default() };
    Json(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    bot: Option<Value>,
    chat: i64,
    on: bool,
}

/// The person of a chat blocks the bot, or takes that back.
async fn block(State(fake): Shared, Json(block): Json<Block>) -> Told {
    let mut world = fake.world();
    let bot = bot_id(&world, block.bot.as_ref())?;
    let chats = world.bots.get_mut(&bot).map(|bot| &mut bot.chats);
    let chat = chats.and_then(|chats| chats.get_mut(&block.chat));
    chat.ok_or_else(|| Wrong::request("nobody wrote in that chat yet"))?.blocked = block.on;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    token: String,
    good: bool,
}

/// Makes a token good (and its bot, if it is new), or revokes it.
async fn token(State(fake): Shared, Json(token): Json<Token>) -> Told {
    let text: TokenText = token.token.parse().map_err(Wrong::request)?;
    fake.world().set_token(&text, token.good);
    fake.ring();
    Ok(Json(json!({})))
}
