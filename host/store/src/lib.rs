//! What must survive: the journal of messages and deliveries, key-value pairs, history, contacts, timers, the ledger of
//! generations and the audit. SQLite, one writer, everything personal sealed.
//!
//! Start with [`Store`]; `journal` has the life of a message and of a delivery as data.
#![forbid(unsafe_code)]

mod account;
mod aside;
mod contacts;
mod delivery;
mod devices;
mod error;
pub mod failpoint;
mod folder;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod history;
mod hold;
mod inbox;
mod inspect;
mod journal;
mod key_file;
mod keys;
mod kv;
mod ledger;
mod links;
mod log;
mod memory;
mod operator;
mod outbox;
mod outcome;
mod purge;
mod reads;
mod recent;
mod recovery;
mod rotation;
mod schema;
mod seal;
mod store;
mod tag;
#[cfg(test)]
mod tests;
mod timers;
mod traffic;
mod writer;

pub use account::{AccountStore, StateBatch, StateEntry, StateKey, StatePlain};
pub use aside::Asking;
pub use contacts::Contact;
pub use devices::{DeviceEnd, DeviceRecord, EndedBy};
pub use error::StoreError;
pub use inbox::Accepting;
pub use journal::*;
pub use key_file::KeyFile;
pub use keys::{KeyError, KeyId, Keyring, MasterKey};
pub use ledger::{AuditEntry, GenerationRecord};
pub use links::{LinkProblem, LinkRecord, NewLink};
pub use log::{LogPlace, Logged, SentMessage, Way};
pub use rotation::{Resealed, RotationError};
pub use store::{Counters, Durability, Recovered, Store, StoreOptions};
pub use traffic::{Tally, Traffic};
