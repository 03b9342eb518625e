//! `switchhook link`: asks for an attempt and shows what the phone is to see of it, until it is over.

mod drawing;
mod screen;
mod words;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use switchhook_core::id::ChannelName;
use switchhook_core::link::{LinkMethodName, LinkStatus};
use switchhook_runtime::link::{Attempt, LinkRequest};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::LinkArgs;
use crate::client::Client;
use crate::failure::Failure;
use screen::Screen;

/// How often the host is asked: a phone that agreed is told of at once, and it costs the host nothing on loopback.
const EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn link(client: &Client, args: LinkArgs) -> Result<String, Failure> {
    let path = format!("channels/{}/link", args.channel);
    let mut stop = Stop::listen()?;
    let mut attempt: Attempt = client.post_with(&path, &request(&args)).await?;
    let mut screen = Screen::of(args.output.json, io::stdout().is_terminal());
    let mut cancelled = false;
    loop {
        show(&mut screen, &attempt)?;
        if attempt.record.status.is_over() {
            return ended(&args.channel, attempt);
        }
        tokio::select! {
            () = stop.asked(), if !cancelled => {
                cancelled = true;
                attempt = client.delete(&path).await?;
            }
            () = tokio::time::sleep(EVERY) => attempt = client.get(&path).await?,
        }
    }
}

fn request(args: &LinkArgs) -> LinkRequest {
    let (method, number) = match &args.code {
        None => (LinkMethodName::Qr, None),
        Some(number) => (LinkMethodName::Code, number.as_ref().map(ToString::to_string)),
    };
    LinkRequest { method, number, confirm: args.confirm }
}

/// Whoever closes the pipe wants no more of it, but the attempt goes on for the phone.
fn show(screen: &mut Screen, attempt: &Attempt) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match screen.show(attempt, Instant::now(), &mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::other("nothing can be shown here", error))
        }
        _ => Ok(()),
    }
}

fn ended(channel: &ChannelName, attempt: Attempt) -> Result<String, Failure> {
    if attempt.record.status == LinkStatus::Success {
        return Ok(String::new());
    }
    let (code, what) = match attempt.record.error {
        Some(problem) => (problem.code.to_string(), problem.message),
        None => ("LINKING_CANCELLED".to_owned(), "linking was cancelled".to_owned()),
    };
    Err(Failure::NotLinked { channel: channel.to_string(), code, what })
}

/// What ends the attempt from here: Ctrl-C, or a service manager.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::other("signals can't be received", error));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
