//! WhatsApp, over the unofficial protocol of its linked devices: the only crate that knows it.
//!
//! Start with [`run`] (the life of a session), [`inbound`] (what comes in, and when it is acknowledged), [`deliver`] (what
//! goes out) with [`compose`] (in which form), [`link`] (how a device comes to be) and [`reason`] (why a session ended, and what then). [`backend`] keeps
//! the device's keys.
#![forbid(unsafe_code)]

mod backend;
mod chat;
mod compose;
mod connector;
mod deliver;
mod identity;
mod inbound;
mod kind;
mod library_log;
mod link;
mod map;
mod media;
mod progress;
mod reason;
mod record;
mod run;
mod said;
mod session;
#[cfg(test)]
mod tests;
mod version;

pub use kind::WhatsAppKind;
pub use library_log::hear_library;
/// The library's own HTTP trait, for whoever gives another client than the usual one.
pub use whatsapp_rust::http::HttpClient;
