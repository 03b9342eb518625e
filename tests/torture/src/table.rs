//! What is printed at the end.

use std::fmt;
use std::ops::AddAssign;

/// What a phase came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) kills: usize,
    pub(crate) accepted: usize,
    pub(crate) lost: usize,
    pub(crate) recorded: usize,
    pub(crate) unrecorded: usize,
    /// Answers that came before one that their chat waited for longer.
    pub(crate) overtaking: usize,
    /// What failed meanwhile and was put back to work as an operator would: on record, and answered in the end.
    pub(crate) replayed: usize,
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, more: &Counts) {
        self.kills += more.kills;
        self.accepted += more.accepted;
        self.lost += more.lost;
        self.recorded += more.recorded;
        self.unrecorded += more.unrecorded;
        self.overtaking += more.overtaking;
        self.replayed += more.replayed;
    }
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Ran(Counts),
    /// This machine can't do it, and why.
    Skipped(String),
    /// It did not come to a verdict, or the host did not do what it must besides answering.
    Failed(String),
}

pub(crate) struct Row {
    pub(crate) phase: &'static str,
    pub(crate) outcome: Outcome,
}

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

impl Row {
    pub(crate) fn failed(phase: &'static str, reason: &str) -> Self {
        Self { phase, outcome: Outcome::Failed(reason.to_owned()) }
    }
}

impl Table {
    fn total(&self) -> Counts {
        let mut total = Counts::default();
        for row in &self.rows {
            if let Outcome::Ran(counts) = &row.outcome {
                total += counts;
            }
        }
        total
    }

    pub(crate) fn passed(&self) -> bool {
        let total = self.total();
        let failed = self.rows.iter().any(|row| matches!(row.outcome, Outcome::Failed(_)));
        !failed && total.accepted > 0 && total.lost + total.unrecorded + total.overtaking == 0
    }
}

fn line(f: &mut fmt::Formatter<'_>, phase: &str, counts: &Counts) -> fmt::Result {
    let Counts { kills, accepted, lost, recorded, unrecorded, overtaking, replayed } = counts;
    write!(f, "{phase:<12} | {kills:>5} | {accepted:>8} | {lost:>4} | {recorded:>20} | {unrecorded:>15}")?;
    for (count, what) in [(overtaking, "out of order"), (replayed, "parked and replayed")] {
        if *count > 0 {
            write!(f, " ({count} {what})")?;
        }
    }
    Ok(())
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Ran(counts) => line(f, self.phase, counts),
            Outcome::Skipped(reason) => write!(f, "{:<12} | skipped: {reason}", self.phase),
            Outcome::Failed(reason) => write!(f, "{:<12} | FAILED: {reason}", self.phase),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "phase        | kills | accepted | lost | doubled-and-recorded | doubled-and-not")?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        line(f, "total", &self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(outcome: Outcome) -> Table {
        Table { rows: vec![Row { phase: "kills", outcome }] }
    }

    #[test]
    fn what_was_lost_or_doubled_unrecorded_fails_the_run() {
        let good = Counts { accepted: 9, recorded: 2, ..Counts::default() };
        assert!(table(Outcome::Ran(good.clone())).passed());
        assert!(!table(Outcome::Ran(Counts { lost: 1, ..good.clone() })).passed());
        assert!(!table(Outcome::Ran(Counts { unrecorded: 1, ..good.clone() })).passed());
        assert!(!table(Outcome::Ran(Counts { overtaking: 1, ..good })).passed());
        assert!(!table(Outcome::Failed("it hung".to_owned())).passed());
        assert!(!table(Outcome::Skipped("no root".to_owned())).passed(), "nothing was proved");
    }
}
