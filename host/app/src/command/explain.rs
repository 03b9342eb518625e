//! `switchhook explain`

use switchhook_core::id::InboxId;
use switchhook_core::time::{Clock, SystemClock};
use switchhook_runtime::Trace;
use switchhook_runtime::{ExplainedDelivery, Explanation};

use crate::args::Output;
use crate::client::Client;
use crate::command::{say, word};
use crate::failure::Failure;
use crate::table::{Table, ago, cell};

pub(crate) async fn explain(client: &Client, id: InboxId, output: Output) -> Result<String, Failure> {
    let explanation: Explanation = client.get(&format!("messages/{id}")).await?;
    say(output, &explanation, tell)
}

fn tell(explanation: &Explanation) -> String {
    let now = SystemClock.now();
    let mut text = format!(
        "{} is {}: accepted {}, worked on {}\n",
        explanation.message,
        word(&explanation.state),
        ago(explanation.accepted_at, now),
        times(explanation.attempts),
    );
    if let Some(reason) = &explanation.reason {
        text += &format!("Reason: {reason}\n");
    }
    if let Some(trace) = &explanation.trace {
        text += &decisions(trace);
    }
    text + "\n" + &deliveries(&explanation.deliveries).or("Nothing went out.")
}

fn decisions(trace: &Trace) -> String {
    let routes: Vec<&str> = trace.routes.iter().map(|route| route.as_str()).collect();
    let mut text = format!(
        "Generation {}, channel {}, route {}, {} in all\n\n",
        trace.generation,
        trace.channel,
        routes.join(" → "),
        took(trace.total_us),
    );
    let mut steps = Table::new(["PLUGIN", "CALL", "DIGEST", "TOOK", "RESULT"]);
    for step in &trace.steps {
        steps.row([
            step.plugin.to_string(),
            step.call.clone(),
            step.digest.short().to_owned(),
            took(step.micros),
            cell(Some(&step.result), 400),
        ]);
    }
    for step in &trace.models {
        let tokens = format!("{} ({} tokens in, {} out)", step.result, step.input_tokens, step.output_tokens);
        let micros = step.millis.saturating_mul(1000);
        steps.row([step.model.clone(), "model".to_owned(), "-".to_owned(), took(micros), cell(Some(&tokens), 400)]);
    }
    text += &steps.or("No plugin was asked.");
    for refused in &trace.refused {
        text += &format!("Refused: {refused}\n");
    }
    text
}

fn deliveries(entries: &[ExplainedDelivery]) -> Table {
    let mut table = Table::new(["DELIVERY", "STATE", "TRIES", "UNKNOWN", "REASON"]);
    for entry in entries {
        table.row([
            entry.delivery.to_string(),
            word(&entry.state),
            entry.attempts.to_string(),
            entry.unknowns.to_string(),
            cell(entry.reason.as_deref(), 400),
        ]);
    }
    table
}

fn times(attempts: u32) -> String {
    if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") }
}

fn took(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{micros} µs"),
        10_000..10_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{} s", micros / 1_000_000),
    }
}
