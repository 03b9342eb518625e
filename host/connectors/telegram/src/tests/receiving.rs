//! Receiving: what is confirmed when, and what trouble is called.

use super::*;

#[tokio::test]
async fn an_update_is_confirmed_only_once_it_is_accepted() {
    let (script, journal) = (Arc::new(Script::default()), Arc::new(Journal::default()));
    me(&script);
    script.ok("getUpdates", json!([update(10), update(11), { "update_id": 14, "strange": {} }]));
    script.ok("getUpdates", json!([]));
    let context = run_until_polls(&script, &journal, 3).await;
    let offsets: Vec<Value> = script.asked("getUpdates").iter().map(|params| params["offset"].clone()).collect();
    assert_eq!(offsets, [json!(null), json!(15), json!(15)]);
    assert_eq!(*journal.accepted.lock(), ["u10", "u11"]);
    let status = context.status.get();
    assert_eq!((status.state, status.connections, status.last_inbound.is_some()), (Connection::Connected, 1, true));
}

#[tokio::test]
async fn what_the_journal_refuses_is_not_confirmed() {
    let (script, journal) = (Arc::new(Script::default()), Arc::new(Journal::default()));
    me(&script);
    script.ok("getUpdates", json!([update(10)]));
    journal.answers.lock().push_back(InboxError::Failed { reason: "disk".to_owned() });
    let ran = connector(&script.serve().await).run(context(&journal)).await;
    assert!(matches!(ran, Err(ConnectorError::Retry { code: "journal", .. })), "{ran:?}");
    assert_eq!(script.asked("getUpdates").len(), 1, "nothing more was asked for");
}

#[tokio::test]
async fn a_full_journal_stops_the_polling_until_it_drains() {
    let (script, journal) = (Arc::new(Script::default()), Arc::new(Journal::default()));
    me(&script);
    script.ok("getUpdates", json!([update(10)]));
    journal.answers.lock().push_back(InboxError::Full { retry_after: Duration::from_millis(10) });
    let context = run_until_polls(&script, &journal, 2).await;
    assert_eq!(*journal.accepted.lock(), ["u10"]);
    assert_eq!(script.asked("getUpdates")[1]["offset"], 11);
    assert_eq!(context.status.get().code, None, "the trouble is over");
}

/// Never takes anything, as a disk that hangs.
struct Stuck(Notify);

#[async_trait]
impl Inbox for Stuck {
    async fn accept(&self, _: Vec<Inbound>) -> Result<(), InboxError> {
        self.0.notify_one();
        std::future::pending().await
    }
}

#[tokio::test]
async fn draining_does_not_wait_for_a_journal_that_hangs() {
    let (script, stuck) = (Arc::new(Script::default()), Arc::new(Stuck(Notify::new())));
    me(&script);
    script.ok("getUpdates", json!([update(10)]));
    let context = ConnectorContext { inbox: stuck.clone(), ..context(&Arc::default()) };
    let connector = connector(&script.serve().await);
    let drained = async {
        stuck.0.notified().await;
        tokio::time::pause();
        context.drain.cancel();
    };
    let (ran, ()) = tokio::join!(connector.run(context.clone()), drained);
    assert_eq!(ran, Ok(()));
    assert_eq!(script.asked("getUpdates").len(), 1, "what is not on disk is not confirmed");
}

/// A7: what is not identity changes without another connection.
#[tokio::test]
async fn another_poll_timeout_holds_from_the_next_request() {
    let (script, journal) = (Arc::new(Script::default()), Arc::new(Journal::default()));
    me(&script);
    script.ok("getUpdates", json!([]));
    let (context, connector) = (context(&journal), connector(&script.serve().await));
    let values = BTreeMap::from([("poll_timeout".to_owned(), KeyValue::Duration(Duration::from_secs(9)))]);
    connector.update(ChannelSettings { name: ChannelName::new("me").unwrap(), values }).await;
    let drained = async {
        while script.asked("getUpdates").len() < 2 {
            tokio::task::yield_now().await;
        }
        context.drain.cancel();
    };
    let (ran, ()) = tokio::join!(connector.run(context.clone()), drained);
    assert_eq!(ran, Ok(()));
    assert_eq!(script.asked("getUpdates")[1]["timeout"], 9);
    assert_eq!(script.asked("getMe").len(), 1);
}

#[tokio::test]
async fn a_pressed_button_is_acknowledged_while_polling_goes_on() {
    let (script, journal) = (Arc::new(Script::default()), Arc::new(Journal::default()));
    me(&script);
    script.ok(
        "getUpdates",
        json!([{ "update_id": 1, "callback_query": { "id": "q", "data": "yes",
        "from": { "id": 7, "first_name": "A" },
        "message": { "message_id": 3, "date": 1, "chat": { "id": 7, "type": "private" } } } }]),
    );
    let (context, connector) = (context(&journal), connector(&script.serve().await));
    let acknowledged = async {
        while script.asked("answerCallbackQuery").is_empty() || script.asked("getUpdates").len() < 2 {
            tokio::task::yield_now().await;
        }
        context.drain.cancel();
    };
    let (ran, ()) = tokio::join!(connector.run(context.clone()), acknowledged);
    assert_eq!(ran, Ok(()));
    assert_eq!(script.asked("answerCallbackQuery"), [json!({ "callback_query_id": "q" })]);
}

#[tokio::test]
async fn trouble_says_who_can_mend_it() {
    async fn check(code: u16, description: &str, expect: fn(&ConnectorError) -> bool) {
        let (script, journal) = (Arc::new(Script::default()), Arc::new(Journal::default()));
        script.refuse("getMe", code, description);
        let error = connector(&script.serve().await).run(context(&journal)).await.unwrap_err();
        assert!(expect(&error), "{error:?}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
    check(401, "Unauthorized", |e| matches!(e, ConnectorError::NeedsPerson { code: "unauthorized", .. })).await;
    check(404, "Not Found", |e| matches!(e, ConnectorError::NeedsPerson { code: "unauthorized", .. })).await;
    check(500, "Internal", |e| matches!(e, ConnectorError::Retry { code: "refused", .. })).await;
}

#[tokio::test]
async fn a_rate_limit_names_the_wait() {
    let (script, journal) = (Arc::new(Script::default()), Arc::new(Journal::default()));
    let limited = json!({ "ok": false, "error_code": 429, "description": "", "parameters": { "retry_after": 7 } });
    script.then("getMe", 429, limited);
    let error = connector(&script.serve().await).run(context(&journal)).await.unwrap_err();
    assert!(matches!(error, ConnectorError::WaitFor { wait, .. } if wait == Duration::from_secs(7)), "{error:?}");
}

#[tokio::test]
async fn the_third_conflict_in_a_row_is_named_as_one() {
    let (script, journal) = (Arc::new(Script::default()), Arc::new(Journal::default()));
    let connector = connector(&script.serve().await);
    let mut codes = Vec::new();
    for _ in 0..3 {
        me(&script);
        script.ok("getUpdates", json!([]));
        script.refuse("getUpdates", 409, "Conflict: terminated by other getUpdates request");
        match connector.run(context(&journal)).await {
            Err(ConnectorError::Retry { code, .. }) => codes.push(code),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(codes, ["interrupted", "interrupted", "conflict"]);
}

#[tokio::test]
async fn an_unreachable_server_is_tried_again_and_the_token_stays_secret() {
    let error = connector(&nobody_there().await).run(context(&Arc::default())).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Retry { code: "unreachable", .. }), "{error:?}");
    assert!(error.to_string().contains("refused") && !error.to_string().contains("SECRET"), "{error}");
}
