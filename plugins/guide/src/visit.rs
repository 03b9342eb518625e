//! What is remembered of a chat from one message to the next.

use crate::KvError;

const COUNT: &str = "messages";
const GREETING: &str = "greeting";

/// The host's key-value store, as far as it is used; in a test, a map.
pub(crate) trait Store {
    fn get(&self, key: &str) -> Option<Vec<u8>>;
    fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError>;
    fn increment(&self, key: &str, by: i64) -> Result<i64, KvError>;
}

#[derive(Debug, PartialEq)]
pub(crate) struct Visit {
    /// Messages of this chat, this one included.
    pub(crate) count: i64,
    pub(crate) greeting: Greeting,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Greeting {
    /// The chat's first, or the same as last time.
    Known,
    /// The config was edited since the last message.
    Edited,
}

/// Counts the message, and compares the greeting with the one of the message before.
pub(crate) fn record(store: &impl Store, greeting: &str) -> Result<Visit, KvError> {
    let count = store.increment(COUNT, 1)?;
    let before = store.get(GREETING);
    if before.as_deref() == Some(greeting.as_bytes()) {
        return Ok(Visit { count, greeting: Greeting::Known });
    }
    store.set(GREETING, greeting.as_bytes())?;
    let greeting = if before.is_some() { Greeting::Edited } else { Greeting::Known };
    Ok(Visit { count, greeting })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use super::*;

    #[derive(Default)]
    struct Map(RefCell<HashMap<String, Vec<u8>>>);

    impl Store for Map {
        fn get(&self, key: &str) -> Option<Vec<u8>> {
            self.0.borrow().get(key).cloned()
        }
        fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
            self.0.borrow_mut().insert(key.into(), value.to_vec());
            Ok(())
        }
        fn increment(&self, key: &str, by: i64) -> Result<i64, KvError> {
            let before = self.get(key).map_or(0, |v| String::from_utf8(v).unwrap().parse::<i64>().unwrap());
            self.set(key, (before + by).to_string().as_bytes())?;
            Ok(before + by)
        }
    }

    #[test]
    fn messages_are_counted_and_an_edited_greeting_is_noticed_once() {
        let store = Map::default();
        let visits = ["Hello!", "Hello!", "Ahoy!", "Ahoy!"].map(|greeting| record(&store, greeting).unwrap());
        let expected = [(1, Greeting::Known), (2, Greeting::Known), (3, Greeting::Edited), (4, Greeting::Known)];
        assert_eq!(visits, expected.map(|(count, greeting)| Visit { count, greeting }));
    }

    struct Full;

    impl Store for Full {
        fn get(&self, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn set(&self, _: &str, _: &[u8]) -> Result<(), KvError> {
            Err(KvError::Quota)
        }
        fn increment(&self, _: &str, _: i64) -> Result<i64, KvError> {
            Err(KvError::Quota)
        }
    }

    #[test]
    fn a_full_store_is_told() {
        assert_eq!(record(&Full, "Hello!"), Err(KvError::Quota));
    }
}
