//! The floor: Telegram → model → Telegram in plain Rust, without durability and without plugins. What it takes is what
//! the work itself costs, so that the host's figures can be read as what isolation and durability add.
//!
//! It does what the benchmark's config has the host do: an allowlist that takes effect when its file is saved, an
//! order within each chat, chats side by side, and the last lines of a chat sent along to the model. It forgets
//! everything when it ends, and what fails is said on standard error and lost.
#![forbid(unsafe_code)]

mod allow;
mod chats;
mod net;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::allow::Allowlist;
use crate::chats::Chats;
use crate::net::{Model, Telegram};

/// Telegram to model to Telegram, with nothing in between.
#[derive(Debug, Parser)]
#[command(after_help = "Example: floor --telegram http://127.0.0.1:8081 --token 4242:SECRET \
    --model http://127.0.0.1:4010 --allow 7,1001-1050")]
struct Arguments {
    /// Where the Bot API is.
    #[arg(long)]
    telegram: String,
    /// The bot's token.
    #[arg(long)]
    token: String,
    /// Where the model is, without /v1.
    #[arg(long)]
    model: String,
    /// Who may write: ids and ranges of ids, such as 7,1001-1050.
    #[arg(long, required_unless_present = "allow_file")]
    allow: Option<String>,
    /// A file that says who may write, in the same form; a new one put in its place takes effect at once.
    #[arg(long, conflicts_with = "allow")]
    allow_file: Option<PathBuf>,
    /// What the model is told first.
    #[arg(long, default_value = "You are helpful.")]
    system: String,
    /// How many of a chat's last lines the model is shown.
    #[arg(long, default_value_t = 4)]
    history: usize,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let allowed = match (&arguments.allow_file, &arguments.allow) {
        (Some(path), _) => Allowlist::watched(path)?,
        (None, allow) => Allowlist::fixed(allow.as_deref().unwrap_or_default())?,
    };
    let http = reqwest::Client::builder().no_proxy().build().context("no HTTP client")?;
    let telegram = Telegram::new(http.clone(), &arguments.telegram, &arguments.token);
    let model = Model::new(http, &arguments.model, arguments.system);
    let chats = Arc::new(Chats::new(telegram.clone(), model, arguments.history));
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        () = serve(telegram, allowed, chats) => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Never ends by itself.
async fn serve(telegram: Telegram, allowed: Allowlist, chats: Arc<Chats>) {
    let mut offset = None;
    loop {
        let updates = match telegram.updates(offset).await {
            Ok(updates) => updates,
            Err(error) => {
                eprintln!("polling failed: {error:#}");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                continue;
            }
        };
        for update in updates {
            offset = Some(update.update_id + 1);
            let Some(message) = update.message else { continue };
            if allowed.has(message.from.id) {
                chats.take(message.chat.id, message.text);
            }
        }
    }
}
