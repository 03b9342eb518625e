//! What there is, and waiting for it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, Fake, Told};
use crate::account::Account;
use crate::certificate::public;
use crate::ledger::Filter;
use crate::world::World;

/// The server's keys, in hex: what other clients must trust, and what a seeded device pins.
pub(super) async fn server(State(fake): Fake, url: String) -> Json<Value> {
    let identity = &fake.identity;
    Json(json!({ "url": url, "root": hex::encode(identity.root), "key": hex::encode(public(&identity.key)) }))
}

pub(super) async fn accounts(State(fake): Fake) -> Json<Value> {
    let world = fake.world();
    Json(world.accounts.values().map(show).collect())
}

fn show(account: &Account) -> Value {
    json!({
        "number": account.phone.number, "lid": account.phone.lid, "linked": account.device.as_ref().map(|d| d.id),
        "connected": account.socket.is_some(), "ready": account.resumed, "waiting": account.queue.len(),
        "prekeys": account.device.as_ref().map(|device| device.left()), "code": account.code.is_some(),
        "device_name": account.device.as_ref().map(|device| &device.name), "faults": account.faults,
    })
}

pub(super) async fn ledger(State(fake): Fake, Asked(filter): Asked<Filter>) -> Json<Value> {
    let world = fake.world();
    Json(json!({ "entries": world.ledger.find(&filter), "count": world.ledger.count() }))
}

pub(super) async fn forget(State(fake): Fake) -> Json<Value> {
    fake.world().ledger.forget();
    Json(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    account: Option<String>,
    /// So many entries that fit the rest of the query; 1, if an event is named.
    at_least: Option<usize>,
    event: Option<String>,
    id: Option<String>,
    text: Option<String>,
    #[serde(default)]
    after: usize,
    /// Whether the account's device is logged in and has had what waited for it.
    ready: Option<bool>,
    /// Whether a code is shown for the account.
    code: Option<bool>,
    /// How many messages the device has not acknowledged.
    waiting: Option<usize>,
    timeout_ms: Option<u64>,
}

/// Returns when all that is asked for is so, or when the time is over.
pub(super) async fn wait(State(fake): Fake, Asked(wait): Asked<Wait>) -> Told {
    let mut bell = fake.bell();
    let limit = Duration::from_millis(wait.timeout_ms.unwrap_or(30_000));
    let reached = tokio::time::timeout(limit, async {
        while !is_so(&fake.world(), &wait) {
            let _ = bell.changed().await;
        }
    })
    .await
    .is_ok();
    let world = fake.world();
    let entries = if wait.event.is_some() { world.ledger.find(&filter(&wait)) } else { Vec::new() };
    Ok(Json(json!({ "reached": reached, "entries": entries, "count": world.ledger.count() })))
}

fn filter(wait: &Wait) -> Filter {
    let Wait { event, account, id, text, after, .. } = wait;
    Filter { event: event.clone(), account: account.clone(), id: id.clone(), text: text.clone(), after: *after }
}

fn is_so(world: &World, wait: &Wait) -> bool {
    let account = wait.account.as_ref().and_then(|number| world.accounts.get(number));
    let of_account = |wanted: bool, is: &dyn Fn(&Account) -> bool| account.is_some_and(is) == wanted;
    let enough = wait.at_least.or(wait.event.is_some().then_some(1));
    enough.is_none_or(|least| world.ledger.find(&filter(wait)).len() >= least)
        && wait.ready.is_none_or(|ready| of_account(ready, &|account| account.resumed))
        && wait.code.is_none_or(|code| of_account(code, &|account| account.code.is_some()))
        && wait.waiting.is_none_or(|waiting| account.is_some_and(|account| account.queue.len() == waiting))
}
