//! Cases named by behaviour; `support` has what they share.

mod account;
mod contacts;
mod deliveries;
mod durability;
mod failure;
mod here;
mod keys;
mod kv;
mod ledger;
mod linking;
mod log;
mod messages;
mod outcomes;
mod purge;
mod rotation;
mod secrecy;
mod support;
mod timers;
mod traffic;
mod upgrade;
