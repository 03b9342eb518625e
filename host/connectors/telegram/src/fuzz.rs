//! What must hold of updates, whatever is in them: the fuzzer asks it of everything it can think of, and the tests of
//! its seeds.

use serde_json::{Value, json};
use switchhook_core::id::{AccountId, ChannelName};
use switchhook_core::message::{Inbound, Message};
use switchhook_core::time::UnixMillis;

use crate::map::Mapper;

/// The `result` of an answer to `getUpdates`.
///
/// # Panics
/// Where the rule is broken: what was received is confirmed to the last update, and what became a message can be kept
/// and read again.
pub fn updates(bytes: &[u8]) {
    let Ok(updates) = serde_json::from_slice::<Vec<Value>>(bytes) else { return };
    let received = mapper().map(&updates, UnixMillis(1_700_000_000_000));
    let last = updates.iter().filter_map(|update| update["update_id"].as_i64()).max();
    assert_eq!(received.next_offset(), last.map(|id| id.saturating_add(1)));
    assert!(received.messages.len() + received.pressed.len() <= 2 * updates.len());
    received.messages.iter().for_each(keeps);
}

fn keeps(Inbound { dedupe_key, message, unresolved }: &Inbound) {
    assert!(dedupe_key.starts_with('u') && unresolved.is_none());
    let kept = serde_json::to_vec(message).expect("a message can be kept");
    assert_eq!(serde_json::from_slice::<Message>(&kept).expect("what was kept can be read"), *message);
}

fn mapper() -> Mapper {
    let me = json!({ "id": 4242, "first_name": "Hook", "username": "hook_bot" });
    let me = serde_json::from_value(me).expect("a user");
    let channel = ChannelName::new("me").expect("a name");
    Mapper::new(&channel, &AccountId::new("telegram", "4242"), me)
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_of_the_fuzzer_keep_the_rule() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/fuzz/seeds/telegram");
        let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!seeds.is_empty());
        seeds.iter().for_each(|seed| super::updates(&std::fs::read(seed).unwrap()));
    }
}
