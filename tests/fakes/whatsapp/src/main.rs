//! The program: see the README for how to drive it.
#![forbid(unsafe_code)]

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use switchhook_fake_whatsapp::{Fake, Options};

/// A strict WhatsApp-Web server, driven over /_control/.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example: fake-whatsapp --listen 127.0.0.1:8082 --ledger ledger.jsonl\nThe README has every command of /_control/."
)]
struct Arguments {
    /// Where clients connect to; port 0 takes a free one. Control takes another free port of the same address.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where /_control/ and the media are; a free port of the same address, if left out.
    #[arg(long)]
    control: Option<SocketAddr>,
    /// A file that everything accepted is appended to, one JSON object a line.
    #[arg(long)]
    ledger: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let control = arguments.control.unwrap_or_else(|| SocketAddr::new(arguments.listen.ip(), 0));
    let fake = Fake::open(Options { listen: arguments.listen, control, ledger: arguments.ledger }).await?;
    println!("listening on {} control {}", fake.url(), fake.control_url());
    std::io::stdout().flush()?;
    fake.run().await
}
