//! The connector against a small scripted server: what is confirmed when, and what failures mean.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::{Value, json};
use switchhook_core::action::{Action, AttachmentSource, Button, Outgoing, OutgoingAttachment, TextFormat};
use switchhook_core::connector::{
    Connector, ConnectorContext, ConnectorError, Delivery, DeliveryError, Inbox, InboxError, Receipt, StatusReporter,
};
use switchhook_core::id::{ChannelName, OutboxId};
use switchhook_core::kind::{ChannelSettings, ConnectorKind, KeyValue};
use switchhook_core::message::{AttachmentKind, Chat, ChatKind, Inbound};
use switchhook_core::status::State as Connection;
use switchhook_core::time::SystemClock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::TelegramKind;

const TOKEN: &str = "4242:SECRET";

/// A server that gives the scripted answers of each method in turn, and keeps what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<BTreeMap<&'static str, VecDeque<(u16, Value)>>>,
    asked: Mutex<Vec<(String, Value)>>,
}

impl Script {
    fn then(&self, method: &'static str, status: u16, answer: Value) {
        self.answers.lock().entry(method).or_default().push_back((status, answer));
    }
    fn ok(&self, method: &'static str, result: Value) {
        self.then(method, 200, json!({ "ok": true, "result": result }));
    }
    fn refuse(&self, method: &'static str, code: u16, description: &str) {
        self.then(method, code, json!({ "ok": false, "error_code": code, "description": description }));
    }
    fn asked(&self, method: &str) -> Vec<Value> {
        self.asked.lock().iter().filter(|(m, _)| m == method).map(|(_, params)| params.clone()).collect()
    }

    async fn serve(self: &Arc<Self>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }
}

/// A method without an answer left never answers: a long poll with no news.
async fn answer(State(script): State<Arc<Script>>, uri: Uri, body: Bytes) -> (StatusCode, String) {
    let method = uri.path().strip_prefix(&format!("/bot{TOKEN}/")).expect("the token is in the path").to_owned();
    let params = serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)));
    script.asked.lock().push((method.clone(), params));
    let scripted = script.answers.lock().get_mut(method.as_str()).and_then(VecDeque::pop_front);
    match scripted {
        Some((status, Value::String(text))) => (StatusCode::from_u16(status).unwrap(), text),
        Some((status, answer)) => (StatusCode::from_u16(status).unwrap(), answer.to_string()),
        None => std::future::pending().await,
    }
}

fn connector(api_url: &str) -> Arc<dyn Connector> {
    let values = BTreeMap::from([
        ("token".to_owned(), KeyValue::Secret(TOKEN.into())),
        ("api_url".to_owned(), KeyValue::Text(api_url.to_owned())),
    ]);
    let settings = ChannelSettings { name: ChannelName::new("me").unwrap(), values };
    TelegramKind.build(settings).expect("it can be built").connector
}

/// Gives its scripted answers, then success.
#[derive(Default)]
struct Journal {
    answers: Mutex<VecDeque<InboxError>>,
    accepted: Mutex<Vec<String>>,
}

#[async_trait]
impl Inbox for Journal {
    async fn accept(&self, batch: Vec<Inbound>) -> Result<(), InboxError> {
        if let Some(error) = self.answers.lock().pop_front() {
            return Err(error);
        }
        self.accepted.lock().extend(batch.into_iter().map(|inbound| inbound.dedupe_key));
        Ok(())
    }
}

fn context(journal: &Arc<Journal>) -> ConnectorContext {
    ConnectorContext {
        inbox: journal.clone(),
        status: StatusReporter::new(Arc::new(SystemClock)),
        drain: CancellationToken::new(),
    }
}

fn update(id: i64) -> Value {
    json!({ "update_id": id, "message": { "message_id": id, "date": 1, "text": "x",
        "chat": { "id": 7, "type": "private" }, "from": { "id": 7, "first_name": "A" } } })
}

fn me(script: &Script) {
    script.ok("getMe", json!({ "id": 4242, "first_name": "Hook", "username": "hook_bot" }));
}

/// Runs until the server was asked so many times for updates, then drains.
async fn run_until_polls(script: &Arc<Script>, journal: &Arc<Journal>, polls: usize) -> ConnectorContext {
    let context = context(journal);
    let connector = connector(&script.serve().await);
    let drained = async {
        while script.asked("getUpdates").len() < polls {
            tokio::task::yield_now().await;
        }
        context.drain.cancel();
    };
    let (ran, ()) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(connector.run(context.clone()), drained) })
            .await
            .expect("it polls and drains");
    assert_eq!(ran, Ok(()));
    context
}

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

/// A port that was free a moment ago.
async fn nobody_there() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn delivery(action: Action) -> Delivery {
    Delivery {
        id: OutboxId(1),
        attempt: 1,
        chat: "7".to_owned(),
        thread: Some("3".to_owned()),
        action,
        answers: None,
        idempotency_key: "k".to_owned(),
    }
}

fn sent(script: &Script, method: &'static str, id: i64) {
    script.ok(method, json!({ "message_id": id, "chat": { "id": 7 } }));
}

#[tokio::test]
async fn a_message_goes_out_with_all_it_carries() {
    let script = Arc::new(Script::default());
    sent(&script, "sendMessage", 9);
    let outgoing = Outgoing {
        format: TextFormat::Markdown,
        reply_to: Some("5".to_owned()),
        buttons: vec![vec![Button { label: "Yes".to_owned(), value: "yes".to_owned() }]],
        ..Outgoing::text("**a** < b")
    };
    let receipt = connector(&script.serve().await).deliver(&delivery(Action::Send(outgoing))).await;
    assert_eq!(receipt, Ok(Receipt { provider_id: Some("9".to_owned()) }));
    let expect = json!({
        "chat_id": 7, "message_thread_id": 3, "text": "<b>a</b> &lt; b", "parse_mode": "HTML",
        "reply_parameters": { "message_id": 5, "allow_sending_without_reply": true },
        "reply_markup": { "inline_keyboard": [[{ "text": "Yes", "callback_data": "yes" }]] },
    });
    assert_eq!(script.asked("sendMessage"), [expect]);
}

#[tokio::test]
async fn markup_that_telegram_does_not_take_goes_out_plain() {
    let script = Arc::new(Script::default());
    for refusal in ["can't parse entities: whatever", "message is too long"] {
        script.refuse("sendMessage", 400, &format!("Bad Request: {refusal}"));
        sent(&script, "sendMessage", 9);
    }
    let outgoing = Outgoing { format: TextFormat::Markdown, ..Outgoing::text("**a**") };
    let connector = connector(&script.serve().await);
    for again in [1, 3] {
        connector.deliver(&delivery(Action::Send(outgoing.clone()))).await.unwrap();
        let again = &script.asked("sendMessage")[again];
        assert_eq!((&again["text"], again.get("parse_mode")), (&json!("**a**"), None));
    }
}

#[tokio::test]
async fn failures_of_a_send_tell_whether_it_may_have_happened() {
    async fn check(status: u16, answer: Value, expect: fn(&DeliveryError) -> bool) {
        let script = Arc::new(Script::default());
        script.then("sendMessage", status, answer);
        let send = delivery(Action::Send(Outgoing::text("x")));
        let error = connector(&script.serve().await).deliver(&send).await.unwrap_err();
        assert!(expect(&error), "{status}: {error:?}");
    }
    let refused =
        |code: u16| json!({ "ok": false, "error_code": code, "description": "no", "parameters": { "retry_after": 2 } });
    check(429, refused(429), |e| matches!(e, DeliveryError::Retry { after: Some(t), .. } if t.as_secs() == 2)).await;
    check(500, refused(500), |e| matches!(e, DeliveryError::Retry { .. })).await;
    check(502, json!("<html>Bad Gateway</html>"), |e| matches!(e, DeliveryError::Unknown { .. })).await;
    check(200, json!("{\"ok\":true,\"result\":"), |e| matches!(e, DeliveryError::Unknown { .. })).await;
    check(403, refused(403), |e| matches!(e, DeliveryError::Rejected { code, .. } if code == "403")).await;
}

#[tokio::test]
async fn a_send_nobody_took_is_tried_again_and_a_cut_one_is_unknown() {
    let send = delivery(Action::Send(Outgoing::text("x")));
    let refused = connector(&nobody_there().await).deliver(&send).await.unwrap_err();
    assert!(matches!(refused, DeliveryError::Retry { .. }), "{refused:?}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connector = connector(&format!("http://{}", listener.local_addr().unwrap()));
    let cut = async {
        let (stream, _) = listener.accept().await.unwrap();
        stream.readable().await.unwrap();
        drop(stream);
    };
    let (delivered, ()) = tokio::join!(connector.deliver(&send), cut);
    let error = delivered.unwrap_err();
    assert!(matches!(error, DeliveryError::Unknown { .. }), "{error:?}");
    assert!(!error.to_string().contains("SECRET"), "{error}");
}

#[tokio::test]
async fn a_file_sent_before_the_next_failed_is_not_sent_twice() {
    let script = Arc::new(Script::default());
    sent(&script, "sendPhoto", 9);
    let limited = json!({ "ok": false, "error_code": 429, "description": "later", "parameters": { "retry_after": 1 } });
    script.then("sendDocument", 429, limited);
    sent(&script, "sendDocument", 10);
    let file = |source, kind| OutgoingAttachment { source, kind, media_type: None, file_name: None };
    let outgoing = Outgoing {
        attachments: vec![
            file(AttachmentSource::Handle("abc".to_owned()), AttachmentKind::Image),
            file(AttachmentSource::Bytes(b"bytes".to_vec()), AttachmentKind::Document),
        ],
        ..Outgoing::text("both")
    };
    let (connector, send) = (connector(&script.serve().await), delivery(Action::Send(outgoing)));
    assert!(matches!(connector.deliver(&send).await, Err(DeliveryError::Retry { .. })));
    assert_eq!(connector.deliver(&send).await, Ok(Receipt { provider_id: Some("9".to_owned()) }));
    let photos = script.asked("sendPhoto");
    assert_eq!(photos, [json!({ "chat_id": 7, "message_thread_id": 3, "photo": "abc", "caption": "both" })]);
    assert!(script.asked("sendDocument")[1].as_str().unwrap().contains("bytes"), "the bytes are in the form");
}

#[tokio::test]
async fn what_is_done_already_counts_as_done() {
    let script = Arc::new(Script::default());
    script.refuse("editMessageText", 400, "Bad Request: message is not modified: specified new message content");
    script.refuse("deleteMessage", 400, "Bad Request: message to delete not found");
    let connector = connector(&script.serve().await);
    let message_id = "5".to_owned();
    let edit = Action::Edit { message_id: message_id.clone(), text: "x".to_owned(), format: TextFormat::Plain };
    for action in [edit, Action::Delete { message_id: message_id.clone() }, Action::MarkRead] {
        assert!(connector.deliver(&delivery(action.clone())).await.is_ok(), "{action:?}");
    }
}

#[tokio::test]
async fn reactions_and_forwards_name_the_message() {
    let script = Arc::new(Script::default());
    script.ok("setMessageReaction", json!(true));
    sent(&script, "forwardMessage", 12);
    let connector = connector(&script.serve().await);
    let message_id = "5".to_owned();
    let react = Action::React { message_id: message_id.clone(), emoji: Some("👍".to_owned()) };
    connector.deliver(&delivery(react)).await.unwrap();
    let expect = json!({ "chat_id": 7, "message_id": 5, "reaction": [{ "type": "emoji", "emoji": "👍" }] });
    assert_eq!(script.asked("setMessageReaction"), [expect]);
    let receipt = connector.deliver(&delivery(Action::Forward { message_id, to: "-100".to_owned() })).await.unwrap();
    assert_eq!(receipt.provider_id.as_deref(), Some("12"));
    let expect = json!({ "chat_id": -100, "from_chat_id": 7, "message_id": 5 });
    assert_eq!(script.asked("forwardMessage"), [expect]);
}

#[tokio::test]
async fn what_telegram_could_never_take_is_refused_unsent() {
    let connector = connector(&nobody_there().await);
    let button = Button { label: "go".to_owned(), value: "x".repeat(65) };
    let too_long = Action::Send(Outgoing { buttons: vec![vec![button]], ..Outgoing::text("x") });
    let no_id = Action::Delete { message_id: "abc".to_owned() };
    let foreign = Action::Other { kind: "dance".to_owned(), json: "{}".to_owned() };
    for (action, expect) in [(too_long, "button-value"), (no_id, "bad-message-id"), (foreign, "unsupported")] {
        match connector.deliver(&delivery(action)).await {
            Err(DeliveryError::Rejected { code, .. }) => assert_eq!(code, expect),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_is_followed() {
    let script = Arc::new(Script::default());
    let moved = json!({ "ok": false, "error_code": 400, "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": { "migrate_to_chat_id": -1007 } });
    script.then("sendMessage", 400, moved);
    sent(&script, "sendMessage", 1);
    connector(&script.serve().await).deliver(&delivery(Action::Send(Outgoing::text("x")))).await.unwrap();
    assert_eq!(script.asked("sendMessage")[1]["chat_id"], -1007);
}

#[tokio::test]
async fn typing_is_shown_in_the_topic() {
    let script = Arc::new(Script::default());
    script.ok("sendChatAction", json!(true));
    let chat = Chat { id: "-100".to_owned(), kind: ChatKind::Group, title: None, thread: Some("3".to_owned()) };
    connector(&script.serve().await).typing(&chat).await;
    let expect = json!({ "chat_id": -100, "message_thread_id": 3, "action": "typing" });
    assert_eq!(script.asked("sendChatAction"), [expect]);
}

#[derive(Clone, Copy)]
enum Ranges {
    Known,
    Unknown,
}

/// Serves one file of ten bytes.
async fn file_server(ranges: Ranges, size: u64) -> String {
    let answer = async move |uri: Uri, headers: HeaderMap| match (uri.path().starts_with("/file/bot"), ranges) {
        (false, _) => {
            let file = json!({ "file_id": "f", "file_path": "documents/a", "file_size": size });
            (StatusCode::OK, json!({ "ok": true, "result": file }).to_string())
        }
        (true, Ranges::Unknown) => (StatusCode::OK, "0123456789".to_owned()),
        (true, Ranges::Known) => {
            let range = headers["range"].to_str().unwrap().strip_prefix("bytes=").unwrap().to_owned();
            let (from, to) = range.split_once('-').unwrap();
            let part = &"0123456789"[from.parse().unwrap()..=to.parse().unwrap()];
            (StatusCode::PARTIAL_CONTENT, part.to_owned())
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    url
}

#[tokio::test]
async fn an_attachment_is_read_in_parts_whether_or_not_the_server_knows_ranges() {
    for ranges in [Ranges::Known, Ranges::Unknown] {
        let connector = connector(&file_server(ranges, 10).await);
        let read = async |offset, length| connector.attachment("f", offset, length).await;
        assert_eq!(read(0, 100).await.as_deref(), Some(&b"0123456789"[..]));
        assert_eq!(read(3, 4).await.as_deref(), Some(&b"3456"[..]));
        assert_eq!(read(8, 4).await.as_deref(), Some(&b"89"[..]));
        assert_eq!(read(10, 4).await.as_deref(), Some(&b""[..]));
    }
}

#[tokio::test]
async fn a_file_too_large_for_bots_is_not_fetched() {
    let connector = connector(&file_server(Ranges::Known, 20 * 1024 * 1024 + 1).await);
    assert_eq!(connector.attachment("f", 0, 4).await, None);
}
