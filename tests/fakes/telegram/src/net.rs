//! Connections that can be counted, told apart and cut.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Connections are numbered from 1 in the order they were accepted.
    pub(crate) connection: u64,
    pub(crate) port: u16,
    /// Cancelled, the connection is closed without another byte.
    pub(crate) cut: CancellationToken,
    /// Cancelled once the connection is gone, whoever ended it.
    pub(crate) gone: CancellationToken,
}

/// Accepts connections.
pub(crate) struct Door {
    listener: TcpListener,
    accepted: u64,
}

impl Door {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, accepted: 0 })
    }
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            // A connection that is gone before it was accepted is nobody's error.
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            // Small answers must not wait for one another.
            let _ = stream.set_nodelay(true);
            self.accepted += 1;
            let cut = CancellationToken::new();
            let is_cut = Box::pin(cut.clone().cancelled_owned());
            let gone = CancellationToken::new();
            let _gone = gone.clone().drop_guard();
            let peer = Peer { connection: self.accepted, port: address.port(), cut, gone };
            return (Wire { stream, peer, is_cut, _gone }, address);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.address()
    }
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().peer.clone()
    }
}

/// A connection that fails once it is cut.
pub(crate) struct Wire {
    stream: TcpStream,
    peer: Peer,
    is_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _gone: DropGuard,
}

impl Wire {
    fn check(&self) -> io::Result<()> {
        if self.peer.cut.is_cancelled() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.peer.cut.is_cancelled() || self.is_cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
