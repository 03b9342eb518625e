//! A strict fake of an OpenAI-compatible model: a program with a ledger, a control API and faults on demand.
#![forbid(unsafe_code)]

mod answer;
mod check;
mod completions;
mod control;
mod fake;
mod fault;
mod hold;
mod ledger;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;

use crate::fake::Fake;
use crate::ledger::Ledger;

/// A strict fake of an OpenAI-compatible model. The API is under /v1, the control of it under /_control.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; with port 0 the system picks one, and it is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Append every request here as a line of JSON, once it has ended.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Demand this key as a bearer token.
    #[arg(long)]
    key: Option<String>,
    /// Know only this model; may be given several times. Without it every name is known.
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let ledger = match &arguments.ledger {
        Some(path) => Ledger::appending(path).with_context(|| format!("cannot write {}", path.display()))?,
        None => Ledger::in_memory(),
    };
    let fake = Arc::new(Fake::new(arguments.key, arguments.models, ledger));
    let listener =
        TcpListener::bind(arguments.listen).await.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    // Whoever started this program reads the line to learn that it is ready, and where.
    println!("listening on http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    axum::serve(listener, completions::routes().merge(control::routes()).with_state(fake)).await?;
    Ok(())
}
