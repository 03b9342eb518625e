//! `switchhook reload`

use switchhook_api::dto::DryRun;
use switchhook_config::Change;
use switchhook_runtime::{Attempt, AttemptOutcome};

use crate::args::Output;
use crate::client::Client;
use crate::command::{say, word};
use crate::failure::Failure;
use crate::table::{Table, cell};

pub(crate) async fn reload(client: &Client, output: Output) -> Result<String, Failure> {
    let attempt: Attempt = client.post("reload").await?;
    let text = say(output, &attempt, tell)?;
    match attempt.outcome {
        AttemptOutcome::Rejected if output.json => Err(Failure::ConfigTold { text }),
        AttemptOutcome::Rejected => Err(Failure::ConfigRefused { rendered: attempt.rendered.unwrap_or(text) }),
        _ => Ok(text),
    }
}

/// An attempt, for a person.
fn tell(attempt: &Attempt) -> String {
    let generation = attempt.generation;
    match attempt.outcome {
        AttemptOutcome::Applied => {
            let what = changes(&attempt.changes).or("Nothing that it names changed.");
            format!("Generation {generation} runs, after {} ms.\n{what}", attempt.took_ms)
        }
        AttemptOutcome::Unchanged => format!("Nothing changed: generation {generation} goes on.\n"),
        AttemptOutcome::Rejected => format!("Refused: generation {generation} goes on.\n"),
    }
}

pub(crate) async fn dry_run(client: &Client, output: Output) -> Result<String, Failure> {
    let plan: DryRun = client.post("reload/dry-run").await?;
    let text = say(output, &plan, |plan| changes(&plan.changes).or("A reload would change nothing."))?;
    match plan.rendered {
        Some(_) if output.json => Err(Failure::ConfigTold { text }),
        Some(rendered) => Err(Failure::ConfigRefused { rendered }),
        None => Ok(text),
    }
}

fn changes(changes: &[Change]) -> Table {
    let mut table = Table::new(["WHAT", "NAME", "STEP", "WHY"]);
    for change in changes {
        table.row([
            change.subject.to_string(),
            cell(Some(&change.name), 32),
            word(&change.step),
            cell(Some(&change.reason), 400),
        ]);
    }
    table
}
