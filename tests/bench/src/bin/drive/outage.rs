//! The network to WhatsApp is cut and comes back: how soon channels answer again, and what Telegram and the web chat
//! notice. Each account has a wire of its own, so that one run has many cuts; nothing is in front of the others.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use harness::{Network, PAGE_CONFIG, Visitor, Wire, free_port};
use switchhook_bench::Samples;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::load::Load;
use crate::more::More;
use crate::process::now_us;
use crate::round::Grounds;
use crate::subject::{Running, Stage, Subject};
use crate::whatsapp::{Letter, WhatsApp, table};

/// How long a network is gone, in seconds, at least: up to a quarter more, so that its return falls at any point of the
/// waits between two tries.
const CUTS: [f64; 3] = [1.0, 30.0, 120.0];
const SPREAD: f64 = 0.25;
const KINDS: [(Network, &str); 2] = [(Network::Closed, "closed"), (Network::Silent, "silent")];
/// Accounts of each kind and length.
const LINES: usize = 10;
/// How soon a channel is to be back (A5), in seconds.
const BACK: f64 = 60.0;
/// An answer that takes longer after the network's return never comes.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long the host may take until all accounts are connected.
const START: Duration = Duration::from_secs(120);
/// Telegram messages a second meanwhile, in runs of so long.
const RATE: u32 = 10;
const RUN: Duration = Duration::from_secs(5);
/// Between two messages of the visitor.
const ASK: Duration = Duration::from_millis(200);
/// A bot that nobody polls for longer was disconnected, in microseconds.
const GAP: u64 = 1_000_000;

/// One account, and how its network is cut.
struct Line {
    account: usize,
    network: Network,
    cut: Duration,
    wire: Wire,
}

/// What those who are not concerned went through.
#[derive(Default)]
struct Bystanders {
    telegram: Vec<f64>,
    web: Vec<f64>,
}

pub(crate) async fn run(grounds: &Grounds<'_>) -> anyhow::Result<()> {
    let count = KINDS.len() * CUTS.len() * LINES;
    let whatsapp = WhatsApp::start(grounds.binaries, grounds.folder, grounds.http, count).await?;
    let lines = lines(&whatsapp.url);
    let tables: String = lines.iter().map(|line| table(line.account, line.wire.url())).collect();
    let more = More { tables: tables + PAGE_CONFIG, port: free_port(), ..More::default() };
    let port = more.port;
    let stage = grounds.stage(Subject::Switchhook, more).await?;
    whatsapp.link_all(&stage)?;
    let running = stage.start().await?;
    let played = play(&stage, &running, &whatsapp, &lines, port).await;
    let (back, bystanders) = played.with_context(|| format!("the host said:\n{}", running.last_words()))?;
    report(&lines, &back, bystanders)?;
    running.end().await
}

fn lines(url: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for (network, _) in KINDS {
        for cut in CUTS {
            for n in 0..LINES {
                let cut = Duration::from_secs_f64(cut * (1.0 + SPREAD * n as f64 / LINES as f64));
                lines.push(Line { account: lines.len(), network, cut, wire: Wire::to(url) });
            }
        }
    }
    lines
}

/// Cuts all lines; how long each took until it answered after its return, in seconds, and what the others noticed.
async fn play(
    stage: &Stage,
    running: &Running,
    whatsapp: &WhatsApp,
    lines: &[Line],
    port: u16,
) -> anyhow::Result<(Vec<f64>, Bystanders)> {
    whatsapp.all("prekeys", START).await?;
    whatsapp.all("resumed", START).await?;
    let done = CancellationToken::new();
    let telegram = telegram(stage, running, &done);
    let web = web(port, &done);
    let cuts = async {
        let back = try_join_all(lines.iter().map(|line| cut(whatsapp, line))).await;
        done.cancel();
        back
    };
    let (back, telegram, web) = tokio::join!(cuts, telegram, web);
    whatsapp.no_violations().await?;
    Ok((back?, Bystanders { telegram: telegram.context("Telegram meanwhile")?, web: web? }))
}

/// Cuts one line, has somebody write, and lets it come back.
async fn cut(whatsapp: &WhatsApp, line: &Line) -> anyhow::Result<f64> {
    // Not all in the same moment: that would measure how a host tells a hundred things at once.
    tokio::time::sleep(Duration::from_millis(100 * line.account as u64)).await;
    line.wire.set(line.network);
    let letter = Letter { account: line.account, text: format!("are you there, {}?", line.account) };
    whatsapp.write(&letter).await?;
    tokio::time::sleep(line.cut).await;
    let up = now_us();
    line.wire.set(Network::Up);
    let answered = whatsapp.answered(&[letter], PATIENCE).await;
    let answered = answered.with_context(|| format!("{:?} for {:?}", line.network, line.cut))?[0].1;
    ensure!(answered >= up, "account {} answered while its network was cut", line.account);
    Ok((answered - up) as f64 / 1e6)
}

/// Messages at a fixed rate, each answered once and in order, over connections that were there before.
async fn telegram(stage: &Stage, running: &Running, done: &CancellationToken) -> anyhow::Result<Vec<f64>> {
    let load = Load { stage, pid: running.pid() };
    let (mut times, mut known) = (Vec::new(), BTreeSet::new());
    while !done.is_cancelled() {
        times.extend(load.steady(RATE, RUN).await?.times);
        let polls = stage.telegram.ledger().await?.polls;
        let on: BTreeSet<u64> = polls.iter().map(|poll| poll.connection).collect();
        if known.is_empty() {
            known = on.clone();
        }
        ensure!(on.is_subset(&known), "the bot is polled on other connections than before: {on:?}, not {known:?}");
        let gap = polls.iter().filter_map(|poll| poll.idle_us).max();
        ensure!(gap < Some(GAP), "the bot was not polled for {gap:?} µs");
    }
    Ok(times)
}

/// A visitor who asks one thing after the other, on one socket: where that ends, so does the run.
async fn web(port: u16, done: &CancellationToken) -> anyhow::Result<Vec<f64>> {
    let mut visitor = Visitor::open(port, "page").await;
    let mut times = Vec::new();
    while !done.is_cancelled() {
        let (asked, text) = (Instant::now(), format!("w{}", times.len()));
        let answer = visitor.ask(&text, &text).await;
        ensure!(answer == format!("echo: {text}"), "the visitor asked {text} and was told {answer}");
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(ASK).await;
    }
    Ok(times)
}

fn report(lines: &[Line], back: &[f64], bystanders: Bystanders) -> anyhow::Result<()> {
    println!("| network | gone for | cuts | back, p50 | back, worst | |\n|---|---|---:|---:|---:|---|");
    for (network, name) in KINDS {
        for cut in CUTS {
            let of =
                |line: &Line| line.network == network && (cut..cut * (1.0 + SPREAD)).contains(&line.cut.as_secs_f64());
            let times = lines.iter().zip(back).filter(|(line, _)| of(line)).map(|(_, back)| *back);
            println!("{}", row(name, cut, &Samples::new(times.collect())?));
        }
    }
    let (telegram, web) = (Samples::new(bystanders.telegram)?, Samples::new(bystanders.web)?);
    let [tg50, tg99, tg100] = [50.0, 99.0, 100.0].map(|p| telegram.percentile(p));
    let [web50, web99, web100] = [50.0, 99.0, 100.0].map(|p| web.percentile(p));
    println!("\nmeanwhile, each answered once and on the connections from before:");
    println!("Telegram: p50 {tg50:.1} ms, p99 {tg99:.1} ms, worst {tg100:.1} ms");
    println!("web chat: p50 {web50:.1} ms, p99 {web99:.1} ms, worst {web100:.1} ms\n");
    Ok(())
}

fn row(name: &str, cut: f64, back: &Samples) -> String {
    let verdict = if back.max() <= BACK { "kept" } else { "MISSED" };
    let (p50, worst, count) = (back.median(), back.max(), LINES);
    format!("| {name} | {cut:.0} s | {count} | {p50:.1} s | {worst:.1} s | {verdict} (at most {BACK:.0} s) |")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_worst_against_what_is_promised() {
        let row = |worst| row("silent", 30.0, &Samples::new(vec![1.0, 2.0, worst]).unwrap());
        assert_eq!(row(59.0), "| silent | 30 s | 10 | 2.0 s | 59.0 s | kept (at most 60 s) |");
        assert!(row(61.0).contains("MISSED"));
    }
}
