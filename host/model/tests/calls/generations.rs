//! Building and rebuilding.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use switchhook_model::{BuildError, ModelSpec, Models};
use tokio::sync::Semaphore;

use crate::server::*;

#[tokio::test]
async fn a_rebuild_keeps_counting_and_keeps_the_cap() {
    let gate = Arc::new(Semaphore::new(0));
    let steps = [vec![text("hello"), Step::Await(gate.clone())], finish("stop")].concat();
    let server = Server::start(vec![Reply::Stream(steps)]).await;
    let one = ModelSpec { concurrency: 1, ..spec("main", &server, &[]) };
    let old = Models::build(vec![one.clone()]).unwrap();
    let renewed = ModelSpec { api_key: Some(SecretString::from("new")), ..one };
    let new = Models::rebuild(&old, vec![renewed, spec("more", &server, &[])]).unwrap();

    let (first, second) = (main_of(&old), main_of(&new));
    let first = tokio::spawn(async move { first.complete(&question()).await });
    server.arrived(1).await;
    let second = tokio::spawn(async move { second.complete(&question()).await });
    tokio::task::yield_now().await;
    assert_eq!(new.usage()[0].in_flight, 1);
    assert_eq!(server.asked(), 1);
    gate.add_permits(2);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(new.usage()[0].calls, 2);
    assert_eq!(new.usage()[0].name, name("main"));
    assert!(new.get(&name("more")).is_some() && old.get(&name("more")).is_none());
}

#[tokio::test]
async fn a_rebuild_keeps_the_connection() {
    // The end of the response comes by itself, a moment after the end mark.
    let late_end = [vec![text("hello")], finish("stop"), vec![Step::Pause(Duration::from_millis(2))]].concat();
    let server = Server::start(vec![Reply::Stream(late_end)]).await;
    let old = Models::build(vec![spec("main", &server, &[])]).unwrap();
    main_of(&old).complete(&question()).await.unwrap();
    let new = Models::rebuild(&old, vec![ModelSpec { concurrency: 3, ..spec("main", &server, &[]) }]).unwrap();
    main_of(&new).complete(&question()).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_changed_model_does_not_wait_for_the_old_one() {
    let hung = Server::start(vec![Reply::Silence]).await;
    let fine = Server::start(vec![says("hello")]).await;
    let one = |server| ModelSpec { concurrency: 1, ..spec("main", server, &[]) };
    let old = Models::build(vec![one(&hung)]).unwrap();
    let stuck = main_of(&old);
    let stuck = tokio::spawn(async move { stuck.complete(&question()).await });
    hung.arrived(1).await;
    let new = Models::rebuild(&old, vec![one(&fine)]).unwrap();
    assert_eq!(main_of(&new).complete(&question()).await.unwrap().text, "hello");
    stuck.abort();
}

#[tokio::test]
async fn what_can_not_work_is_not_built() {
    let server = Server::start(vec![says("hello")]).await;
    let build = |specs| Models::build(specs).unwrap_err();
    let main = |fallback: &[&str]| spec("main", &server, fallback);
    let key = ModelSpec { api_key: Some(SecretString::from("two\nlines")), ..main(&[]) };
    assert_eq!(build(vec![key]), BuildError::BadKey { name: name("main") });
    assert!(matches!(build(vec![main(&[]), main(&[])]), BuildError::Duplicate { .. }));
    assert!(matches!(build(vec![main(&["gone"])]), BuildError::UnknownFallback { .. }));
    assert!(matches!(build(vec![main(&["main"])]), BuildError::RepeatedFallback { .. }));
    let none = ModelSpec { concurrency: 0, ..main(&[]) };
    assert!(matches!(build(vec![none]), BuildError::NoConcurrency { .. }));
    let url = ModelSpec { base_url: "localhost".into(), ..main(&[]) };
    assert!(matches!(build(vec![url]), BuildError::BadUrl { .. }));
}
