//! The promises, end to end: the real binary against strict fakes in processes of their own. Cases are named by
//! behaviour, and carry the ids of the requirements they prove.

use ::harness;

mod accounts;
mod bad_edits;
mod bad_input;
#[cfg(target_os = "linux")]
mod bad_stores;
mod crash;
mod expiry;
mod hostile;
mod invariants;
mod limits;
mod linking;
#[cfg(target_os = "linux")]
mod machines;
mod messages;
mod metrics;
mod passkey;
mod refusals;
mod reload;
mod revealed;
mod revocation;
mod rotate;
mod telegram;
mod watching;
mod web;
mod whatsapp;
