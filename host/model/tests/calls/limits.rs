//! Time, places and giving up.

use std::sync::Arc;
use std::time::Duration;

use switchhook_core::model::ModelError;
use switchhook_model::{FailureKind, ModelSpec, Models};
use tokio::sync::Semaphore;

use crate::server::*;

#[tokio::test]
async fn dropping_the_call_ends_it_at_the_server_too() {
    for reply in [Reply::Silence, Reply::Stream(vec![text("hel"), Step::Hang])] {
        let server = Server::start(vec![reply]).await;
        let models = Models::build(vec![spec("main", &server, &[])]).unwrap();
        let model = main_of(&models);
        let call = tokio::spawn(async move { model.complete(&question()).await });
        server.arrived(1).await;
        assert_eq!(models.usage()[0].in_flight, 1);
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        server.abandoned(1).await;
        assert_eq!(models.usage()[0].in_flight, 0);
    }
}

#[tokio::test]
async fn only_so_many_calls_run_at_once() {
    let gate = Arc::new(Semaphore::new(0));
    let steps = [vec![text("hello"), Step::Await(gate.clone())], finish("stop")].concat();
    let server = Server::start(vec![Reply::Stream(steps)]).await;
    let models = Models::build(vec![ModelSpec { concurrency: 2, ..spec("main", &server, &[]) }]).unwrap();
    let model = main_of(&models);
    let request = question();
    let mut calls = Box::pin(async {
        let ask = || model.complete(&request);
        tokio::join!(ask(), ask(), ask())
    });
    // All three are polled here; the third can only wait.
    tokio::select! {
        _ = &mut calls => panic!("answered behind a closed gate"),
        () = server.arrived(2) => {}
    }
    assert_eq!(models.usage()[0].in_flight, 2);
    gate.add_permits(1);
    tokio::select! {
        _ = &mut calls => panic!("answered behind a closed gate"),
        () = server.arrived(3) => {}
    }
    gate.add_permits(2);
    let (first, second, third) = calls.await;
    assert!([first, second, third].iter().all(Result::is_ok));
    let usage = &models.usage()[0];
    assert_eq!((usage.calls, usage.in_flight, usage.input_tokens, usage.output_tokens), (3, 0, 21, 6));
}

#[tokio::test]
async fn the_whole_answer_has_a_limit_that_fallbacks_share() {
    let server = Server::start(vec![Reply::Stream(vec![text("hel"), Step::Hang])]).await;
    let limit = Duration::from_millis(150);
    let main = ModelSpec { total_timeout: limit, ..spec("main", &server, &["backup"]) };
    let models = Models::build(vec![main, spec("backup", &server, &[])]).unwrap();
    let error = main_of(&models).complete(&question()).await.unwrap_err();
    assert!(matches!(error, ModelError::Unavailable { retry_after: None, .. }), "{error}");
    assert_eq!(server.asked(), 1);
    assert_eq!(models.usage()[1].failures[&FailureKind::TotalTime], 1);
}

#[tokio::test]
async fn waiting_for_a_place_counts_against_the_whole_answer_only() {
    let server = Server::start(vec![Reply::Stream(vec![text("hel"), Step::Hang]), says("never asked")]).await;
    let only = ModelSpec {
        concurrency: 1,
        timeout: Duration::from_millis(10),
        total_timeout: Duration::from_millis(150),
        ..spec("main", &server, &[])
    };
    let models = Models::build(vec![only]).unwrap();
    let model = main_of(&models);
    let request = question();
    let (_, second) = tokio::join!(model.complete(&request), model.complete(&request));
    let reason = second.unwrap_err().to_string();
    assert!(reason.contains("no whole answer in time"), "{reason}");
    assert_eq!(server.asked(), 1);
}
