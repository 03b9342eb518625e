//! The vocabulary of Switchhook: what the other rooms say to one another. No I/O, no vendor, no sandbox.
//!
//! Start with [`message::Message`] (what comes in), [`action::Action`] (what goes out), [`hook`] (who decides) and
//! [`connector::Connector`] (who carries).
#![forbid(unsafe_code)]

pub mod action;
pub mod catalogue;
pub mod code;
pub mod connector;
pub mod hook;
pub mod id;
pub mod kind;
pub mod link;
pub mod message;
pub mod model;
pub mod origin;
pub mod person;
pub mod split;
pub mod status;
pub mod time;
pub mod zone;
