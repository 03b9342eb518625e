use std::time::Duration;

use switchhook_core::message::{Party, Standing};
use switchhook_core::time::UnixMillis;

use super::support::*;
use crate::*;

#[tokio::test]
async fn a_contact_is_written_once_and_when_something_is_new() {
    let f = Fixture::new();
    let ada = party("1", Some("Ada"));
    f.store.remember_contact(&ada, &channel()).await;
    f.store.settle().await.unwrap();
    let (f, _) = f.reopen();
    f.store.remember_contact(&ada, &channel()).await;
    assert_eq!(f.store.counters().ops, 0, "it is known");
    let renamed = Party { aliases: vec![person("@ada")], ..party("1", Some("Ada L.")) };
    f.store.remember_contact(&renamed, &channel()).await;
    f.clock.advance(Duration::from_secs(3601));
    f.store.remember_contact(&renamed, &channel()).await;
    f.store.remember_contact(&party("2", None), &channel()).await;
    assert_eq!(f.store.counters().ops, 3);
    let contacts = f.store.contacts().await.unwrap();
    assert_eq!(contacts.len(), 2);
    assert_eq!(contacts[0].party, renamed);
    assert_eq!(contacts[0].channel, channel());
    assert_eq!(contacts[0].first_seen, UnixMillis(START));
    assert_eq!(contacts[0].last_seen, UnixMillis(START + 3_601_000));
}

#[tokio::test]
async fn a_standing_is_of_the_person_under_any_id() {
    let f = Fixture::new();
    let ids = [person("1"), person("@ada"), person("3")];
    let standing = |store: &Store| store.standing(&mut ids.iter());
    assert_eq!(standing(&f.store), Standing::Unknown);
    f.store.set_standing(&person("@ada"), Standing::Approved).await.unwrap();
    assert_eq!(standing(&f.store), Standing::Approved);
    f.store.set_standing(&person("3"), Standing::Blocked).await.unwrap();
    assert_eq!(standing(&f.store), Standing::Blocked, "one blocked id wins");
    let (f, _) = f.reopen();
    assert_eq!(standing(&f.store), Standing::Blocked);
    let expect = [(person("3"), Standing::Blocked), (person("@ada"), Standing::Approved)];
    assert_eq!(f.store.standings().await.unwrap(), expect);
    f.store.set_standing(&person("3"), Standing::Unknown).await.unwrap();
    assert_eq!(standing(&f.store), Standing::Approved);
    let known = Party { aliases: vec![person("@ada")], ..party("1", None) };
    f.store.remember_contact(&known, &channel()).await;
    assert_eq!(f.store.contacts().await.unwrap()[0].party.standing, Standing::Approved);
}
