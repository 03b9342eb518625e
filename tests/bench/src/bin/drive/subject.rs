//! What is measured: the floor and the host, each with fakes of its own.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use harness::{Deadlines, HISTORY, SYSTEM, in_one_piece, personal, telegram_channel};
use reqwest::Client;
use tempfile::TempDir;

use crate::fakes::{Model, TOKEN, Telegram};
use crate::more::More;
use crate::process::{Process, now_us};

/// Those who may write, each in a chat of their own.
pub(crate) const CHATS: std::ops::Range<i64> = 1001..1051;
/// The first of those who may not yet.
pub(crate) const STRANGERS: i64 = 5001;
/// How long a program may take to poll for the first time, on a busy machine and with plugins to compile.
const START: Duration = Duration::from_secs(180);

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
            Self::Switchhook => config(stage, strangers),
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
    more: More,
    binaries: PathBuf,
    // Processes end before their folder goes.
    folder: TempDir,
}

impl Stage {
    pub(crate) async fn set(
        subject: Subject,
        more: More,
        binaries: &Path,
        within: &Path,
        http: &Client,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(within);
        let folder = folder.with_context(|| format!("no folder can be made in {}", within.display()))?;
        let telegram = Telegram::start(binaries, folder.path(), &more.bots, http).await?;
        let model = Model::start(binaries, folder.path(), http).await?;
        let stage = Self { telegram, model, subject, more, binaries: binaries.to_owned(), folder };
        std::fs::write(stage.path("bot.token"), TOKEN)?;
        for (name, bytes) in &stage.more.files {
            std::fs::write(stage.path(name), bytes)?;
        }
        stage.save(0)?;
        Ok(stage)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets so many strangers in, as careful editors save: aside, then renamed. Gives when it was renamed, in
    /// microseconds since 1970.
    pub(crate) fn save(&self, strangers: i64) -> anyhow::Result<u64> {
        self.put(self.subject.list(), self.subject.list_text(self, strangers).as_bytes())
    }

    /// Puts a file in another's place; gives when it was there, in microseconds since 1970.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> anyhow::Result<u64> {
        let aside = self.path("aside");
        std::fs::write(&aside, bytes)?;
        let saved_us = now_us();
        std::fs::rename(aside, self.path(name))?;
        Ok(saved_us)
    }

    /// Starts the program and waits for its first poll that waits for news.
    pub(crate) async fn start(&self) -> anyhow::Result<Running> {
        self.run(&self.program(), self.subject.arguments(self)).await
    }

    /// The same on a machine of one core, as far as the program can tell.
    pub(crate) async fn start_on_one_core(&self) -> anyhow::Result<Running> {
        let program = self.program().display().to_string();
        let taskset = ["-c", "0", &program].map(str::to_owned);
        self.run(Path::new("taskset"), taskset.into_iter().chain(self.subject.arguments(self)).collect()).await
    }

    fn program(&self) -> PathBuf {
        self.binaries.join(self.subject.name())
    }

    async fn run(&self, program: &Path, arguments: Vec<String>) -> anyhow::Result<Running> {
        self.telegram.forget().await?;
        let process = Process::start(program, arguments, &self.path("subject.log"))?;
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
    /// When it was started, in microseconds since 1970.
    pub(crate) fn started_us(&self) -> u64 {
        self.process.started_us
    }
    pub(crate) fn last_words(&self) -> String {
        self.process.last_words()
    }
}

/// The main job: an allowlist, commands, an assistant and a model on one bot, everything on disk before it is answered.
fn config(stage: &Stage, strangers: i64) -> String {
    let more = &stage.more;
    let mut allow_from = more.allow_from.to_owned();
    for person in CHATS.chain(STRANGERS..STRANGERS + strangers) {
        // Writing to a text does not fail.
        let _ = write!(allow_from, "{}\"tg:{person}\"", if allow_from.is_empty() { "" } else { ", " });
    }
    let host = format!("[host]\nlisten = \"127.0.0.1:{}\"\ndurability = \"power\"\n", more.port);
    let channel = telegram_channel(&allow_from) + &more.channel;
    // As the floor asks. To read an answer piece by piece costs both sides more than to read it as a whole.
    let personal = in_one_piece(&personal(Deadlines::Default));
    [host.as_str(), &personal, &channel, &more.tables]
        .concat()
        .replace("{TELEGRAM}", stage.telegram.url())
        .replace("{MODEL}", stage.model.url())
}
