//! The state of a linked account: keys, sessions and what its protocol must remember. One table, every name an HMAC,
//! every value sealed and bound to its account, kind and name.
//!
//! Start with [`AccountStore`]; `record` has what is written, `rows` the SQL.

pub(crate) mod record;
mod rows;
mod store;

pub use record::{StateBatch, StateEntry, StateKey, StatePlain};
pub use store::AccountStore;
