//! `torture`: kills and starves the host under load, and lets the ledger outside the process decide.

mod ledger;
mod load;
mod machine;
mod page;
mod phases;
mod record;
mod scene;
mod table;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rand::SeedableRng;
use rand::rngs::StdRng;

use phases::{Budget, Extent, PHASES, Phase};
use table::{Row, Table};

#[derive(Parser)]
struct Args {
    /// How long all phases together may take, about: 2 for every change, 60 for a night. Those that kill while WhatsApp is
    /// linked, chatted on or sealed anew count their kills and not their time: they come on top.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// How often each of those kills. They are left out of a run of less than 10 minutes, unless this or --only asks for
    /// them.
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    kills: Option<usize>,
    /// What the random moments come from; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// Only these phases.
    #[arg(long)]
    only: Vec<String>,
}

/// How often a phase that counts its kills does, unless told.
const KILLS: usize = 200;
/// Minutes from which on these phases are part of a run.
const LONG: f64 = 10.0;

impl Args {
    fn wants(&self, phase: &Phase) -> bool {
        if !self.only.is_empty() {
            return self.only.iter().any(|name| name == phase.name);
        }
        phase.extent != Extent::Kills || self.kills.is_some() || self.minutes >= LONG
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Mounts of its own, which end with it.
    if let Some(code) = machine::enter_own_mounts() {
        return code;
    }
    let seed = args.seed.unwrap_or_else(rand::random);
    println!("seed {seed}, {} minutes", args.minutes);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let table = runtime.block_on(run(&args, seed));
    println!("\n{table}");
    if table.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(args: &Args, seed: u64) -> Table {
    let mut table = Table::default();
    let wanted: Vec<&Phase> = PHASES.iter().filter(|phase| args.wants(phase)).collect();
    let share = |phase: &Phase| if let Extent::Share(share) = phase.extent { share } else { 0.0 };
    let shares: f64 = wanted.iter().map(|phase| share(phase)).sum();
    for (number, phase) in wanted.into_iter().enumerate() {
        let time = Duration::from_secs_f64(args.minutes * 60.0 * share(phase) / shares.max(1.0));
        let (until, kills) = (Instant::now() + time, args.kills.unwrap_or(KILLS));
        let budget = Budget { until, kills, chance: StdRng::seed_from_u64(seed + number as u64) };
        let started = Instant::now();
        // A task of its own: a phase that falls over is a row of the table, not its end.
        let row = match tokio::spawn((phase.run)(budget)).await {
            Ok(outcome) => Row { phase: phase.name, outcome },
            Err(error) => Row::failed(phase.name, &error.to_string()),
        };
        println!("{:>5.0} s  {row}", started.elapsed().as_secs_f64());
        table.rows.push(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phases(words: &[&str]) -> Vec<&'static str> {
        let args = Args::parse_from([&["torture"], words].concat());
        PHASES.iter().filter(|phase| args.wants(phase)).map(|phase| phase.name).collect()
    }

    #[test]
    fn whatsapp_is_for_long_runs_and_for_who_asks() {
        let without = phases(&[]);
        assert!(without.contains(&"kills") && !without.contains(&"chatting"), "{without:?}");
        for asked in [["--minutes", "60"], ["--kills", "5"]] {
            assert_eq!(phases(&asked).len(), PHASES.len());
        }
        assert_eq!(phases(&["--only", "rotating"]), ["rotating"]);
    }
}
