//! The HTTP API under `/api/v1`, the probes and the metrics, with the types that go over the wire.
//!
//! Start with [`router`]. What it answers is decided in the runtime; here is only who may ask, and in which form.
#![forbid(unsafe_code)]

mod caller;
pub mod dto;
mod error;
mod events;
mod guard;
mod probes;
mod qr;
mod routes;
mod token;

pub use probes::Readiness;
pub use routes::{ApiOptions, router};
pub use token::{LocalToken, TokenError, TokenHash};
