//! The table, in Markdown.

use std::fmt::{self, Display, Formatter};

use crate::measure::{Measure, Results};
use switchhook_bench::Samples;

/// Both programs' results side by side.
pub(crate) struct Table<'a> {
    pub(crate) floor: &'a Results,
    pub(crate) switchhook: &'a Results,
}

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "| measure | floor | switchhook | ratio |")?;
        writeln!(f, "|---|---:|---:|---:|")?;
        for measure in Measure::ALL {
            let (floor, switchhook) = (self.floor.of(measure), self.switchhook.of(measure));
            if floor.is_none() && switchhook.is_none() {
                continue;
            }
            let shown =
                |samples: &Option<Samples>| samples.as_ref().map_or("–".into(), |s| cell(s, measure.decimals()));
            let ratio = match (&floor, &switchhook) {
                (Some(floor), Some(host)) => ratio(floor.median(), host.median()),
                _ => "–".into(),
            };
            writeln!(f, "| {} | {} | {} | {ratio} |", measure.label(), shown(&floor), shown(&switchhook))?;
        }
        Ok(())
    }
}

/// `median (min–max)`.
fn cell(samples: &Samples, decimals: usize) -> String {
    let (median, min, max) = (samples.median(), samples.min(), samples.max());
    format!("{median:.decimals$} ({min:.decimals$}–{max:.decimals$})")
}

/// How many times the floor's. What is below what the clock tells apart has none.
fn ratio(floor: f64, host: f64) -> String {
    if floor > 0.0 { format!("{:.2}", host / floor) } else { "–".into() }
}

/// A gap in polling that an edit lengthens by less, in milliseconds, is the same: what one commit varies by.
const GAP: f64 = 5.0;

/// What the host is to keep, and whether it did, as rows of a table. `commit_ms` is what one commit to disk takes here.
pub(crate) fn targets(table: &Table<'_>, commit_ms: f64) -> Vec<String> {
    let floor = |measure| table.floor.of(measure).map(|samples| samples.median());
    let host = |measure| table.switchhook.of(measure);
    let median = |measure| host(measure).map(|samples| samples.median());
    let cpu = |measure| floor(measure).map(|floor| 2.0 * floor + 0.5);
    let alone = floor(Measure::AloneP50).map(|floor| floor + 2.0 * commit_ms);
    let gap = host(Measure::GapBefore).map(|samples| samples.median() + GAP);
    let edit_p95 = host(Measure::Edit).map(|samples| samples.percentile(95.0));
    [
        at_least("burst", median(Measure::Burst), floor(Measure::Burst).map(|floor| 0.4 * floor), "messages/s"),
        at_most("CPU for each, in a burst", median(Measure::BurstCpu), cpu(Measure::BurstCpu), "ms"),
        at_most("CPU for each, one at a time", median(Measure::AloneCpu), cpu(Measure::AloneCpu), "ms"),
        at_most("one message at a time, p50 (floor and two commits)", median(Measure::AloneP50), alone, "ms"),
        at_most("start with a warm cache", median(Measure::Start), Some(150.0), "ms"),
        at_most("idle memory (RSS)", median(Measure::IdleRss), Some(30.0), "MiB"),
        at_most("edit, save to first answer, p95", edit_p95, Some(200.0), "ms"),
        at_most("longest gap between polls in an edit", median(Measure::GapDuring), gap, "ms"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn at_most(what: &str, value: Option<f64>, most: Option<f64>, unit: &str) -> Option<String> {
    let (value, most) = value.zip(most)?;
    Some(format!("| {what} | {} | {value:.2} {unit} | at most {most:.2} |", verdict(value <= most)))
}

fn at_least(what: &str, value: Option<f64>, least: Option<f64>, unit: &str) -> Option<String> {
    let (value, least) = value.zip(least)?;
    Some(format!("| {what} | {} | {value:.0} {unit} | at least {least:.0} |", verdict(value >= least)))
}

fn verdict(kept: bool) -> &'static str {
    if kept { "kept" } else { "MISSED" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(of: &[(Measure, f64)]) -> Results {
        let mut results = Results::default();
        of.iter().for_each(|(measure, value)| results.add(*measure, *value));
        results
    }

    #[test]
    fn rows_have_medians_spreads_and_ratios() {
        let floor = results(&[(Measure::AloneP50, 1.0), (Measure::AloneP50, 2.0), (Measure::AloneP50, 9.0)]);
        let host = results(&[(Measure::AloneP50, 3.0), (Measure::IdleRss, 20.0)]);
        let text = Table { floor: &floor, switchhook: &host }.to_string();
        assert!(text.contains("| 2.00 (1.00–9.00) | 3.00 (3.00–3.00) | 1.50 |"), "{text}");
        assert!(text.contains("(RSS), MiB | – | 20.0 (20.0–20.0) | – |"), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
    }

    #[test]
    fn targets_are_kept_or_missed() {
        let floor = results(&[(Measure::Burst, 1000.0), (Measure::AloneP50, 1.0)]);
        let host = results(&[(Measure::Burst, 399.0), (Measure::AloneP50, 2.9), (Measure::IdleRss, 31.0)]);
        let said = targets(&Table { floor: &floor, switchhook: &host }, 1.0);
        let expected = ["| burst | MISSED |", "p50 (floor and two commits) | kept |", "| idle memory (RSS) | MISSED |"];
        assert_eq!(said.len(), expected.len(), "{said:?}");
        assert!(said.iter().zip(expected).all(|(said, expected)| said.contains(expected)), "{said:?}");
    }

    #[test]
    fn every_measure_is_shown_once() {
        let labels: std::collections::BTreeSet<_> = Measure::ALL.iter().map(|measure| measure.label()).collect();
        assert_eq!(labels.len(), Measure::ALL.len());
    }
}
