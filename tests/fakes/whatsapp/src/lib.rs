//! A strict WhatsApp-Web server for tests and for trying things by hand. It plays the server, the phones of the accounts
//! and the people who write to them, each with keys of their own; what it accepted is decrypted and kept in a ledger.
#![forbid(unsafe_code)]

mod account;
mod certificate;
mod connection;
mod content;
mod control;
mod delivery;
mod device;
mod fault;
mod group;
mod iq;
mod ledger;
mod media;
mod message;
mod node;
mod noise;
mod own;
mod pairing;
mod passkey;
mod person;
mod phone;
mod receipt;
mod signal;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::world::Shared;

/// How a fake is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where clients connect to; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where it is driven from, and where the media are.
    pub control: SocketAddr,
    /// A file that everything accepted is appended to.
    pub ledger: Option<PathBuf>,
}

/// A server that listens, and does nothing until it runs.
pub struct Fake {
    clients: TcpListener,
    control: TcpListener,
    shared: Arc<Shared>,
}

impl Fake {
    /// Makes keys and takes the ports.
    ///
    /// # Errors
    /// A port that is taken, or a ledger that can't be written.
    pub async fn open(options: Options) -> anyhow::Result<Self> {
        let listen =
            |at: SocketAddr| async move { TcpListener::bind(at).await.with_context(|| format!("listening on {at}")) };
        let clients = listen(options.listen).await?;
        let control = listen(options.control).await?;
        let shared = Shared::open(options.ledger.as_deref())?;
        Ok(Self { clients, control, shared })
    }

    /// What a client is to connect to.
    pub fn url(&self) -> String {
        self.clients.local_addr().map(|at| format!("ws://{at}/ws/chat")).unwrap_or_default()
    }

    /// What `/_control/…` is appended to.
    pub fn control_url(&self) -> String {
        self.control.local_addr().map(|at| format!("http://{at}")).unwrap_or_default()
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// When a port stops accepting.
    pub async fn run(self) -> anyhow::Result<()> {
        let url = self.url();
        let app = control::router(url).merge(media::router()).with_state(self.shared.clone());
        tokio::try_join!(connection::accept(self.clients, self.shared), async {
            axum::serve(self.control, app).await.context("serving control")
        })?;
        Ok(())
    }
}
