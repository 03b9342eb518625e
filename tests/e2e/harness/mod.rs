//! A world to test in: a folder with a config, a fake Telegram, a fake model and the host, each its own process.

mod fakes;
mod host;
mod traffic;
mod wait;
mod web;
mod world;

pub(crate) use fakes::{Model, Telegram};
pub(crate) use host::Host;
pub(crate) use traffic::Traffic;
pub(crate) use wait::{eventually, eventually_within};
pub(crate) use web::Visitor;
pub(crate) use world::{World, assistant_config};
