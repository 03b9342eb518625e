//! A network between the host and a fake that can be cut: a relay that stops relaying.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Up,
    /// Connections break, and new ones are closed at once: what one notices.
    Closed,
    /// Nothing passes any more and nobody is told, as when a cable is pulled far away. What was sent meanwhile arrives
    /// once the network is back, if whoever sent it still waits: TCP sends it again.
    Silent,
}

/// How it is, and how often it was closed: connections break also where it is up again before they look.
#[derive(Debug, Clone, Copy)]
struct State {
    network: Network,
    closed: u64,
}

/// A relay on a port of its own, with a thread of its own: a test that waits for a program must not hold up its network.
pub struct Wire {
    url: String,
    network: watch::Sender<State>,
    turned_away: watch::Receiver<usize>,
}

impl Wire {
    /// To where a fake listens: `ws://ADDRESS/PATH`.
    pub fn to(url: &str) -> Self {
        let rest = url.strip_prefix("ws://").expect("a WebSocket without TLS");
        let (target, path) = rest.split_once('/').expect("a path");
        let target: SocketAddr = target.parse().expect("an address");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("it can be waited for");
        let url = format!("ws://{}/{path}", listener.local_addr().expect("it has an address"));
        let (network, state) = watch::channel(State { network: Network::Up, closed: 0 });
        let (away, turned_away) = watch::channel(0);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(relay_all(listener, target, state, away));
        });
        Self { url, network, turned_away }
    }

    /// Where the host is to connect to.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn set(&self, network: Network) {
        self.network.send_modify(|state| {
            state.network = network;
            state.closed += u64::from(network == Network::Closed);
        });
    }

    /// Connections that were closed at once.
    pub fn turned_away(&self) -> usize {
        *self.turned_away.borrow()
    }

    /// Waits until there are so many.
    pub async fn until_turned_away(&self, count: usize) {
        let waited = self.turned_away.clone().wait_for(|now| *now >= count).await.map(drop);
        waited.expect("the wire is there");
    }
}

/// Until the wire is dropped.
async fn relay_all(
    listener: std::net::TcpListener,
    target: SocketAddr,
    state: watch::Receiver<State>,
    away: watch::Sender<usize>,
) {
    let listener = TcpListener::from_std(listener).expect("it is a listener");
    let mut dropped = state.clone();
    let accept = async {
        loop {
            // A connection that is gone before it was accepted is nobody's error.
            let Ok((stream, _)) = listener.accept().await else { continue };
            tokio::spawn(relay(stream, target, state.clone(), away.clone()));
        }
    };
    tokio::select! {
        () = accept => {}
        _ = dropped.wait_for(|_| false) => {}
    }
}

/// One connection to its end. An error is an end, too.
async fn relay(
    mut near: TcpStream,
    target: SocketAddr,
    mut state: watch::Receiver<State>,
    away: watch::Sender<usize>,
) -> io::Result<()> {
    // What wants to connect while nothing passes gets through when something does.
    let begun = passes(&mut state).await?;
    if begun.network == Network::Closed {
        drop(near);
        away.send_modify(|count| *count += 1);
        return Ok(());
    }
    let mut far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.split();
    let (far_read, far_write) = far.split();
    let mut closed = state.clone();
    tokio::select! {
        _ = closed.wait_for(|now| now.closed > begun.closed) => Ok(()),
        ended = pump(near_read, far_write, state.clone()) => ended,
        ended = pump(far_read, near_write, state.clone()) => ended,
    }
}

/// One direction. What was read when the network falls silent, its end as well, is held until something passes.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut state: watch::Receiver<State>) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        passes(&mut state).await?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&bytes[..count]).await?;
    }
}

/// Waits while the network is silent, and says how it is then.
async fn passes(state: &mut watch::Receiver<State>) -> io::Result<State> {
    let now = state.wait_for(|now| now.network != Network::Silent).await;
    now.map(|now| *now).map_err(|_| io::ErrorKind::ConnectionAborted.into())
}
