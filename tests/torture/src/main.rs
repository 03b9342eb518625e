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

use phases::{Budget, PHASES, Phase};
use table::{Row, Table};

#[derive(Parser)]
struct Args {
    /// How long all phases together may take, about: 2 for every change, 60 for a night.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// What the random moments come from; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// Only these phases.
    #[arg(long)]
    only: Vec<String>,
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
    let wanted: Vec<&Phase> =
        PHASES.iter().filter(|phase| args.only.is_empty() || args.only.iter().any(|name| name == phase.name)).collect();
    let shares: f64 = wanted.iter().map(|phase| phase.share).sum();
    for (number, phase) in wanted.into_iter().enumerate() {
        let time = Duration::from_secs_f64(args.minutes * 60.0 * phase.share / shares);
        let budget = Budget { until: Instant::now() + time, chance: StdRng::seed_from_u64(seed + number as u64) };
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
