//! The host under test, as a process and through its API.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::eventually_within;

/// How long a host may take to be ready on a busy machine, compiling its plugins included.
const START: Duration = Duration::from_secs(120);

pub(crate) struct Host {
    child: Option<Child>,
    pub(crate) config: PathBuf,
    pub(crate) port: u16,
    env: Vec<(String, String)>,
}

impl Host {
    pub(crate) fn new(config: PathBuf, port: u16) -> Self {
        Self { child: None, config, port, env: Vec::new() }
    }

    pub(crate) fn env(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    fn command(&self) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_switchhook")))
    }

    fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("--config").arg(&self.config).envs(self.env.iter().cloned()).stdin(Stdio::null());
        command
    }

    fn log(&self) -> PathBuf {
        self.config.with_file_name("host.log")
    }

    /// Starts it; its log goes to a file beside the config.
    fn spawn(&mut self, mut command: Command) {
        let log = File::options().create(true).append(true).open(self.log()).expect("a log file");
        let again = log.try_clone().expect("a second handle");
        let child = command.arg("run").stdout(log).stderr(again).spawn().expect("the host starts");
        self.child = Some(child);
    }

    pub(crate) async fn start(&mut self) {
        self.spawn(self.command());
        self.ready().await;
    }

    /// Starts the instrumented program, which ends itself at an edge such as `store.after_commit:3`.
    pub(crate) fn start_to_die(&mut self, edge: &str) {
        let mut command = self.command_of(instrumented());
        command.env("SWITCHHOOK_ABORT_AT", edge);
        self.spawn(command);
    }

    async fn ready(&mut self) {
        let url = format!("http://127.0.0.1:{}/readyz", self.port);
        let log = self.log();
        let mut child = self.child.take().expect("it was started");
        let client = reqwest::Client::new();
        eventually_within(START, "the host is ready", || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the host ended with {status}:\n{}", read(&log));
            }
            let request = client.get(&url).send();
            async { request.await.ok().filter(|a| a.status().is_success()).map(drop) }
        })
        .await;
        self.child = Some(child);
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have died already: at a failpoint, for instance.
            let _ = child.kill();
            child.wait().expect("it can be waited for");
        }
    }

    /// Waits for it to end by itself.
    pub(crate) async fn ended(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("it was started");
        let status = eventually_within(Duration::from_secs(60), "the host ends", || {
            let status = child.try_wait().expect("it can be asked");
            async move { status }
        })
        .await;
        status
    }

    /// Asks it to drain, as a service manager does, and waits.
    pub(crate) async fn stop(&mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("it is running").id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &id]).status().expect("kill is there");
        assert!(sent.success());
    }

    pub(crate) fn log_text(&self) -> String {
        read(&self.log())
    }

    /// Runs another command of the same binary with the same config.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        self.command().args(args).output().expect("the command runs")
    }

    /// The same, and reads what it printed as JSON.
    pub(crate) fn cli_json(&self, args: &[&str]) -> Value {
        let output = self.cli(&[args, &["--json"]].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|e| {
            panic!("{args:?} printed no JSON ({e}): {text}\n{}", String::from_utf8_lossy(&output.stderr))
        })
    }

    fn token(&self) -> String {
        let keys = self.config.with_file_name("keys");
        let token = std::fs::read_to_string(keys.join("api.token")).expect("a token is made on the first run");
        token.trim().to_owned()
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let answer = reqwest::Client::new().get(url).bearer_auth(self.token()).send().await.expect("the API answers");
        answer.json().await.expect("the API speaks JSON")
    }

    pub(crate) async fn status(&self) -> Value {
        self.get("status").await
    }

    /// What became of the nth message that was accepted.
    pub(crate) async fn explained(&self, message: usize) -> Value {
        self.get(&format!("messages/m{message}")).await
    }

    /// Whether it has ended by itself, and how.
    pub(crate) fn has_ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.as_mut().expect("it was started").try_wait().expect("it can be asked")
    }

    /// One channel's entry in the status.
    pub(crate) async fn channel(&self, name: &str) -> Option<Value> {
        let status = self.status().await;
        status["channels"].as_array()?.iter().find(|c| c["name"] == name).cloned()
    }

    /// Waits until the last attempt to apply a config has this outcome and came after `after` attempts.
    pub(crate) async fn attempted(&self, after: u64, outcome: &str) -> Value {
        super::eventually(&format!("an attempt that is {outcome}"), || async {
            let attempt = self.status().await["last_attempt"].clone();
            (attempt["number"].as_u64() > Some(after) && attempt["outcome"] == outcome).then_some(attempt)
        })
        .await
    }

    pub(crate) async fn attempts(&self) -> u64 {
        self.status().await["last_attempt"]["number"].as_u64().unwrap_or_default()
    }

    pub(crate) async fn generation(&self) -> u64 {
        self.status().await["generation"].as_u64().expect("a generation has a number")
    }
}

/// The program with failpoints, built the first time somebody asks, from the workspace's own lock file.
fn instrumented() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let package = root.join("tests/instrumented");
        std::fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).expect("the lock file is copied");
        let beside = Path::new(env!("CARGO_BIN_EXE_switchhook")).parent().expect("it lies in a folder");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--offline", "--manifest-path"])
            .arg(package.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(beside.parent().expect("of the target folder"))
            .status()
            .expect("cargo is there");
        assert!(built.success(), "the instrumented program is built");
        beside.join("switchhook-instrumented")
    })
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the host's log\n{}", self.log_text());
        }
        self.kill();
    }
}
