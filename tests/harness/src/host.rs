//! The host under test, as a process and through its API.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::eventually_within;
use super::programs::{self, programs};

/// How long a host may take to be ready on a busy machine, compiling its plugins included.
const START: Duration = Duration::from_secs(120);

/// Which build of the program runs.
#[derive(Clone, Copy)]
enum Program {
    /// What people run; which build of it, `SWITCHHOOK_PROGRAM` may say.
    Plain,
    /// With failpoints, and taking any certificate for WhatsApp's.
    Instrumented,
}

pub struct Host {
    child: Option<Child>,
    pub config: PathBuf,
    pub port: u16,
    env: Vec<(String, String)>,
    wrapper: Vec<String>,
    program: Program,
    log: &'static str,
    /// Where its log and its keys are; none for beside the config.
    beside: Option<PathBuf>,
    client: reqwest::Client,
}

impl Host {
    pub fn new(config: PathBuf, port: u16) -> Self {
        let client = reqwest::Client::new();
        Self {
            child: None,
            config,
            port,
            env: Vec::new(),
            wrapper: Vec::new(),
            program: Program::Plain,
            log: "host.log",
            beside: None,
            client,
        }
    }

    pub fn env(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn command(&self) -> Command {
        match self.program {
            Program::Plain => self.command_of(&programs::host()),
            Program::Instrumented => self.command_of(instrumented()),
        }
    }

    /// Runs the instrumented program from now on: only that one pairs with the fake WhatsApp.
    pub fn instrumented(&mut self) {
        self.program = Program::Instrumented;
    }

    /// Runs it through other programs, such as `prlimit`, which come before it on the command line.
    pub fn through(&mut self, wrapper: &[&str]) {
        self.wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
    }

    fn command_of(&self, program: &Path) -> Command {
        let mut words = self.wrapper.iter().map(OsStr::new).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().expect("at least the program"));
        command.args(words);
        command.arg("--config").arg(&self.config).envs(self.env.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// Keeps its log in this folder and looks for its keys there: where that of the config can't be written.
    pub fn keep_in(&mut self, folder: PathBuf) {
        self.beside = Some(folder);
    }

    /// Where there is more than one host in a folder.
    pub fn log_as(&mut self, name: &'static str) {
        self.log = name;
    }

    fn beside(&self, name: &str) -> PathBuf {
        match &self.beside {
            Some(folder) => folder.join(name),
            None => self.config.with_file_name(name),
        }
    }

    fn log(&self) -> PathBuf {
        self.beside(self.log)
    }

    /// Starts it; its log goes to a file beside the config.
    fn spawn(&mut self, mut command: Command) {
        let log = File::options().create(true).append(true).open(self.log()).expect("a log file");
        let again = log.try_clone().expect("a second handle");
        let child = command.arg("run").stdout(log).stderr(again).spawn().expect("the host starts");
        self.child = Some(child);
    }

    pub async fn start(&mut self) {
        self.start_unready();
        self.ready().await;
    }

    /// Starts it and waits for nothing.
    pub fn start_unready(&mut self) {
        self.spawn(self.command());
    }

    /// Starts it where it may refuse to: gives how it ended, or none once it is ready.
    pub async fn try_start(&mut self) -> Option<ExitStatus> {
        self.start_unready();
        self.ready_or_ended().await
    }

    /// Starts the instrumented program, which ends itself at an edge such as `store.after_commit:3`.
    pub fn start_to_die(&mut self, edge: &str) {
        let mut command = self.command_of(instrumented());
        command.env("SWITCHHOOK_ABORT_AT", edge);
        self.spawn(command);
    }

    async fn ready(&mut self) {
        if let Some(status) = self.ready_or_ended().await {
            panic!("the host ended with {status}:\n{}", self.log_text());
        }
    }

    async fn ready_or_ended(&mut self) -> Option<ExitStatus> {
        let url = format!("http://127.0.0.1:{}/readyz", self.port);
        let mut child = self.child.take().expect("it was started");
        let client = self.client.clone();
        let ended = eventually_within(START, "the host is ready", || {
            let ended = child.try_wait().expect("it can be asked");
            let request = client.get(&url).send();
            async move {
                let ready = request.await.is_ok_and(|answer| answer.status().is_success());
                (ready || ended.is_some()).then_some(ended)
            }
        })
        .await;
        if ended.is_none() {
            self.child = Some(child);
        }
        ended
    }

    /// The id of its process, while it has one.
    pub fn running(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it is running").id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have died already: at a failpoint, for instance.
            let _ = child.kill();
            child.wait().expect("it can be waited for");
        }
    }

    /// Waits for it to end by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it was started");
        eventually_within(Duration::from_secs(60), "the host ends", || {
            let status = child.try_wait().expect("it can be asked");
            async move { status }
        })
        .await
    }

    /// Asks it to drain, as a service manager does, and waits.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    pub fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &id]).status().expect("kill is there");
        assert!(sent.success());
    }

    pub fn log_text(&self) -> String {
        read(&self.log())
    }

    /// Runs another command of the same binary with the same config.
    pub fn cli(&self, args: &[&str]) -> Output {
        self.command().args(args).output().expect("the command runs")
    }

    /// The same, and reads what it printed as JSON.
    pub fn cli_json(&self, args: &[&str]) -> Value {
        let output = self.cli(&[args, &["--json"]].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|e| {
            panic!("{args:?} printed no JSON ({e}): {text}\n{}", String::from_utf8_lossy(&output.stderr))
        })
    }

    fn token(&self) -> String {
        let token =
            std::fs::read_to_string(self.beside("keys").join("api.token")).expect("a token is made on the first run");
        token.trim().to_owned()
    }

    /// Any call of the API, and what it answered.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let request = self.client.request(method.parse().expect("a method"), url).bearer_auth(self.token());
        let answer = request.json(&body).send().await.expect("the API answers");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Asks for a message to be sent through a channel, under a key of ours.
    pub async fn send(&self, channel: &str, key: &str, message: Value) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/api/v1/channels/{channel}/messages", self.port);
        let request = self.client.post(url).bearer_auth(self.token()).header("idempotency-key", key);
        let answer = request.json(&message).send().await.expect("the API answers");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let answer = self.client.get(url).bearer_auth(self.token()).send().await.expect("the API answers");
        answer.json().await.expect("the API speaks JSON")
    }

    /// What a collector of metrics gets.
    pub async fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.port);
        let answer = self.client.get(url).bearer_auth(self.token()).send().await.expect("it answers");
        answer.text().await.expect("metrics are text")
    }

    /// Puts everything that was parked or given up back to work, as an operator would, and says how much that was.
    pub async fn replay_dead(&self) -> usize {
        let dead = self.get("dead").await;
        let messages = dead["messages"].as_array().into_iter().flatten().map(|entry| &entry["id"]);
        let deliveries = dead["deliveries"].as_array().into_iter().flatten().map(|entry| &entry["id"]);
        let mut count = 0;
        for id in messages.chain(deliveries) {
            let id = id.as_str().expect("an entry has an id");
            let url = format!("http://127.0.0.1:{}/api/v1/dead/{id}/replay", self.port);
            let answer = self.client.post(url).bearer_auth(self.token()).send().await.expect("the API answers");
            count += usize::from(answer.status().is_success());
        }
        count
    }

    pub async fn status(&self) -> Value {
        self.get("status").await
    }

    /// What became of the nth message that was accepted.
    pub async fn explained(&self, message: usize) -> Value {
        self.get(&format!("messages/m{message}")).await
    }

    /// How many deliveries the journal calls unknown, over all messages so far, which are so many. Numbers given in a commit
    /// that a death prevented are missing, so there are more numbers than messages.
    pub async fn unknowns(&self, messages: usize) -> usize {
        let (mut unknowns, mut found) = (0, 0);
        for number in 1..=messages * 2 {
            let explained = self.explained(number).await;
            if let Some(deliveries) = explained["deliveries"].as_array() {
                found += 1;
                unknowns += deliveries.iter().map(|d| d["unknowns"].as_u64().expect("a count") as usize).sum::<usize>();
            }
            if found == messages {
                return unknowns;
            }
        }
        panic!("the journal knows {found} of {messages} messages");
    }

    /// Whether it has ended by itself, and how.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().expect("it was started").try_wait().expect("it can be asked")
    }

    /// One channel's entry in the status.
    pub async fn channel(&self, name: &str) -> Option<Value> {
        let status = self.status().await;
        status["channels"].as_array()?.iter().find(|c| c["name"] == name).cloned()
    }

    /// Waits until the last attempt to apply a config has this outcome and came after `after` attempts.
    pub async fn attempted(&self, after: u64, outcome: &str) -> Value {
        super::eventually(&format!("an attempt that is {outcome}"), || async {
            let attempt = self.status().await["last_attempt"].clone();
            (attempt["number"].as_u64() > Some(after) && attempt["outcome"] == outcome).then_some(attempt)
        })
        .await
    }

    pub async fn attempts(&self) -> u64 {
        self.status().await["last_attempt"]["number"].as_u64().unwrap_or_default()
    }

    pub async fn generation(&self) -> u64 {
        self.status().await["generation"].as_u64().expect("a generation has a number")
    }
}

/// Builds the program with failpoints, where a first death should not have to wait for it.
pub fn build_instrumented() {
    instrumented();
}

/// The program with failpoints, built the first time somebody asks, from the workspace's own lock file.
fn instrumented() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let package = root.join("tests/instrumented");
        std::fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).expect("the lock file is copied");
        let beside = programs();
        // Within the repository: rustup finds the toolchain by the folder, also where no cargo started this program.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // Set for whatever cargo runs, and watched by build scripts: kept, they have `ring` and all above it built anew.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                build.env_remove(name);
            }
        }
        let built = build
            .current_dir(root)
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
