//! Messages in three ways: one at a time, all at once, and at a fixed rate.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::proc;
use crate::subject::{CHATS, Stage};
use crate::talk::{self, Accepted, Written};

/// How long an answer may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a program still does after its last answer belongs to the messages, too: it has so long for it.
const TRAILING: Duration = Duration::from_millis(200);

/// Processor time that went by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) subject: Duration,
    /// Of both fakes together.
    pub(crate) fakes: Duration,
}

/// What was written and how it was answered.
pub(crate) struct Outcome {
    pub(crate) written: Vec<Written>,
    accepted: Vec<Accepted>,
    /// Milliseconds, from queued to accepted.
    pub(crate) times: Vec<f64>,
    pub(crate) cpu: Cpu,
}

impl Outcome {
    /// Messages a second, from the first one queued to the last answer accepted.
    pub(crate) fn per_second(&self) -> anyhow::Result<f64> {
        let first = self.written.iter().map(|message| message.at_us).min();
        let last = self.accepted.iter().filter(|call| call.answered().is_some()).map(|call| call.at_us).max();
        let (first, last) = first.zip(last).context("nothing was answered")?;
        Ok(self.times.len() as f64 * 1e6 / (last - first).max(1) as f64)
    }
}

/// The program that is loaded.
pub(crate) struct Load<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) pid: u32,
}

impl Load<'_> {
    pub(crate) async fn one_by_one(&self, count: usize) -> anyhow::Result<Outcome> {
        let pen = self.stage.telegram.pen();
        self.measured(async || {
            let mut written = Vec::with_capacity(count);
            for n in 0..count {
                written.push(pen.write(CHATS.start, text("one", n)).await?);
                self.stage.telegram.sent(n + 1, PATIENCE).await?;
            }
            Ok(written)
        })
        .await
    }

    /// Everybody writes alike, and all at once.
    pub(crate) async fn burst(&self, number: usize, count: usize) -> anyhow::Result<Outcome> {
        let pen = self.stage.telegram.pen();
        let letters: Vec<_> = (0..count).map(|n| (chat(n), text(&format!("burst {number}"), n))).collect();
        self.measured(async || pen.write_all(letters).await).await
    }

    /// At a fixed rate, answered or not, from all chats in turn.
    pub(crate) async fn steady(&self, rate: u32, during: Duration) -> anyhow::Result<Outcome> {
        let pen = self.stage.telegram.pen();
        let count = (f64::from(rate) * during.as_secs_f64()) as usize;
        self.measured(async || {
            let (start, mut writes) = (Instant::now(), JoinSet::new());
            for n in 0..count {
                tokio::time::sleep_until(start + Duration::from_secs_f64(n as f64 / f64::from(rate))).await;
                let pen = pen.clone();
                writes.spawn(async move { pen.write(chat(n), text("steady", n)).await });
            }
            writes.join_all().await.into_iter().collect()
        })
        .await
    }

    /// Has something written and waits until all of it is answered.
    async fn measured(&self, write: impl AsyncFnOnce() -> anyhow::Result<Vec<Written>>) -> anyhow::Result<Outcome> {
        self.stage.telegram.forget().await?;
        self.stage.model.forget().await?;
        let before = self.cpu()?;
        let written = write().await?;
        self.stage.telegram.sent(written.len(), PATIENCE).await?;
        tokio::time::sleep(TRAILING).await;
        let after = self.cpu()?;
        let accepted = self.stage.telegram.ledger().await?.accepted;
        let times = talk::times(&written, &accepted)?;
        let cpu = Cpu { subject: after.subject - before.subject, fakes: after.fakes - before.fakes };
        Ok(Outcome { written, accepted, times, cpu })
    }

    fn cpu(&self) -> anyhow::Result<Cpu> {
        let fakes = proc::cpu(self.stage.telegram.pid())? + proc::cpu(self.stage.model.pid())?;
        Ok(Cpu { subject: proc::cpu(self.pid)?, fakes })
    }
}

/// The rate at which messages were really queued.
pub(crate) fn rate(written: &[Written]) -> anyhow::Result<f64> {
    let times = || written.iter().map(|message| message.at_us);
    let (first, last) = times().min().zip(times().max()).context("nothing was written")?;
    ensure!(written.len() > 1, "one message has no rate");
    Ok((written.len() - 1) as f64 * 1e6 / (last - first).max(1) as f64)
}

fn chat(n: usize) -> i64 {
    let people = CHATS.end - CHATS.start;
    CHATS.start + n as i64 % people
}

fn text(load: &str, n: usize) -> String {
    format!("{load} {n}: when does the last train leave tonight")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_writes_alike() {
        let all: std::collections::BTreeSet<i64> = (0..50).map(chat).collect();
        assert_eq!(all.len(), 50);
        assert!(all.iter().all(|chat| CHATS.contains(chat)));
        assert_eq!(chat(50), chat(0));
    }

    #[test]
    fn rates_are_of_the_gaps_between_messages() {
        let at = |at_us| Written { chat: 1, text: String::new(), update: 1, at_us };
        assert_eq!(rate(&[at(1_000_000), at(1_500_000), at(2_000_000)]).unwrap(), 2.0);
        assert!(rate(&[at(1)]).is_err());
    }
}
