//! What goes wrong on request.

use anyhow::Context;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use super::{Fake, Order, Told, act};
use crate::delivery;
use crate::fault::{Change, Faults};
use crate::node;

/// Released, what was held is delivered. The account is taken out first: flattened into one type with the faults it would
/// let misspelt ones pass.
pub(super) async fn change(State(fake): Fake, Order(mut asked): Order<Map<String, Value>>) -> Told {
    let account: String = serde_json::from_value(asked.remove("account").unwrap_or_default())?;
    let change: Change = serde_json::from_value(Value::Object(asked))?;
    act(&fake, |world| {
        let account = world.account(&account)?;
        account.faults.change(change);
        let (told, number) = (json!(account.faults), account.phone.number.clone());
        delivery::flush(world, &number);
        Ok(told)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    account: String,
}

pub(super) async fn clear(State(fake): Fake, Order(named): Order<Named>) -> Told {
    act(&fake, |world| {
        let account = world.account(&named.account)?;
        account.faults = Faults::default();
        let number = account.phone.number.clone();
        delivery::flush(world, &number);
        Ok(json!({}))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamError {
    account: String,
    code: u16,
    conflict: Option<String>,
}

/// Ends the device's connection with a reason.
pub(super) async fn stream_error(State(fake): Fake, Order(error): Order<StreamError>) -> Told {
    act(&fake, |world| {
        let socket = world.account(&error.account)?.socket.context("the device is not connected")?;
        world.say(socket, node::stream_error(&error.code.to_string(), error.conflict.as_deref()));
        world.close(socket);
        Ok(json!({}))
    })
}

/// Cuts the device's connection without a word.
pub(super) async fn cut(State(fake): Fake, Order(named): Order<Named>) -> Told {
    act(&fake, |world| {
        let socket = world.account(&named.account)?.socket.context("the device is not connected")?;
        world.cut(socket);
        Ok(json!({}))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    on: bool,
}

/// Cuts everybody off, and whoever comes until it is over.
pub(super) async fn outage(State(fake): Fake, Order(switch): Order<Switch>) -> Told {
    act(&fake, |world| {
        world.outage = switch.on;
        let all: Vec<u64> = world.sockets.keys().copied().filter(|_| switch.on).collect();
        all.into_iter().for_each(|socket| world.cut(socket));
        Ok(json!({}))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Oldest {
    version: Option<(u32, u32, u32)>,
}

/// Clients older than this are turned away with 405.
pub(super) async fn oldest(State(fake): Fake, Order(oldest): Order<Oldest>) -> Told {
    act(&fake, |world| {
        world.oldest = oldest.version;
        Ok(json!({}))
    })
}

/// Everybody who shows a QR code is told to make its secret anew.
pub(super) async fn rotate(State(fake): Fake) -> Told {
    act(&fake, |world| {
        let showing: Vec<u64> = world.sockets.iter().filter(|(_, at)| at.refs.is_some()).map(|(id, _)| *id).collect();
        for socket in &showing {
            world.say(
                *socket,
                node::notification("companion_reg_refresh", NodeBuilder::new("companion_reg_refresh").build()),
            );
        }
        Ok(json!({ "told": showing.len() }))
    })
}
