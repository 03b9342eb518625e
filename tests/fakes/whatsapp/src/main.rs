//! The program: see the README for how to drive it.
#![forbid(unsafe_code)]

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use switchhook_fake_whatsapp::{Fake, Options};

/// What somebody needs who drives it from a terminal; the README has the rest.
const BY_HAND: &str = r#"By hand:
  fake-whatsapp --listen 127.0.0.1:8082 --control 127.0.0.1:8083 --ledger ledger.jsonl &
  C() { curl -s "http://127.0.0.1:8083/_control/$1" -H 'content-type: application/json' ${2:+-d "$2"}; echo; }

  C server                                                      where clients connect to; the root they have to trust
  C accounts '{"number": "15550001111"}'                        an account, and its phone
  C contacts '{"number": "15550002222", "name": "Alice"}'       somebody who writes to it
  C scan '{"account": "15550001111", "qr": "2@..."}'            the phone scans what a client shows
  C enter-code '{"account": "15550001111", "code": "ABCD-EFGH"}'        or types what it shows
  C accounts                                                    who is linked, connected, ready; what waits
  C write '{"account": "15550001111", "from": "15550002222", "text": "hello"}'
  C 'wait?event=sent&account=15550001111'                       what the device wrote, once it has
  C drop '{"account": "15550001111"}'                           a cut without a word
  C unlink '{"account": "15550001111"}'                         the owner removes the device on the phone
  C 'ledger?event=violation'                                    what the real server or a phone would have refused

The README has every command of /_control/: groups, media, receipts, typing, refusals, outages and other faults."#;

/// A strict WhatsApp-Web server with its phones and people, driven over /_control/.
#[derive(Debug, Parser)]
#[command(version, after_help = BY_HAND)]
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
