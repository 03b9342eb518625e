//! What the operator says of messages and people, from the command line to the chat page.

use std::net::TcpStream;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::program::{self, CONFIG, Folder, Host};

/// A chat page whose strangers wait for a word.
fn holding() -> Folder {
    let policy =
        "[plugins.allowlist]\nsource = \"builtin:allowlist\"\nsettings = { on_stranger = \"hold\" }\n\n[routes.desk]\n";
    let config = CONFIG.replace("[routes.desk]\n", &format!("{policy}policies = [\"allowlist\"]\n"));
    Folder::new(&config.replace("open = true", "allow_from = []"))
}

/// A visitor of the chat page.
struct Visitor(WebSocket<TcpStream>);

impl Visitor {
    fn open(host: &Host) -> Self {
        let address = host.address();
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(program::PATIENCE)).unwrap();
        let (socket, _) = tungstenite::client(format!("ws://{address}/chat/front/socket"), stream).unwrap();
        Self(socket)
    }
    fn say(&mut self, id: &str, text: &str) {
        let said = json!({ "type": "send", "id": id, "text": text }).to_string();
        self.0.send(Message::text(said)).unwrap();
        self.hear("accepted");
    }
    /// The next thing of this type.
    fn hear(&mut self, kind: &str) -> Value {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                let heard: Value = serde_json::from_str(&text).unwrap();
                if heard["type"] == kind {
                    return heard;
                }
            }
        }
    }
}

fn json_of(folder: &Folder, arguments: &[&str]) -> Value {
    let output = folder.run(arguments);
    assert_eq!(output.code, 0, "{}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

fn held(folder: &Folder, id: &str) -> Value {
    folder.until("the message is held", || {
        let held = json_of(folder, &["held", "list", "--json"]);
        held.as_array().unwrap().iter().find(|entry| entry["id"] == id).cloned()
    })
}

fn say(folder: &Folder, arguments: &[&str]) {
    let output = folder.run(arguments);
    assert_eq!(output.code, 0, "{arguments:?}: {}", output.stderr);
}

#[test]
fn a_held_message_is_answered_once_it_is_approved() {
    let folder = holding();
    let mut host = folder.start();
    let mut visitor = Visitor::open(&host);
    visitor.say("a", "may I come in?");
    let entry = held(&folder, "m1");
    assert_eq!(entry["content"]["text"], "may I come in?");
    assert!(entry["reason"].is_string(), "{entry}");
    say(&folder, &["held", "approve", "m1"]);
    assert_eq!(visitor.hear("message")["answers"], "a");
    folder.until("the message is done", || {
        (json_of(&folder, &["explain", "m1", "--json"])["state"] == "done").then_some(())
    });
    let again = folder.run(&["held", "approve", "m1"]);
    assert_eq!(again.code, 5);
    assert!(again.stderr.contains("m1 is done"), "{}", again.stderr);
    host.stop();
}

#[test]
fn a_held_message_that_is_dropped_is_gone() {
    let folder = holding();
    let mut host = folder.start();
    Visitor::open(&host).say("a", "may I come in?");
    held(&folder, "m1");
    say(&folder, &["held", "drop", "m1"]);
    assert_eq!(json_of(&folder, &["held", "list", "--json"]), json!([]));
    let explained = json_of(&folder, &["explain", "m1", "--json"]);
    assert_eq!(explained["state"], "dropped");
    assert_eq!(folder.run(&["held", "drop", "m1"]).code, 5);
    host.stop();
}

#[test]
fn an_approved_person_is_answered_and_a_blocked_one_is_not() {
    let folder = holding();
    let mut host = folder.start();
    let mut visitor = Visitor::open(&host);
    visitor.say("a", "hello");
    held(&folder, "m1");
    let person = json_of(&folder, &["contacts", "list", "--json"])[0]["id"].as_str().unwrap().to_owned();
    say(&folder, &["contacts", "approve", &person]);
    visitor.say("b", "hello again");
    assert_eq!(visitor.hear("message")["answers"], "b");
    say(&folder, &["contacts", "block", &person]);
    visitor.say("c", "and now?");
    folder.until("the blocked person's message is denied", || {
        (json_of(&folder, &["explain", "m3", "--json"])["state"] == "denied").then_some(())
    });
    host.stop();
}
