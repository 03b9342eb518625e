//! What is sent and what is made of the answer.

use std::process::Command;

use secrecy::SecretString;
use serde_json::json;
use switchhook_core::model::{FinishReason, ModelError, Parameters, ToolCall, Usage};
use switchhook_model::{ModelSpec, Models};

use crate::server::*;

#[tokio::test]
async fn a_streamed_answer_is_put_together() {
    let server = Server::start(vec![says("hello there")]).await;
    let with_key = ModelSpec { api_key: Some(SecretString::from("sk-1")), ..spec("main", &server, &[]) };
    let completion = ask(vec![with_key]).await.unwrap();
    assert_eq!((completion.text.as_str(), completion.model.as_str()), ("hello there", "main"));
    assert_eq!(completion.finish, FinishReason::Stop);
    assert_eq!(completion.usage, Usage { input_tokens: 7, output_tokens: 2 });

    let seen = server.first();
    assert_eq!(seen.path, "/v1/chat/completions");
    assert_eq!(seen.headers["authorization"], "Bearer sk-1");
    assert_eq!(seen.body["model"], "main-7b");
    assert_eq!(seen.body["stream"], true);
    assert_eq!(seen.body["messages"], json!([{ "role": "user", "content": "hello?" }]));
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let whole = json!({
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "all at once" }, "finish_reason": "length" }],
    });
    let completion = ask_one(Reply::Json(whole)).await.unwrap();
    assert_eq!((completion.text.as_str(), completion.finish), ("all at once", FinishReason::Length));
    assert_eq!(completion.usage, Usage::default());
}

#[tokio::test]
async fn an_answer_can_be_asked_for_as_a_whole() {
    let whole = json!({
        "choices": [{ "message": { "content": "all at once" }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 7, "completion_tokens": 3 },
    });
    let server = Server::start(vec![Reply::Json(whole)]).await;
    let completion = ask(vec![ModelSpec { stream: false, ..spec("main", &server, &[]) }]).await.unwrap();
    assert_eq!(completion.text, "all at once");
    assert_eq!(completion.usage, Usage { input_tokens: 7, output_tokens: 3 });
    let seen = server.first();
    assert_eq!((&seen.body["stream"], &seen.body["stream_options"]), (&json!(false), &json!(null)));
    assert_eq!(seen.headers["accept"], "application/json");
}

#[tokio::test]
async fn tool_calls_are_put_together_from_pieces() {
    let begin =
        json!({ "index": 0, "id": "call_1", "type": "function", "function": { "name": "clock", "arguments": "" } });
    let piece = |text: &str| delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": text } }] }));
    let steps =
        vec![delta(json!({ "role": "assistant", "tool_calls": [begin] })), piece("{\"zone\":"), piece("\"UTC\"}")];
    let completion = ask_one(Reply::Stream([steps, finish("tool_calls")].concat())).await.unwrap();
    let call = ToolCall { id: "call_1".into(), name: "clock".into(), arguments: "{\"zone\":\"UTC\"}".into() };
    assert_eq!(completion.tool_calls, [call]);
    assert_eq!(completion.finish, FinishReason::ToolCalls);
}

#[tokio::test]
async fn an_error_repeats_little_of_the_provider_and_nothing_of_the_key() {
    let key = "sk-very-secret";
    let message = format!("{}: the key {key} is not known here", "x".repeat(280));
    for reply in [fails(401, &message), Reply::Stream(vec![chunk(json!({ "error": { "message": message } }))])] {
        let server = Server::start(vec![reply]).await;
        let with_key = ModelSpec { api_key: Some(SecretString::from(key)), ..spec("main", &server, &[]) };
        let error = ask(vec![with_key]).await.unwrap_err().to_string();
        assert!(error.contains("xxx: the key ***"), "{error}");
        assert!(!error.contains("secret") && !error.contains("known here"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(vec![says("stolen")]).await;
    let location: &'static str = elsewhere.base_url.clone().leak();
    let error = ask_one(Reply::Status(307, vec![("location", location)], String::new())).await.unwrap_err();
    assert!(matches!(&error, ModelError::Refused { reason } if reason.contains("base_url")), "{error}");
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn a_bad_parameter_is_refused_before_anybody_is_asked() {
    let server = Server::start(vec![says("hello")]).await;
    let models = Models::build(vec![spec("main", &server, &[])]).unwrap();
    let mut request = question();
    request.parameters = Parameters { extra: vec![("top_p".into(), "half".into())], ..Parameters::default() };
    let error = main_of(&models).complete(&request).await.unwrap_err();
    assert!(matches!(&error, ModelError::Refused { reason } if reason.contains("`top_p`")), "{error}");
    assert_eq!(server.asked(), 0);
}

/// Runs another test of this program in an environment whose proxy leads nowhere.
#[test]
fn proxies_of_the_environment_are_ignored() {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "answers::a_streamed_answer_is_put_together"]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        again.env(name, "http://127.0.0.1:1");
    }
    let output = again.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
