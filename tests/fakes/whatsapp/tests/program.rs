//! The program as a person starts it: what it prints, and what it refuses to be told.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// The program, ended with its test.
struct Program(Child, String);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-whatsapp"));
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().expect("the fake starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says where it listens");
        let rest = line.trim().strip_prefix("listening on ws://127.0.0.1:").expect("the address of clients");
        let (_, control) = rest.split_once("/ws/chat control ").expect("the address of control");
        Self(child, control.to_owned())
    }

    async fn post(&self, command: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/_control/{command}", self.1);
        let answer = reqwest::Client::new().post(url).json(&body).send().await.expect("control answers");
        (answer.status().as_u16(), answer.json().await.expect("in JSON"))
    }

    async fn get(&self, query: &str) -> Value {
        let answer = reqwest::get(format!("{}/_control/{query}", self.1)).await.expect("control answers");
        answer.json().await.expect("in JSON")
    }
}

#[tokio::test]
async fn tells_where_it_listens_and_who_it_is() {
    let program = Program::start(&[]);
    let server = program.get("server").await;
    for key in ["root", "key"] {
        assert_eq!(server[key].as_str().map(str::len), Some(64), "{key} of {server}");
    }
    assert!(server["url"].as_str().is_some_and(|url| url.ends_with("/ws/chat")));
}

#[tokio::test]
async fn refuses_what_can_not_be() {
    let program = Program::start(&[]);
    let (status, _) = program.post("accounts", json!({ "number": "15550001111" })).await;
    assert_eq!(status, 200);
    let refused = [
        ("accounts", json!({ "number": "15550001111" }), "already"),
        ("accounts", json!({ "number": "+1 555" }), "digits only"),
        ("accounts", json!({ "nummer": "1555" }), "unknown field `nummer`"),
        ("faults", json!({ "account": "15550001111", "sielnt": true }), "unknown field `sielnt`"),
        ("no-such-command", json!({}), "there is no POST /_control/no-such-command"),
        ("ledger", json!({}), "there is no POST /_control/ledger"),
        ("scan", json!({ "account": "15550001111", "qr": "https://example.com" }), "no WhatsApp QR code"),
        ("scan", json!({ "account": "15550001111", "qr": "2@x,AAAA,AAAA,AAAA,1" }), "expired"),
        ("enter-code", json!({ "account": "15550001111", "code": "ABCDEFGH" }), "no device shows a code"),
        ("unlink", json!({ "account": "15550001111" }), "no device is linked"),
        ("write", json!({ "account": "15550001111", "from": "1", "text": "x" }), "no device is linked"),
        ("drop", json!({ "account": "15550001111" }), "not connected"),
    ];
    for (command, body, why) in refused {
        let (status, told) = program.post(command, body).await;
        assert_eq!(status, 400, "{command}");
        assert!(told["error"].as_str().is_some_and(|error| error.contains(why)), "{command}: {told}");
    }
    let told = program.get("wait?evnet=login").await;
    assert!(told["error"].as_str().is_some_and(|error| error.contains("unknown field `evnet`")), "{told}");
}

/// What is in memory is in the file, a line each, and a wait that is in vain says so.
#[tokio::test]
async fn keeps_a_ledger_and_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ledger.jsonl");
    let program = Program::start(&["--ledger", file.to_str().expect("a plain path")]);
    let told = program.get("wait?event=login&timeout_ms=10").await;
    assert_eq!(told["reached"], false);
    program.post("accounts", json!({ "number": "15550001111" })).await;
    let identity = "11".repeat(32);
    let (status, seeded) = program.post("seed", json!({ "account": "15550001111", "identity": identity })).await;
    assert_eq!((status, &seeded["jid"]), (200, &json!("15550001111:1@s.whatsapp.net")));
    let (status, _) = program.post("unlink", json!({ "account": "15550001111" })).await;
    assert_eq!(status, 200);
    let told = program.get("wait?event=unlinked").await;
    assert_eq!((&told["reached"], &told["entries"][0]["account"]), (&json!(true), &json!("15550001111")));
    let line: Value = serde_json::from_str(&std::fs::read_to_string(file).expect("a ledger")).expect("a line of JSON");
    assert_eq!(line["event"], "unlinked");
}

/// Whoever asks for help is shown how to drive it by hand.
#[test]
fn help_says_how_to_drive_it() {
    let help = Command::new(env!("CARGO_BIN_EXE_fake-whatsapp")).arg("--help").output().expect("the fake starts");
    let help = String::from_utf8(help.stdout).expect("text");
    for command in ["server", "accounts", "contacts", "scan", "enter-code", "write", "'wait?", "drop", "unlink"] {
        assert!(help.contains(&format!("C {command}")), "{command} is missing from:\n{help}");
    }
}
