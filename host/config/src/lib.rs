//! Text becomes a [`Config`], two configs become a [`Plan`], and a [`Watcher`] says when to look again.
//!
//! Start with [`validate`], then [`plan()`]. Nothing here runs a plugin (a [`Catalogue`](switchhook_core::catalogue::Catalogue)
//! does), opens a connection or changes a file.
#![forbid(unsafe_code)]

mod config;
mod digest;
mod error;
mod excerpt;
mod locate;
mod plan;
mod schema;
mod sources;
mod validate;
mod watch;

pub use config::*;
pub use error::{Color, ConfigErrors, Problem};
pub use locate::{LocateError, locate};
pub use plan::*;
pub use schema::schema;
pub use sources::{Kinds, ProcessSecrets, SecretSource, Sources};
pub use validate::{load, validate};
pub use watch::{WatchError, WatchOptions, Watcher};

#[cfg(test)]
mod examples;
#[cfg(any(test, feature = "fuzzing"))]
#[cfg_attr(not(test), allow(dead_code, reason = "a fuzzer needs a part of it"))]
mod fakes;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
