//! Telegram: the only crate that knows the Bot API.
//!
//! Start with [`poll`] (what comes in, and when it is acknowledged), [`map`] (an update becomes a message) and
//! [`deliver`] (an action becomes calls). The wire types are our own and thin: an update of a kind we do not know must
//! never stop the ones behind it.
#![forbid(unsafe_code)]

mod api;
mod connector;
mod deliver;
mod download;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod kind;
mod map;
mod markup;
mod poll;
mod types;

pub use kind::TelegramKind;

#[cfg(test)]
mod tests;
