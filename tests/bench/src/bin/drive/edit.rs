//! An edit of the allowlist: how soon it holds, and what it does to polling.

use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::Instant;

use crate::fakes::{Ledger, Pen};
use crate::measure::{Measure, Results};
use crate::subject::{STRANGERS, Stage};
use crate::talk::Written;

/// A stranger writes this often: what the time to the first answer is right to.
const PROBE: Duration = Duration::from_millis(5);
/// How long polling is looked at, without an edit and with one.
const WINDOW: Duration = Duration::from_secs(1);
/// How long an edit may take to hold.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets strangers in, one after the other. Each writes all the time, before and after.
pub(crate) async fn edits(stage: &Stage, count: usize, results: &mut Results) -> anyhow::Result<()> {
    let pen = stage.telegram.pen();
    for n in 0..count {
        let stranger = STRANGERS + n as i64;
        stage.telegram.forget().await?;
        stage.model.forget().await?;
        probe(&pen, stranger, "before", WINDOW).await?;
        let before = stage.telegram.ledger().await?;
        ensure!(answers(&before, stranger).next().is_none(), "a stranger was answered");
        results.add(Measure::GapBefore, longest_gap(&before)?);

        stage.telegram.forget().await?;
        let saved_us = stage.save(n as i64 + 1)?;
        let last = probe(&pen, stranger, "after", WINDOW).await?;
        // Of the window alone: a longer look would find a longer gap.
        results.add(Measure::GapDuring, longest_gap(&stage.telegram.ledger().await?)?);
        let first_us = settled(stage, &pen, stranger, last).await?;
        let took = first_us.checked_sub(saved_us).context("the stranger was answered before the edit was saved")?;
        results.add(Measure::Edit, took as f64 / 1000.0);
    }
    Ok(())
}

/// Somebody writes at a fixed rate; gives the last message.
async fn probe(pen: &Pen, from: i64, when: &str, during: Duration) -> anyhow::Result<Written> {
    let start = Instant::now();
    let mut n = 0;
    loop {
        let written = pen.write(from, format!("{when} {from} {n}")).await?;
        n += 1;
        let next = start + PROBE * n;
        if next >= start + during {
            return Ok(written);
        }
        tokio::time::sleep_until(next).await;
    }
}

/// Goes on writing until the edit holds, and waits until the last message is answered, so that the next edit finds
/// nothing under way. Gives when the first answer was accepted.
async fn settled(stage: &Stage, pen: &Pen, stranger: i64, mut last: Written) -> anyhow::Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ledger = stage.telegram.ledger().await?;
        let first_us = answers(&ledger, stranger).map(|(at_us, _)| at_us).min();
        if let Some(first_us) = first_us
            && answers(&ledger, stranger).any(|(_, text)| text == last.text)
        {
            return Ok(first_us);
        }
        ensure!(Instant::now() < deadline, "the edit did not hold within {PATIENCE:?}");
        if first_us.is_none() {
            last = pen.write(stranger, format!("late {stranger} {}", last.update)).await?;
        }
        tokio::time::sleep(PROBE).await;
    }
}

/// When which text of somebody was answered.
fn answers(ledger: &Ledger, person: i64) -> impl Iterator<Item = (u64, &str)> {
    let to_them = ledger.accepted.iter().filter(move |call| call.chat == Some(person));
    to_them.filter_map(|call| Some((call.at_us, call.answered()?)))
}

/// The longest time nobody polled, in milliseconds.
fn longest_gap(ledger: &Ledger) -> anyhow::Result<f64> {
    let longest = ledger.polls.iter().filter_map(|poll| poll.idle_us).max();
    Ok(longest.context("nobody polled meanwhile")? as f64 / 1000.0)
}
