//! Who is asked when somebody fails.

use std::time::Duration;

use switchhook_core::model::ModelError;
use switchhook_model::{FailureKind, ModelSpec, Models};
use tokio::time::Instant;

use crate::server::*;

/// `main` replies this way; `backup` answers. Gives what the chain said and how often `main` was asked.
async fn with_backup(reply: Reply, change: impl FnOnce(&mut ModelSpec)) -> (String, String, usize) {
    let main = Server::start(vec![reply]).await;
    let backup = Server::start(vec![says("from the backup")]).await;
    let mut first = spec("main", &main, &["backup"]);
    change(&mut first);
    let completion = ask(vec![first, spec("backup", &backup, &[])]).await.unwrap();
    (completion.model, completion.text, main.asked())
}

fn backup_answered(asked: usize) -> (String, String, usize) {
    ("backup".into(), "from the backup".into(), asked)
}

/// A10
#[tokio::test]
async fn a_failing_provider_is_replaced_by_its_fallback() {
    for code in [500, 503, 529, 401, 404, 422, 302] {
        assert_eq!(with_backup(fails(code, "no"), |_| ()).await, backup_answered(1), "{code}");
    }
}

/// A10
#[tokio::test]
async fn a_provider_without_a_first_token_in_time_is_replaced_by_its_fallback() {
    let no_token = Reply::Stream(vec![delta(serde_json::json!({ "role": "assistant", "content": "" })), Step::Hang]);
    for reply in [Reply::Silence, Reply::Stream(vec![Step::Hang]), no_token] {
        let start = Instant::now();
        let limit = Duration::from_millis(150);
        assert_eq!(with_backup(reply, |main| main.timeout = limit).await, backup_answered(1));
        assert!(start.elapsed() >= limit);
    }
}

/// A10
#[tokio::test]
async fn a_slow_answer_that_has_begun_is_waited_for() {
    let limit = Duration::from_millis(150);
    let steps = [vec![text("slow "), Step::Pause(limit * 2), text("but sure")], finish("stop")].concat();
    let main = Server::start(vec![Reply::Stream(steps)]).await;
    let backup = Server::start(vec![says("from the backup")]).await;
    let first = ModelSpec { timeout: limit, ..spec("main", &main, &["backup"]) };
    let completion = ask(vec![first, spec("backup", &backup, &[])]).await.unwrap();
    assert_eq!(completion.text, "slow but sure");
    assert_eq!(backup.asked(), 0);
}

/// A10
#[tokio::test]
async fn a_broken_answer_is_replaced_whole_by_the_fallbacks() {
    let cut = Reply::Stream(vec![text("half an ans"), Step::Cut]);
    let ended = Reply::Stream(vec![text("half an ans")]);
    let malformed = Reply::Stream(vec![text("half an ans"), Step::Send("data: {oops\n\n".into())]);
    let in_stream = Reply::Stream(vec![text("half"), chunk(serde_json::json!({ "error": { "message": "overload" } }))]);
    let page = Reply::Status(200, vec![("content-type", "text/html")], "<html>hello".into());
    for reply in [cut, ended, malformed, in_stream, page] {
        assert_eq!(with_backup(reply, |_| ()).await, backup_answered(1));
    }
}

/// A10
#[tokio::test]
async fn an_unreachable_provider_is_tried_twice_and_replaced() {
    let backup = Server::start(vec![says("hello")]).await;
    let unreachable = ModelSpec { base_url: "http://127.0.0.1:1/v1".into(), ..spec("main", &backup, &["backup"]) };
    let models = Models::build(vec![unreachable, spec("backup", &backup, &[])]).unwrap();
    assert_eq!(main_of(&models).complete(&question()).await.unwrap().model, "backup");
    let usage = models.usage();
    assert_eq!((usage[0].calls, usage[1].calls, usage[1].failures[&FailureKind::Connect]), (1, 2, 2));
}

/// A10
#[tokio::test]
async fn fallbacks_are_asked_in_order_and_not_theirs() {
    let down = Server::start(vec![fails(500, "down")]).await;
    let fine = Server::start(vec![says("hello")]).await;
    let specs = |order: &[&str]| {
        vec![
            spec("main", &down, order),
            spec("second", &down, &["never"]),
            spec("third", &fine, &[]),
            spec("never", &fine, &[]),
        ]
    };
    assert_eq!(ask(specs(&["second", "third", "never"])).await.unwrap().model, "third");
    assert_eq!(ask(specs(&["never", "third"])).await.unwrap().model, "never");
    let Err(ModelError::Unavailable { reason, .. }) = ask(specs(&["second"])).await else { panic!("answered") };
    assert_eq!(reason, "main: HTTP 500: down; second: HTTP 500: down");
}

#[tokio::test]
async fn a_short_wait_is_waited_and_a_long_one_is_not() {
    let busy = |wait| Reply::Status(429, vec![("retry-after", wait)], String::new());
    let main = Server::start(vec![busy("0.05"), says("now")]).await;
    assert_eq!(ask(vec![spec("main", &main, &[])]).await.unwrap().text, "now");
    assert_eq!(main.asked(), 2);
    // Asked again once, not for ever.
    assert_eq!(with_backup(busy("0.05"), |_| ()).await, backup_answered(2));
    assert_eq!(with_backup(busy("30"), |_| ()).await, backup_answered(1));
    // A wait that does not fit into the time for the first token would be in vain.
    assert_eq!(with_backup(busy("2"), |main| main.timeout = Duration::from_secs(1)).await, backup_answered(1));
}

/// A10: with nobody else to ask, a failure that may pass is no end yet; one that will not is.
#[tokio::test]
async fn the_last_of_a_chain_is_asked_again_after_a_passing_failure() {
    let cut = Reply::Stream(vec![text("half an ans"), Step::Cut]);
    let busy = Reply::Status(429, vec![], String::new());
    for reply in [fails(500, "no"), fails(503, "no"), busy, cut] {
        let server = Server::start(vec![reply, says("now")]).await;
        assert_eq!(ask(vec![spec("main", &server, &[])]).await.unwrap().text, "now");
        assert_eq!(server.asked(), 2);
    }
    let server = Server::start(vec![fails(401, "bad key"), says("now")]).await;
    assert!(matches!(ask(vec![spec("main", &server, &[])]).await, Err(ModelError::Refused { .. })));
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn when_everybody_refuses_the_request_is_refused() {
    let first = Server::start(vec![fails(400, "too long")]).await;
    let second = Server::start(vec![fails(401, "bad key")]).await;
    let refused = ask(vec![spec("main", &first, &["second"]), spec("second", &second, &[])]).await;
    let reason = "main: refused, HTTP 400: too long; second: refused, HTTP 401: bad key".to_owned();
    assert_eq!(refused, Err(ModelError::Refused { reason }));
}

#[tokio::test]
async fn when_somebody_was_merely_busy_the_smallest_wait_is_told() {
    let busy = |wait| Reply::Status(429, vec![("retry-after", wait)], String::new());
    let servers = [busy("60"), busy("20"), fails(400, "no")];
    let [first, second, third] = servers.map(|reply| Server::start(vec![reply]));
    let (first, second, third) = (first.await, second.await, third.await);
    let specs =
        vec![spec("main", &first, &["second", "third"]), spec("second", &second, &[]), spec("third", &third, &[])];
    let Err(ModelError::Unavailable { retry_after, .. }) = ask(specs).await else { panic!("answered or refused") };
    assert_eq!(retry_after, Some(Duration::from_secs(20)));
}
