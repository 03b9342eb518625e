//! What must hold of the journal's records, whatever lies in them: the fuzzer asks it of everything it can think of, and
//! the tests of its seeds.

use std::sync::OnceLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use switchhook_core::action::Action;
use switchhook_core::message::{Conversation, Message};

use crate::account::record::{StateKey, Unpacked, pack, unpack};
use crate::inbox::Body;
use crate::keys::{Keyring, MasterKey};
use crate::ledger::{AuditEntry, GenerationRecord};
use crate::outbox::Head;
use crate::seal::{Cell, Sealer, Table, Vault};
use crate::tag::Tag;

/// The first byte says of which kind the record is that the others are.
///
/// # Panics
/// Where the rule is broken: bytes that were not sealed here do not open; what was sealed opens to itself, or is refused
/// as unreadable; and what was read can be written and read again.
pub fn record(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let owner = Tag([7; 16]);
    match kind % 9 {
        0 => forged(Table::Inbox.cell(5, "body").of(owner), bytes),
        1 => sealed::<Conversation>(Table::Inbox.cell(5, "head").of(owner), bytes),
        2 => sealed::<Body<Message>>(Table::Inbox.cell(5, "body").of(owner), bytes),
        3 => sealed::<Head>(Table::Outbox.cell(5, "head").of(owner), bytes),
        4 => sealed::<Action>(Table::Outbox.cell(5, "body").of(owner), bytes),
        5 => sealed::<Message>(Table::Timers.cell(5, "body").of(owner), bytes),
        6 => drop(kept::<GenerationRecord>(Table::Generations.cell(5, "body"), bytes)),
        7 => drop(kept::<AuditEntry>(Table::Audits.cell(5, "body"), bytes)),
        _ => packed(bytes),
    }
}

fn vault() -> &'static Vault {
    static VAULT: OnceLock<Vault> = OnceLock::new();
    VAULT.get_or_init(|| {
        let keys = Keyring { current: MasterKey::from_bytes([1; 32]), old: vec![MasterKey::from_bytes([2; 32])] };
        Vault::new(Sealer::new(keys), &[3; 32])
    })
}

fn forged(cell: Cell, bytes: &[u8]) {
    assert!(vault().open(cell, bytes).is_err(), "what nobody sealed opens");
    let current = Sealer::key_of(&vault().sealing().seal(cell, b"")).expect("sealed here");
    // Past the header, where the key is one of ours.
    let claims = [&[1], &current.0[..], bytes].concat();
    assert!(vault().open(cell, &claims).is_err(), "what nobody sealed opens");
}

/// A record that is the same however often it is kept.
fn sealed<T: Serialize + DeserializeOwned>(cell: Cell, bytes: &[u8]) {
    if let Some((first, second)) = kept::<T>(cell, bytes) {
        assert_eq!(first, second, "a record changes by being kept");
    }
}

/// What is read, as it is written once and twice; none where it is no such record. The two differ at most in the last
/// digits of a fraction, in records that carry whatever JSON somebody put there.
fn kept<T: Serialize + DeserializeOwned>(cell: Cell, bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let lies = vault().sealing().seal(cell, bytes);
    assert_eq!(vault().open(cell, &lies).expect("it was sealed here"), bytes);
    let write = |value: &T| vault().sealing().seal_json(cell, value).expect("what was read can be written");
    let first = write(&vault().open_json(cell, &lies).ok()?);
    let second = write(&vault().open_json(cell, &first).expect("what was written can be read"));
    let open = |lies: Vec<u8>| vault().open(cell, &lies).expect("it was sealed here");
    Some((open(first), open(second)))
}

/// The state of a linked account is packed in a form of its own.
fn packed(bytes: &[u8]) {
    if let Some(Unpacked { scope, name, value }) = unpack(bytes) {
        assert_eq!(pack(StateKey::scoped("fuzz", &scope, &name), &value), bytes);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_of_the_fuzzer_keep_the_rule() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/seeds/journal");
        let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!seeds.is_empty());
        seeds.iter().for_each(|seed| super::record(&std::fs::read(seed).unwrap()));
    }
}
