//! The `web` connector: a chat page that the host serves itself, over WebSocket, with no account anywhere.
//!
//! Start with [`WebKind`] (what the config says), then [`Hub`] (the router that the app mounts once and that finds the
//! channels which are live now).
#![forbid(unsafe_code)]

mod connector;
mod guard;
mod hub;
mod kind;
mod live;
mod log;
mod page;
mod protocol;
mod rate;
mod routes;
mod settings;
mod socket;
mod tabs;
mod visitor;

pub use hub::{Hub, HubOptions};
pub use kind::WebKind;
pub use log::{ChatLog, LoggedTurn};
