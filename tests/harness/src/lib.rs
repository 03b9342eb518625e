//! A world to test in: a folder with a config, a fake Telegram, a fake model, a fake WhatsApp where one is asked for, and the host, each its own process.

mod configs;
mod fakes;
mod host;
mod kills;
mod linking;
mod programs;
mod traffic;
mod wait;
mod web;
mod whatsapp;
mod wire;
mod world;

pub use configs::{
    Deadlines, HISTORY, PAGE_CONFIG, SYSTEM, assistant_config, in_one_piece, personal, telegram_channel,
    whatsapp_config,
};
pub use fakes::{Model, Sent, Telegram};
pub use host::{Host, build_instrumented};
pub use kills::{Moments, Toll, anywhere, while_chatting, while_linking, while_rotating};
pub use linking::{Linked, Linking};
pub use traffic::{Tally, Traffic, WRITER};
pub use wait::{eventually, eventually_within};
pub use web::Visitor;
pub use whatsapp::{OWNER, WhatsApp};
pub use wire::{Network, Wire};
pub use world::{World, free_port};
