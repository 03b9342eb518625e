//! The end-to-end driver: the host and the floor, measured in turn on the same machine, against the same fakes.
#![forbid(unsafe_code)]

mod accounts;
mod compiling;
mod edit;
mod effort;
mod fakes;
mod load;
mod machine;
mod measure;
mod million;
mod more;
mod outage;
mod proc;
mod process;
mod report;
mod round;
mod scale;
mod siege;
mod subject;
mod talk;
mod whatsapp;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;

use crate::effort::Effort;
use crate::measure::Results;
use crate::report::Table;
use crate::round::Grounds;
use crate::subject::Subject;
use switchhook_bench::Samples;

/// Where the hostile policy is, below the folder for what tests build.
const HOSTILE: &str = "hostile/wasm32-wasip2/release/examples/policy.wasm";

/// How many accounts the long form links.
const ACCOUNTS: u32 = 100;

/// Measures the host against the floor: Telegram to model to Telegram in plain Rust, without durability or plugins.
#[derive(Debug, Parser)]
#[command(
    after_help = "Build `switchhook`, `floor` and the fakes first, with --release: they are looked for beside this \
        program."
)]
struct Arguments {
    /// A short form, of about a minute, without what is asked for by name; the default.
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// The form whose figures may be shown, of about a quarter of an hour: with --scale, --compiling, --siege, --outage
    /// and --accounts.
    #[arg(long)]
    full: bool,
    /// Rounds, instead of what the form has. In each, every program runs once.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Messages a second where they are written at a fixed rate.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5000))]
    rate: u32,
    /// Measure only this one.
    #[arg(long, value_enum)]
    only: Option<Subject>,
    /// Only: what a message costs beside many channels, people and plugins.
    #[arg(long)]
    scale: bool,
    /// Only: messages while a component of 18 MiB is compiled.
    #[arg(long)]
    compiling: bool,
    /// Only: the host beside a channel that a hostile policy is on, pinned to one core.
    #[arg(long)]
    siege: bool,
    /// Only: how soon a WhatsApp channel is back after its network was cut for 1, 30 and 120 s, and what others notice.
    #[arg(long)]
    outage: bool,
    /// Only: so many linked WhatsApp accounts on one host, and a tenth of them: memory for each, and the time to restore
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "100",
        value_parser = clap::value_parser!(u32).range(10..))]
    accounts: Option<u32>,
    /// Only: so many messages through one run, and what memory and disk they take.
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "1000000",
        value_parser = clap::value_parser!(u32).range(1..))]
    million: Option<u32>,
    /// The hostile policy of `tests/hostile` [default: where `just bench` has it built]
    #[arg(long)]
    hostile: Option<PathBuf>,
    /// Where the programs are [default: beside this one]
    #[arg(long)]
    binaries: Option<PathBuf>,
    /// Where data is kept while it runs; must be on a real disk [default: beside this program]
    #[arg(long)]
    folder: Option<PathBuf>,
}

impl Arguments {
    /// Whether something was asked for by name, and so nothing else.
    fn chosen(&self) -> bool {
        self.scale || self.compiling || self.siege || self.outage || self.accounts.is_some() || self.million.is_some()
    }
    fn all(&self) -> bool {
        self.full && !self.chosen()
    }
    /// How many accounts are to be linked; none where that is not measured.
    fn accounts(&self) -> Option<u32> {
        self.accounts.or(self.all().then_some(ACCOUNTS))
    }
    fn subjects(&self) -> Vec<Subject> {
        self.only.map_or_else(|| vec![Subject::Floor, Subject::Switchhook], |only| vec![only])
    }
}

/// One thread: the driver takes no core from what it measures while it waits.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let own = std::env::current_exe().context("this program can't be found")?;
    let beside = own.parent().context("this program is in no folder")?;
    let folder = arguments.folder.as_deref().unwrap_or(beside).canonicalize().context("--folder is not there")?;
    let hostile = arguments.hostile.clone().unwrap_or_else(|| beside.with_file_name("tmp").join(HOSTILE));
    let http = reqwest::Client::builder().no_proxy().build()?;
    let grounds = Grounds { binaries: arguments.binaries.as_deref().unwrap_or(beside), folder: &folder, http: &http };
    introduce(&folder);
    measure(&arguments, &grounds, &hostile).await?;
    println!("load average at the end: {}", machine::load_average());
    Ok(())
}

async fn measure(arguments: &Arguments, grounds: &Grounds<'_>, hostile: &Path) -> anyhow::Result<()> {
    let (effort, all) = (effort(arguments), arguments.all());
    if !arguments.chosen() {
        compare(&arguments.subjects(), grounds, &effort).await?;
    }
    if arguments.scale || all {
        println!("## The cost of a message beside what it has nothing to do with\n");
        scale::run(grounds, &effort).await?;
    }
    if arguments.compiling || all {
        println!("## While a component of 18 MiB is compiled, {} messages/s\n", effort.rate);
        compiling::run(grounds, &effort).await?;
    }
    if arguments.siege || all {
        println!("## Beside a hostile plugin, on one core, {} messages/s\n", effort.rate);
        siege::run(hostile, grounds, &effort).await?;
    }
    if arguments.outage || all {
        println!("## A cut network to WhatsApp\n");
        outage::run(grounds).await?;
    }
    if let Some(count) = arguments.accounts() {
        println!("## {count} linked WhatsApp accounts on one host\n");
        accounts::run(grounds, count as usize).await?;
    }
    if let Some(count) = arguments.million {
        for subject in arguments.subjects() {
            million::run(subject, grounds, count as usize).await?;
        }
    }
    Ok(())
}

fn effort(arguments: &Arguments) -> Effort {
    let form = if arguments.full { Effort::full } else { Effort::quick };
    let form = form(arguments.rate);
    Effort { rounds: arguments.rounds.unwrap_or(form.rounds), ..form }
}

fn introduce(folder: &Path) {
    let words: Vec<String> = std::env::args().skip(1).collect();
    println!("command: drive {}", words.join(" "));
    machine::describe(folder).iter().for_each(|line| println!("{line}"));
    println!("load average at the start: {}\n", machine::load_average());
}

/// A B A B …, so that what the machine does meanwhile falls on both.
async fn compare(subjects: &[Subject], grounds: &Grounds<'_>, effort: &Effort) -> anyhow::Result<()> {
    println!("## The host against the floor\n");
    let (mut floor, mut switchhook, mut commits) = (Results::default(), Results::default(), Vec::new());
    for round in 1..=effort.rounds {
        commits.push(machine::commits(grounds.folder)?.median());
        for subject in subjects {
            eprintln!("round {round} of {}: {}", effort.rounds, subject.name());
            let played = round::play(*subject, grounds, effort).await?;
            match subject {
                Subject::Floor => floor.extend(played),
                Subject::Switchhook => switchhook.extend(played),
            }
        }
    }
    let table = Table { floor: &floor, switchhook: &switchhook };
    let commits = Samples::new(commits)?;
    println!("{table}");
    println!("median (lowest–highest) of the rounds; of all bursts and edits, where a round has several");
    println!("a commit to disk here: {:.2} ms ({:.2}–{:.2})\n", commits.median(), commits.min(), commits.max());
    println!("| what is promised | | measured | |\n|---|---|---:|---:|");
    report::targets(&table, commits.median()).iter().for_each(|line| println!("{line}"));
    println!();
    Ok(())
}
