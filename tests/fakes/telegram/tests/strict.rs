//! The fake refuses what Telegram refuses, and loses nothing.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const TOKEN: &str = "4242:SECRET";

struct Fake {
    child: Child,
    url: String,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
    ledger: PathBuf,
}

impl Drop for Fake {
    fn drop(&mut self) {
        // It may have been killed by the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Fake {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.jsonl");
        let mut child = Command::new(env!("CARGO_BIN_EXE_fake-telegram"))
            .args(["--bot", TOKEN, "--bot", "77:OTHER", "--ledger"])
            .arg(&ledger)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("it says where it listens").to_owned();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, url, http, _folder: folder, ledger }
    }

    /// Calls a method; the answer as it is.
    async fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, params).await.expect("an answer")
    }

    async fn try_call(&self, method: &str, params: Value) -> reqwest::Result<Value> {
        self.http.post(format!("{}/bot{TOKEN}/{method}", self.url)).json(&params).send().await?.json().await
    }

    async fn refused(&self, method: &str, params: Value, code: u16, expect: &str) {
        let answer = self.call(method, params.clone()).await;
        assert_eq!(answer["ok"], false, "{method} {params}: {answer}");
        assert_eq!(answer["error_code"], code, "{answer}");
        let description = answer["description"].as_str().unwrap();
        assert!(description.contains(expect), "{description:?} says {expect:?}");
    }

    async fn control(&self, command: &str, body: Value) -> Value {
        let response = self.http.post(format!("{}/_control/{command}", self.url)).json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{command}: {}", response.text().await.unwrap());
        response.json().await.unwrap()
    }

    async fn show(&self, what: &str) -> Value {
        self.http.get(format!("{}/_control/{what}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    async fn alice_writes(&self, text: &str) -> Value {
        let from = json!({ "id": 7, "username": "alice", "first_name": "Alice" });
        self.control("write", json!({ "bot": 4242, "from": from, "text": text })).await
    }

    async fn updates(&self, params: Value) -> Vec<i64> {
        let answer = self.call("getUpdates", params).await;
        let updates = answer["result"].as_array().unwrap_or_else(|| panic!("{answer}"));
        updates.iter().map(|update| update["update_id"].as_i64().unwrap()).collect()
    }

    async fn polling(&self) -> bool {
        self.show("wait?bot=4242&polling=true&timeout_ms=5000").await["reached"] == true
    }
}

#[tokio::test]
async fn updates_come_again_until_they_are_confirmed() {
    let fake = Fake::start();
    let first = fake.alice_writes("one").await["update_id"].as_i64().unwrap();
    fake.alice_writes("two").await;
    assert_eq!(fake.updates(json!({})).await, [first, first + 1]);
    assert_eq!(fake.updates(json!({ "limit": 1 })).await, [first]);
    assert_eq!(fake.updates(json!({ "offset": first + 1 })).await, [first + 1]);
    assert_eq!(fake.updates(json!({})).await, [first + 1], "confirmed ones are gone for good");
    assert_eq!(fake.show("unconfirmed?bot=4242").await["updates"].as_array().unwrap().len(), 1);
    fake.alice_writes("three").await;
    assert_eq!(fake.updates(json!({ "offset": -1 })).await, [first + 2], "a negative offset forgets the older ones");
    assert_eq!(fake.updates(json!({ "offset": first + 3 })).await, [0; 0]);
}

#[tokio::test]
async fn a_long_poll_waits_for_news_and_ends_in_time() {
    let fake = Fake::start();
    let (updates, written) = tokio::join!(fake.updates(json!({ "timeout": 30 })), async {
        assert!(fake.polling().await);
        fake.alice_writes("news").await
    });
    assert_eq!(updates, [written["update_id"].as_i64().unwrap()]);
    let started = Instant::now();
    assert!(fake.updates(json!({ "offset": updates[0] + 1, "timeout": 1 })).await.is_empty());
    assert!(started.elapsed() >= Duration::from_millis(900), "it waited");
}

#[tokio::test]
async fn a_second_poller_ends_the_first_with_a_conflict() {
    let fake = Fake::start();
    let (first, second) = tokio::join!(fake.call("getUpdates", json!({ "timeout": 30 })), async {
        assert!(fake.polling().await);
        fake.updates(json!({})).await
    });
    assert_eq!(first["error_code"], 409, "{first}");
    assert!(first["description"].as_str().unwrap().starts_with("Conflict: terminated by other getUpdates request"));
    assert!(second.is_empty());
}

#[tokio::test]
async fn only_good_tokens_and_known_methods_are_served_in_any_case() {
    let fake = Fake::start();
    let status =
        async |path: &str| fake.http.get(format!("{}/{path}", fake.url)).send().await.unwrap().status().as_u16();
    assert_eq!(status("bot4242:SECRET/GETME").await, 200);
    assert_eq!(status("bot4242:WRONG/getMe").await, 401);
    assert_eq!(status("botnonsense/getMe").await, 404);
    assert_eq!(status("bot4242:SECRET/getNothing").await, 404);
    fake.control("token", json!({ "token": TOKEN, "good": false })).await;
    assert_eq!(status("bot4242:SECRET/getMe").await, 401);
    fake.control("token", json!({ "token": "4242:NEW", "good": true })).await;
    assert_eq!(status("bot4242:NEW/getMe").await, 200);
}

#[tokio::test]
async fn texts_are_refused_as_telegram_refuses_them() {
    let fake = Fake::start();
    fake.refused("sendMessage", json!({ "chat_id": 7, "text": "x" }), 400, "Bad Request: chat not found").await;
    fake.alice_writes("hello").await;
    let cases = [
        (json!({ "text": "x" }), "chat_id is empty"),
        (json!({ "chat_id": 7, "text": " \n" }), "message text is empty"),
        (json!({ "chat_id": 7, "text": "👋".repeat(2049) }), "message is too long"),
        (
            json!({ "chat_id": 7, "text": "x", "reply_parameters": { "message_id": 99 } }),
            "message to be replied not found",
        ),
        (json!({ "chat_id": 7, "text": "x", "message_thread_id": 5 }), "message thread not found"),
        (json!({ "chat_id": 7, "text": "<b>x", "parse_mode": "HTML" }), "can't parse entities: Can't find end tag"),
        (json!({ "chat_id": 7, "text": "<p>x</p>", "parse_mode": "HTML" }), "Unsupported start tag \"p\""),
    ];
    for (params, expect) in cases {
        fake.refused("sendMessage", params, 400, expect).await;
    }
    let data = |size: usize| json!({ "inline_keyboard": [[{ "text": "go", "callback_data": "x".repeat(size) }]] });
    let button = |size| json!({ "chat_id": 7, "text": "x", "reply_markup": data(size) });
    fake.refused("sendMessage", button(65), 400, "BUTTON_DATA_INVALID").await;
    assert_eq!(fake.call("sendMessage", button(64)).await["ok"], true);
    assert_eq!(fake.call("sendMessage", json!({ "chat_id": 7, "text": "👋".repeat(2048) })).await["ok"], true);
    fake.control("block", json!({ "bot": 4242, "chat": 7, "on": true })).await;
    fake.refused("sendMessage", json!({ "chat_id": 7, "text": "x" }), 403, "bot was blocked by the user").await;
    let other =
        fake.http.post(format!("{}/bot77:OTHER/sendMessage", fake.url)).json(&json!({ "chat_id": 7, "text": "x" }));
    assert_eq!(other.send().await.unwrap().status(), 400, "a chat of one bot is none of another's");
}

#[tokio::test]
async fn messages_can_be_changed_only_where_there_is_something_to_change() {
    let fake = Fake::start();
    let theirs = fake.alice_writes("hello").await["message_id"].clone();
    let ours = fake.call("sendMessage", json!({ "chat_id": "7", "text": "hi" })).await["result"]["message_id"].clone();
    let edit = |id: &Value, text: &str| json!({ "chat_id": 7, "message_id": id, "text": text });
    fake.refused("editMessageText", edit(&json!(99), "x"), 400, "message to edit not found").await;
    fake.refused("editMessageText", edit(&theirs, "x"), 400, "message can't be edited").await;
    fake.refused("editMessageText", edit(&ours, "hi"), 400, "message is not modified").await;
    assert_eq!(fake.call("editMessageText", edit(&ours, "hey")).await["result"]["text"], "hey");

    let react =
        |emoji: &str| json!({ "chat_id": 7, "message_id": theirs, "reaction": [{ "type": "emoji", "emoji": emoji }] });
    assert_eq!(fake.call("setMessageReaction", react("👍")).await["result"], true);
    fake.refused("setMessageReaction", react("🦆"), 400, "REACTION_INVALID").await;

    let forward = |id: Value| json!({ "chat_id": 7, "from_chat_id": 7, "message_id": id });
    assert_eq!(fake.call("forwardMessage", forward(theirs.clone())).await["result"]["text"], "hello");
    fake.refused("forwardMessage", forward(json!(99)), 400, "message to forward not found").await;

    let delete = json!({ "chat_id": 7, "message_id": ours });
    assert_eq!(fake.call("deleteMessage", delete.clone()).await["result"], true);
    fake.refused("deleteMessage", delete, 400, "message to delete not found").await;
    fake.refused("sendChatAction", json!({ "chat_id": 7, "action": "dance" }), 400, "wrong parameter action").await;
    fake.refused("answerCallbackQuery", json!({ "callback_query_id": "x" }), 400, "query is too old").await;
}

#[tokio::test]
async fn a_button_is_pressed_and_answered_once() {
    let fake = Fake::start();
    fake.alice_writes("hello").await;
    let keys = json!({ "inline_keyboard": [[{ "text": "Yes", "callback_data": "yes" }]] });
    let sent = fake.call("sendMessage", json!({ "chat_id": 7, "text": "sure?", "reply_markup": keys })).await;
    let id = &sent["result"]["message_id"];
    fake.control("press", json!({ "bot": 4242, "chat": 7, "message_id": id, "from": { "id": 7 }, "data": "yes" }))
        .await;
    let updates = fake.call("getUpdates", json!({})).await;
    let query = &updates["result"][1]["callback_query"];
    assert_eq!((&query["data"], &query["message"]["message_id"]), (&json!("yes"), id));
    let answer = json!({ "callback_query_id": query["id"] });
    assert_eq!(fake.call("answerCallbackQuery", answer.clone()).await["result"], true);
    fake.refused("answerCallbackQuery", answer, 400, "query is too old").await;
}

#[tokio::test]
async fn parameters_are_read_from_forms_and_multipart_too() {
    let fake = Fake::start();
    fake.alice_writes("hello").await;
    let url = format!("{}/bot{TOKEN}", fake.url);
    let form = fake.http.post(format!("{url}/sendmessage")).header("content-type", "application/x-www-form-urlencoded");
    let sent: Value = form.body("chat_id=7&text=a+%26+b").send().await.unwrap().json().await.unwrap();
    assert_eq!(sent["result"]["text"], "a & b");

    let part = reqwest::multipart::Part::bytes(b"0123456789".to_vec()).file_name("a.bin");
    let form = reqwest::multipart::Form::new().text("chat_id", "7").text("caption", "look").part("document", part);
    let sent: Value =
        fake.http.post(format!("{url}/sendDocument")).multipart(form).send().await.unwrap().json().await.unwrap();
    assert_eq!(sent["result"]["caption"], "look", "{sent}");
    let id = &sent["result"]["document"]["file_id"];
    let file = fake.call("getFile", json!({ "file_id": id })).await;
    let path = file["result"]["file_path"].as_str().unwrap();
    let part = fake
        .http
        .get(format!("{}/file/bot{TOKEN}/{path}", fake.url))
        .header("range", "bytes=2-4")
        .send()
        .await
        .unwrap();
    assert_eq!((part.status().as_u16(), part.text().await.unwrap().as_str()), (206, "234"));
    let again = json!({ "chat_id": 7, "document": id });
    assert_eq!(fake.call("sendDocument", again).await["ok"], true);
    let unknown = json!({ "chat_id": 7, "document": "x" });
    fake.refused("sendDocument", unknown, 400, "wrong file identifier").await;
}

#[tokio::test]
async fn faults_strike_where_they_are_aimed() {
    let fake = Fake::start();
    fake.alice_writes("hello").await;
    let send = json!({ "chat_id": 7, "text": "x" });
    let fault = |kind: Value| json!({ "method": "sendMessage", "kind": kind });
    let sent = async || fake.show("wait").await["sent"].as_u64().unwrap();

    fake.control("faults", fault(json!({ "status": { "code": 429, "retry_after": 3 } }))).await;
    assert_eq!(fake.call("getMe", json!({})).await["ok"], true, "aimed at another method");
    assert_eq!(fake.call("sendMessage", send.clone()).await["parameters"]["retry_after"], 3);
    assert_eq!(sent().await, 0);

    fake.control("faults", fault(json!("cut_before"))).await;
    assert!(fake.try_call("sendMessage", send.clone()).await.is_err());
    assert_eq!(sent().await, 0, "nothing was done");

    fake.control("faults", fault(json!("cut"))).await;
    assert!(fake.try_call("sendMessage", send.clone()).await.is_err());
    assert_eq!(sent().await, 1, "it was done, and nobody was told");

    fake.control("faults", fault(json!("malformed"))).await;
    assert!(fake.try_call("sendMessage", send.clone()).await.is_err());
    assert_eq!(sent().await, 2);
    assert_eq!(fake.call("sendMessage", send).await["ok"], true, "each struck once");
}

#[tokio::test]
async fn an_outage_cuts_the_poll_and_is_over_when_told() {
    let fake = Fake::start();
    let (cut, ()) = tokio::join!(fake.try_call("getUpdates", json!({ "timeout": 30 })), async {
        assert!(fake.polling().await);
        fake.control("outage", json!({ "on": true })).await;
    });
    assert!(cut.is_err());
    assert_eq!(fake.show("wait?bot=4242&polling=false&timeout_ms=5000").await["reached"], true);
    assert!(fake.try_call("getMe", json!({})).await.is_err());
    fake.control("outage", json!({ "on": false })).await;
    assert_eq!(fake.call("getMe", json!({})).await["ok"], true);
}

#[tokio::test]
async fn limits_hold_once_they_are_on() {
    let fake = Fake::start();
    fake.alice_writes("hello").await;
    let send = async || fake.call("sendMessage", json!({ "chat_id": 7, "text": "x" })).await["error_code"].clone();
    for _ in 0..5 {
        assert_eq!(send().await, Value::Null);
    }
    fake.control("limits", json!({ "on": true })).await;
    let mut last = Value::Null;
    for _ in 0..4 {
        last = send().await;
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn the_ledger_outlives_a_kill_and_tells_connections_apart() {
    let mut fake = Fake::start();
    fake.alice_writes("hello").await;
    fake.updates(json!({})).await;
    fake.call("sendMessage", json!({ "chat_id": 7, "text": "<b>hi</b>", "parse_mode": "HTML" })).await;
    let shown = fake.show("ledger").await;
    assert_eq!(shown["accepted"][0]["text"], "hi");
    assert_eq!(shown["polls"][0]["port"], shown["connections"][0]["port"]);
    assert_eq!(shown["connections"].as_array().unwrap().len(), 1, "{shown}");
    fake.child.kill().unwrap();
    fake.child.wait().unwrap();
    let lines = std::fs::read_to_string(&fake.ledger).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sent = lines.iter().find(|line| line["event"] == "accepted").unwrap();
    assert_eq!((&sent["method"], &sent["chat"], &sent["message_id"]), (&json!("sendMessage"), &json!(7), &json!(2)));
    assert!(lines.iter().any(|line| line["event"] == "poll"));
}

#[tokio::test]
async fn times_are_told_to_the_microsecond_until_the_ledger_is_forgotten() {
    let fake = Fake::start();
    let queued_us = fake.alice_writes("hello").await["at_us"].as_u64().unwrap();
    fake.updates(json!({})).await;
    fake.updates(json!({})).await;
    fake.call("sendMessage", json!({ "chat_id": 7, "text": "hi" })).await;
    let shown = fake.show("ledger").await;
    let sent = &shown["accepted"][0];
    assert!(sent["at_us"].as_u64().unwrap() >= queued_us, "{shown}");
    assert_eq!(sent["at_us"].as_u64().unwrap() / 1000, sent["at_ms"].as_u64().unwrap());
    let (first, second) = (&shown["polls"][0], &shown["polls"][1]);
    let between = second["at_us"].as_u64().unwrap() - first["at_us"].as_u64().unwrap();
    assert!(first["idle_us"].is_null() && second["idle_us"].as_u64().unwrap() <= between, "{shown}");
    let forgotten = fake.http.delete(format!("{}/_control/ledger", fake.url)).send().await.unwrap();
    assert!(forgotten.status().is_success());
    let shown = fake.show("ledger").await;
    assert_eq!((&shown["accepted"], &shown["polls"]), (&json!([]), &json!([])));
    assert_eq!(fake.show("wait?timeout_ms=0").await["sent"], 0);
}
