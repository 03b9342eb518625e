use switchhook_core::hook::KvSpace;
use switchhook_core::id::{ChannelName, PluginName};
use switchhook_core::message::Conversation;

use super::support::*;
use crate::*;

#[tokio::test]
async fn a_read_sees_what_was_queued_before_it() {
    let f = Fixture::new();
    let mut blocked = Blocked::queue(&f.store).await;
    blocked.started().await;
    f.store.write_kv(vec![kv("a", KvChange::Set(b"5".to_vec())), kv("b", KvChange::Set(b"x".to_vec()))]).await;
    f.store.write_kv(vec![kv("a", KvChange::Increment(2)), kv("b", KvChange::Delete)]).await;
    // The writer stands still: this can only come from memory.
    assert_eq!(f.store.kv_get(&chat_scope(), "a").await.unwrap().unwrap(), b"7");
    assert_eq!(f.store.kv_get(&chat_scope(), "b").await.unwrap(), None);
    blocked.release();
    f.store.settle().await.unwrap();
    let (f, _) = f.reopen();
    assert_eq!(f.store.kv_get(&chat_scope(), "a").await.unwrap().unwrap(), b"7");
    assert_eq!(f.store.kv_get(&chat_scope(), "b").await.unwrap(), None);
}

#[tokio::test]
async fn an_increment_on_what_is_on_disk_is_seen() {
    let f = Fixture::new();
    f.store.write_kv(vec![kv("n", KvChange::Set(b"40".to_vec()))]).await;
    f.store.settle().await.unwrap();
    f.store.write_kv(vec![kv("n", KvChange::Increment(2))]).await;
    assert_eq!(f.store.kv_get(&chat_scope(), "n").await.unwrap().unwrap(), b"42");
    f.store.write_kv(vec![kv("n", KvChange::Increment(-43)), kv("word", KvChange::Set(b"no number".to_vec()))]).await;
    f.store.write_kv(vec![kv("word", KvChange::Increment(3)), kv("max", KvChange::Increment(i64::MAX))]).await;
    f.store.write_kv(vec![kv("max", KvChange::Increment(1))]).await;
    assert_eq!(f.store.kv_get(&chat_scope(), "n").await.unwrap().unwrap(), b"-1");
    assert_eq!(f.store.kv_get(&chat_scope(), "word").await.unwrap().unwrap(), b"3");
    f.store.settle().await.unwrap();
    assert_eq!(f.store.kv_get(&chat_scope(), "max").await.unwrap().unwrap(), i64::MAX.to_string().into_bytes());
}

#[tokio::test]
async fn scopes_are_kept_apart() {
    let f = Fixture::new();
    let (c, scope) = (conversation(), chat_scope());
    let with = |c: Conversation| KvScope { chat: Some((channel(), c)), ..scope.clone() };
    let scopes = [
        scope.clone(),
        with(Conversation { chat: "901".to_owned(), ..c.clone() }),
        with(Conversation { thread: Some(String::new()), ..c.clone() }),
        KvScope { chat: Some((ChannelName::new("other").unwrap(), c)), ..scope.clone() },
        KvScope { plugin: PluginName::new("other").unwrap(), ..scope.clone() },
        KvScope { space: KvSpace::Shared, chat: None, ..scope.clone() },
    ];
    for (n, scope) in scopes.iter().enumerate() {
        let change = KvChange::Set(vec![n as u8]);
        f.store.write_kv(vec![KvWrite { scope: scope.clone(), key: "k".to_owned(), change }]).await;
    }
    f.store.settle().await.unwrap();
    for (n, scope) in scopes.iter().enumerate() {
        assert_eq!(f.store.kv_get(scope, "k").await.unwrap(), Some(vec![n as u8]), "{scope:?}");
    }
}

#[tokio::test]
async fn usage_counts_keys_and_values() {
    let f = Fixture::new();
    f.store.write_kv(vec![kv("key", KvChange::Set(vec![0; 10])), kv("gone", KvChange::Set(vec![0; 10]))]).await;
    f.store.settle().await.unwrap();
    assert_eq!(f.store.kv_usage(&plugin()).await, 3 + 10 + 4 + 10);
    f.store.write_kv(vec![kv("key", KvChange::Set(vec![0; 4])), kv("gone", KvChange::Delete)]).await;
    f.store.write_kv(vec![kv("n", KvChange::Increment(10))]).await;
    f.store.settle().await.unwrap();
    assert_eq!(f.store.kv_usage(&plugin()).await, 3 + 4 + 1 + 2);
    let (f, _) = f.reopen();
    assert_eq!(f.store.kv_usage(&plugin()).await, 3 + 4 + 1 + 2);
    f.store.write_kv(vec![kv("key", KvChange::Delete), kv("n", KvChange::Delete), kv("none", KvChange::Delete)]).await;
    f.store.settle().await.unwrap();
    assert_eq!(f.store.kv_usage(&plugin()).await, 0);
}
