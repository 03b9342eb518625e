//! The program as a client and as a test see it.

use std::process::Stdio;

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

struct Fake {
    url: String,
    client: Client,
    _child: Child,
}

impl Fake {
    async fn start(arguments: &[&str]) -> Fake {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fake-model"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("the address").to_owned();
        Fake { url, client: Client::builder().no_proxy().build().unwrap(), _child: child }
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        self.client.post(format!("{}{path}", self.url)).json(&body).send().await.unwrap()
    }

    async fn control(&self, path: &str, body: Value) {
        let response = self.post(&format!("/_control/{path}"), body).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT, "{path}");
    }

    async fn clear(&self, path: &str) {
        let response = self.client.delete(format!("{}/_control/{path}", self.url)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT, "{path}");
    }

    async fn read(&self, path: &str) -> Value {
        self.client.get(format!("{}/_control/{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    async fn ask(&self, body: Value) -> Response {
        self.post("/v1/chat/completions", body).await
    }

    async fn ask_whole(&self) -> Value {
        self.ask(question()).await.json().await.unwrap()
    }
}

fn question() -> Value {
    json!({ "model": "m", "messages": [{ "role": "user", "content": "one two three four five" }] })
}

fn streamed() -> Value {
    let mut body = question();
    body["stream"] = true.into();
    body["stream_options"] = json!({ "include_usage": true });
    body
}

/// The chunks of a stream, which must end with the mark.
fn chunks(stream: &str) -> Vec<Value> {
    let mut events: Vec<&str> = stream.split_terminator("\n\n").map(|e| e.strip_prefix("data: ").unwrap()).collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    events.into_iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

fn deltas(chunks: &[Value]) -> Vec<Value> {
    chunks.iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect()
}

#[tokio::test]
async fn an_echo_is_streamed_in_pieces() {
    let fake = Fake::start(&[]).await;
    let response = fake.ask(streamed()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let chunks = chunks(&response.text().await.unwrap());
    let expected = [
        json!({ "role": "assistant", "content": "" }),
        json!({ "content": "echo: one two " }),
        json!({ "content": "three four five" }),
        json!({}),
        Value::Null,
    ];
    assert_eq!(deltas(&chunks), expected);
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks[4]["usage"], json!({ "prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11 }));
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["model"] == "m"));
}

#[tokio::test]
async fn an_answer_comes_whole_where_no_stream_is_asked_for() {
    let fake = Fake::start(&[]).await;
    let answer = fake.ask_whole().await;
    assert_eq!(answer["choices"][0]["message"]["content"], "echo: one two three four five");
    assert_eq!(answer["object"], "chat.completion");
}

#[tokio::test]
async fn what_a_provider_rejects_is_rejected() {
    let fake = Fake::start(&["--key", "sk-1", "--model", "m", "--model", "n"]).await;
    let rejected = |response: Response| async move {
        let status = response.status().as_u16();
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["error"]["type"], "invalid_request_error", "{error}");
        (status, error["error"]["code"].clone())
    };
    assert_eq!(rejected(fake.ask(question()).await).await, (401, Value::Null));
    let with_key = |key: &str, body: &Value| {
        fake.client.post(format!("{}/v1/chat/completions", fake.url)).bearer_auth(key).json(body).send()
    };
    assert_eq!(rejected(with_key("sk-2", &question()).await.unwrap()).await, (401, json!("invalid_api_key")));
    let mut other = question();
    other["model"] = "other".into();
    assert_eq!(rejected(with_key("sk-1", &other).await.unwrap()).await, (404, json!("model_not_found")));
    assert_eq!(rejected(with_key("sk-1", &json!({ "model": "m" })).await.unwrap()).await, (400, Value::Null));
    assert_eq!(rejected(fake.post("/v1/completions", json!({})).await).await, (404, json!("unknown_url")));
    assert_eq!(with_key("sk-1", &question()).await.unwrap().status(), 200);

    let statuses: Vec<_> = fake.read("ledger").await.as_array().unwrap().iter().map(|e| e["status"].clone()).collect();
    assert_eq!(statuses, [401, 401, 404, 400, 200]);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_rejected() {
    let fake = Fake::start(&[]).await;
    let url = format!("{}/v1/chat/completions", fake.url);
    for (content_type, body) in [("application/json", "{oops"), ("text/plain", &question().to_string())] {
        let request = fake.client.post(&url).header("content-type", content_type).body(body.to_owned());
        assert_eq!(request.send().await.unwrap().status(), 400, "{content_type}");
    }
}

#[tokio::test]
async fn scripted_answers_come_in_order_then_the_echo() {
    let fake = Fake::start(&[]).await;
    let call = json!({ "name": "clock", "arguments": { "zone": "UTC" } });
    fake.control("script", json!({ "answers": [{ "tool_calls": [call] }, { "text": "noon" }] })).await;
    let chunks = chunks(&fake.ask(streamed()).await.text().await.unwrap());
    let pieces = deltas(&chunks);
    let function = |index: usize| pieces[index]["tool_calls"][0]["function"].clone();
    assert_eq!(function(1), json!({ "name": "clock", "arguments": "" }));
    let arguments = [function(2), function(3)].map(|f| f["arguments"].as_str().unwrap().to_owned()).concat();
    assert_eq!(arguments, "{\"zone\":\"UTC\"}");
    assert_eq!(chunks[4]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(fake.ask_whole().await["choices"][0]["message"]["content"], "noon");
    assert_eq!(fake.ask_whole().await["choices"][0]["message"]["content"], "echo: one two three four five");
    fake.control("script", json!({ "answers": [{ "text": "never said" }] })).await;
    fake.clear("script").await;
    assert_eq!(fake.ask_whole().await["choices"][0]["message"]["content"], "echo: one two three four five");
}

#[tokio::test]
async fn faults_come_as_asked_and_leave_the_script_alone() {
    let fake = Fake::start(&[]).await;
    fake.control("script", json!({ "answers": [{ "text": "a b c d e f g h i" }] })).await;
    fake.control("faults", json!({ "next": 2, "kind": "status", "code": 429, "retry_after": 7 })).await;
    fake.control("faults", json!({ "kind": "cut", "after_chunks": 1 })).await;
    fake.control("faults", json!({ "kind": "malformed" })).await;
    for _ in 0..2 {
        let busy = fake.ask(streamed()).await;
        assert_eq!((busy.status().as_u16(), busy.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    }
    let mut cut = fake.ask(streamed()).await;
    let mut seen = String::new();
    let error = loop {
        match cut.chunk().await {
            Ok(Some(bytes)) => seen.push_str(std::str::from_utf8(&bytes).unwrap()),
            Ok(None) => panic!("it ended in good order"),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error}");
    assert!(seen.contains("\"a b c \"") && !seen.contains("\"d e f \""), "{seen}");

    let malformed = fake.ask(streamed()).await.text().await.unwrap();
    let broken = malformed
        .split_terminator("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .filter(|event| *event != "[DONE]" && serde_json::from_str::<Value>(event).is_err());
    assert_eq!(broken.count(), 1);
    assert_eq!(fake.ask_whole().await["choices"][0]["message"]["content"], "a b c d e f g h i");
    let ledger = fake.read("ledger").await;
    let seen: Vec<_> = ledger.as_array().unwrap().iter().map(|e| (e["fault"].clone(), e["outcome"].clone())).collect();
    let entry = |fault: Value, outcome: &str| (fault, json!(outcome));
    let status = || entry(json!("status"), "completed");
    let malformed = entry(json!("malformed"), "completed");
    assert_eq!(seen, [status(), status(), entry(json!("cut"), "cut"), malformed, entry(Value::Null, "completed")]);
}

#[tokio::test]
async fn a_slow_answer_takes_its_time() {
    let fake = Fake::start(&[]).await;
    fake.control("faults", json!({ "kind": "slow", "first_token_ms": 60, "per_chunk_ms": 40 })).await;
    let start = std::time::Instant::now();
    fake.ask(streamed()).await.text().await.unwrap();
    assert!(start.elapsed().as_millis() >= 100);
}

#[tokio::test]
async fn a_lasting_fault_lasts_until_it_is_cleared() {
    let fake = Fake::start(&[]).await;
    fake.control("faults", json!({ "next": "always", "kind": "status", "code": 503 })).await;
    for _ in 0..3 {
        assert_eq!(fake.ask(question()).await.status(), 503);
    }
    fake.clear("faults").await;
    assert_eq!(fake.ask(question()).await.status(), 200);
    let unknown = fake.post("/_control/faults", json!({ "kind": "fire" })).await;
    assert!(unknown.status().is_client_error());
}

#[tokio::test]
async fn held_requests_wait_until_released() {
    let fake = Fake::start(&[]).await;
    fake.control("hold", Value::Null).await;
    let mut answer = fake.ask(streamed()).await;
    let opening = answer.chunk().await.unwrap().unwrap();
    assert!(!std::str::from_utf8(&opening).unwrap().contains("echo"));
    assert_eq!(fake.read("waiting?at_least=1").await, json!({ "waiting": 1 }));
    assert_eq!(fake.read("ledger").await[0]["outcome"], "open");
    fake.control("release", Value::Null).await;
    assert!(answer.text().await.unwrap().contains("three four five"));
    assert_eq!(fake.read("waiting").await, json!({ "waiting": 0 }));
}

#[tokio::test]
async fn the_ledger_tells_who_hung_up_and_is_kept_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let fake = Fake::start(&["--ledger", path.to_str().unwrap()]).await;
    fake.ask_whole().await;
    fake.control("faults", json!({ "kind": "hang" })).await;
    let hung = fake.client.post(format!("{}/v1/chat/completions", fake.url)).json(&question()).send();
    let hung = tokio::spawn(hung);
    fake.read("ledger?outcome=open&at_least=1").await;
    hung.abort();
    fake.read("ledger?outcome=cancelled&at_least=1").await;

    let file = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["completed", "cancelled"]);
    assert_eq!(lines[0]["messages"], question()["messages"]);
    assert!(lines[0]["time_ms"].as_u64().unwrap() <= lines[0]["ended_ms"].as_u64().unwrap());
    assert_eq!(fake.read("ledger").await, Value::Array(lines));
    fake.clear("ledger").await;
    assert_eq!(fake.read("ledger").await, json!([]));
}
