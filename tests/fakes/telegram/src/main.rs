//! A strict Bot API server for tests and for trying things by hand: it refuses what Telegram refuses, delivers updates
//! again until they are confirmed, and keeps a ledger of what it accepted. See the README for how to drive it.
#![forbid(unsafe_code)]

mod bot;
mod control;
mod entrance;
mod fault;
mod ledger;
mod limits;
mod markup;
mod methods;
mod net;
mod params;
mod refusal;
mod world;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use axum::extract::DefaultBodyLimit;
use clap::Parser;

use crate::world::{Fake, TokenText};

/// A strict Telegram Bot API server, driven over /_control/.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example: fake-telegram --listen 127.0.0.1:8081 --ledger ledger.jsonl --bot 4242:SECRET"
)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A file that everything accepted is appended to, one JSON object a line.
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// The token of a bot: its id, a colon, its secret. Two tokens of one id are two keys to the same bot.
    #[arg(long = "bot", required = true)]
    bots: Vec<TokenText>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let fake = Fake::new(&arguments.bots, arguments.ledger.as_deref())?;
    let door = net::Door::open(arguments.listen).await.with_context(|| format!("listening on {}", arguments.listen))?;
    let address = door.address()?;
    let app = control::router()
        .fallback(entrance::enter)
        .layer(DefaultBodyLimit::disable())
        .with_state(fake)
        .into_make_service_with_connect_info::<net::Peer>();
    println!("listening on http://{address}");
    std::io::stdout().flush()?;
    axum::serve(door, app).await?;
    Ok(())
}
