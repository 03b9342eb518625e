//! What is measured: the floor and the host, each with fakes of its own.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use reqwest::Client;
use tempfile::TempDir;

use crate::fakes::{ATTACKED, Model, TOKEN, Telegram};
use crate::process::{Process, now_us};

/// Those who may write, each in a chat of their own.
pub(crate) const CHATS: std::ops::Range<i64> = 1001..1051;
/// The first of those who may not yet.
pub(crate) const STRANGERS: i64 = 5001;
/// How long a program may take to poll for the first time, on a busy machine and with plugins to compile.
const START: Duration = Duration::from_secs(180);

/// Lines of a chat that the model is shown before the new one, by both.
const HISTORY: usize = 4;
const SYSTEM: &str = "You are helpful.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Subject {
    Floor,
    Switchhook,
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Switchhook => "switchhook",
        }
    }

    /// The file that says who may write.
    fn list(self) -> &'static str {
        match self {
            Self::Floor => "allow.txt",
            Self::Switchhook => "switchhook.toml",
        }
    }

    fn list_text(self, stage: &Stage, strangers: i64) -> String {
        match self {
            Self::Floor if strangers == 0 => format!("{}-{}\n", CHATS.start, CHATS.end - 1),
            Self::Floor => format!("{}-{}\n{STRANGERS}-{}\n", CHATS.start, CHATS.end - 1, STRANGERS + strangers - 1),
            Self::Switchhook => config(stage.telegram.url(), stage.model.url(), strangers),
        }
    }

    fn arguments(self, stage: &Stage) -> Vec<String> {
        let list = stage.path(self.list()).display().to_string();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match self {
            Self::Floor => {
                let places = ["--telegram", stage.telegram.url(), "--model", stage.model.url(), "--token", TOKEN];
                let history = HISTORY.to_string();
                let rest = ["--allow-file", &list, "--system", SYSTEM, "--history", &history];
                words(&[places, rest].concat())
            }
            Self::Switchhook => words(&["--config", &list, "run"]),
        }
    }
}

/// A folder and the fakes for one program, before it runs and after it was stopped.
pub(crate) struct Stage {
    pub(crate) telegram: Telegram,
    pub(crate) model: Model,
    subject: Subject,
    binaries: PathBuf,
    // Processes end before their folder goes.
    folder: TempDir,
}

impl Stage {
    pub(crate) async fn set(subject: Subject, binaries: &Path, within: &Path, http: &Client) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(within);
        let folder = folder.with_context(|| format!("no folder can be made in {}", within.display()))?;
        let telegram = Telegram::start(binaries, folder.path(), http).await?;
        let model = Model::start(binaries, folder.path(), http).await?;
        let stage = Self { telegram, model, subject, binaries: binaries.to_owned(), folder };
        std::fs::write(stage.path("bot.token"), TOKEN)?;
        stage.save(0)?;
        Ok(stage)
    }

    /// The host with a second channel, whose only policy is this plugin.
    pub(crate) async fn besieged(plugin: &Path, binaries: &Path, within: &Path, http: &Client) -> anyhow::Result<Self> {
        let stage = Self::set(Subject::Switchhook, binaries, within, http).await?;
        std::fs::copy(plugin, stage.path("hostile.wasm")).with_context(|| plugin.display().to_string())?;
        std::fs::write(stage.path("attacked.token"), ATTACKED)?;
        let list = stage.path(stage.subject.list());
        let config = std::fs::read_to_string(&list)? + &besieged(stage.telegram.url());
        std::fs::write(&list, config)?;
        Ok(stage)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets so many strangers in, as careful editors save: aside, then renamed. Gives when it was renamed, in
    /// microseconds since 1970.
    pub(crate) fn save(&self, strangers: i64) -> anyhow::Result<u64> {
        let (aside, list) = (self.path("aside"), self.path(self.subject.list()));
        std::fs::write(&aside, self.subject.list_text(self, strangers))?;
        let saved_us = now_us();
        std::fs::rename(aside, list)?;
        Ok(saved_us)
    }

    /// Starts the program and waits for its first poll that waits for news.
    pub(crate) async fn start(&self) -> anyhow::Result<Running> {
        self.telegram.forget().await?;
        let log = self.path("subject.log");
        let program = self.binaries.join(self.subject.name());
        let process = Process::start(&program, self.subject.arguments(self), &log)?;
        let polled = self.telegram.polled(START).await;
        polled.with_context(|| format!("{} said:\n{}", self.subject.name(), process.last_words()))?;
        let polls = self.telegram.ledger().await?.polls;
        let first_us = polls.first().context("nobody polled")?.at_us;
        let took_us = first_us.checked_sub(process.started_us).context("the clock was set back meanwhile")?;
        Ok(Running { to_first_poll: Duration::from_micros(took_us), process })
    }
}

/// A program at work.
pub(crate) struct Running {
    /// From its start to its first call of `getUpdates`.
    pub(crate) to_first_poll: Duration,
    process: Process,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.process.end().await
    }
    pub(crate) fn last_words(&self) -> String {
        self.process.last_words()
    }
}

/// The main job: an allowlist, commands, an assistant and a model on one bot, everything on disk before it is answered.
fn config(telegram: &str, model: &str, strangers: i64) -> String {
    let people = CHATS.chain(STRANGERS..STRANGERS + strangers);
    let allow_from = people.fold(String::new(), |mut list, person| {
        // Writing to a text does not fail.
        let _ = write!(list, "\"tg:{person}\", ");
        list
    });
    format!(
        r#"[host]
listen = "127.0.0.1:0"
durability = "power"

[plugins.allowlist]
source = "builtin:allowlist"

[plugins.commands]
source = "builtin:commands"

[plugins.assistant]
source = "builtin:assistant"
settings = {{ system = "{SYSTEM}", history = {HISTORY} }}

[models.main]
base_url = "{model}/v1"
model = "test"

[routes.personal]
policies = ["allowlist"]
replies = ["commands"]
prompt = "assistant"
model = "main"

[channels.tg]
kind = "telegram"
api_url = "{telegram}"
token = {{ file = "bot.token" }}
route = "personal"
send_limits = "off"
allow_from = [{allow_from}]
"#
    )
}

/// What the config has beside the main job when it is attacked.
fn besieged(telegram: &str) -> String {
    format!(
        r#"
[plugins.hostile]
source = "hostile.wasm"

[routes.attacked]
policies = ["hostile"]

[channels.attacked]
kind = "telegram"
api_url = "{telegram}"
token = {{ file = "attacked.token" }}
route = "attacked"
"#
    )
}
