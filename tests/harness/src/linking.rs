//! `switchhook link … --json` under way, as a script would follow it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::Host;

const PATIENCE: Duration = Duration::from_secs(90);

pub struct Linking {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// How it ended.
#[derive(Debug)]
pub struct Linked {
    pub code: Option<i32>,
    /// The last that was told of the attempt; null where nothing was.
    pub last: Value,
    pub stderr: String,
}

impl Host {
    /// Starts `switchhook link` with these arguments and `--json`.
    pub fn link(&self, args: &[&str]) -> Linking {
        let mut command = Command::from(self.command());
        command.arg("link").args(args).arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the command starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Linking { child, lines }
    }
}

impl Linking {
    async fn line(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("something is told in time");
        line.expect("it can be read").map(|line| serde_json::from_str(&line).expect("an attempt in JSON"))
    }

    /// The next that is told of the attempt and fits.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut told = Vec::new();
        while let Some(attempt) = self.line().await {
            if fits(&attempt) {
                return attempt;
            }
            told.push(attempt);
        }
        panic!("it ended without {what}: {told:#?}");
    }

    /// What is to be scanned.
    pub async fn qr(&mut self) -> String {
        let attempt = self.until("a QR code", |attempt| attempt["qr"].is_object()).await;
        attempt["qr"]["payload"].as_str().expect("a payload").to_owned()
    }

    /// What is to be typed.
    pub async fn code(&mut self) -> String {
        let attempt = self.until("a code", |attempt| attempt["code"].is_object()).await;
        attempt["code"]["code"].as_str().expect("a code").to_owned()
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// Follows it to its end.
    pub async fn end(mut self) -> Linked {
        let mut last = Value::Null;
        while let Some(attempt) = self.line().await {
            last = attempt;
        }
        let mut stderr = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut stderr).await.expect("it can be read");
        let status = self.child.wait().await.expect("it can be waited for");
        Linked { code: status.code(), last, stderr }
    }
}
