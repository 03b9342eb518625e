//! The life of one socket.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Frame, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use switchhook_core::connector::InboxError;
use switchhook_core::time::{Clock, SystemClock, UnixMillis};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, timeout};

use crate::hub::Hub;
use crate::live::{Live, Refusal};
use crate::protocol::{FromPage, PastTurn, ToPage};
use crate::rate::Rate;
use crate::tabs::{Ending, TabEnd};
use crate::visitor::Visitor;

/// Turns of the past that a page is given.
const HISTORY: u32 = 100;
/// Browsers answer pings by themselves: one that answers none for two intervals and a bit is gone.
const PING_EVERY: Duration = Duration::from_secs(30);
const GONE_AFTER: Duration = Duration::from_secs(75);
/// How long a frame may take into the socket's buffer, and a page to answer a close.
const WRITE: Duration = Duration::from_secs(10);
const GOODBYE: Duration = Duration::from_secs(1);
/// When to try again what the journal could not write.
const RETRY_FAILED: Duration = Duration::from_secs(5);
/// When to try again what a stopping channel did not take.
const RETRY_CLOSING: Duration = Duration::from_secs(2);

/// Close codes: 1001 is the standard's "going away", 4000 and up are ours.
mod code {
    pub(super) const GOING_AWAY: u16 = 1001;
    pub(super) const DISOWNED: u16 = 4401;
    pub(super) const ABSENT: u16 = 4404;
    pub(super) const CROWDED: u16 = 4429;
}

/// Why a socket ended.
enum End {
    /// The page left, or can't be reached.
    Gone,
    Ours(Ending),
}

/// Tells a page that its channel is not here.
pub(crate) async fn turn_away(ws: WebSocket) {
    let (mut sink, mut stream) = ws.split();
    close(&mut sink, &mut stream, code::ABSENT, "this chat is not open").await;
}

/// Serves a socket until either side ends it.
pub(crate) async fn serve(ws: WebSocket, hub: Arc<Hub>, live: Arc<Live>, visitor: Visitor) {
    let (mut sink, mut stream) = ws.split();
    let serial = hub.next_socket();
    // Open first, read the history then: what is delivered in between waits in the queue.
    let mut end = match live.tabs.open(&visitor, serial) {
        Ok(end) => end,
        Err(crowded) => return close(&mut sink, &mut stream, code::CROWDED, &crowded.to_string()).await,
    };
    let _closer = Closer { live: &live, visitor: &visitor, serial };
    // Settings or the channel itself may have changed while the socket was being opened.
    let outcome = if live.context.drain.is_cancelled() {
        End::Ours(Ending::Stopping)
    } else if Visitor::from_proof(&live.channel, &live.settings(), &visitor.proof).is_none() {
        End::Ours(Ending::Disowned)
    } else {
        talk(&mut sink, &mut stream, &hub, &live, &visitor, &mut end).await
    };
    match outcome {
        End::Ours(Ending::Stopping) => {
            flush(&mut sink, &mut end.queue).await;
            close(&mut sink, &mut stream, code::GOING_AWAY, "this chat is closing").await;
        }
        End::Ours(Ending::Disowned) => {
            close(&mut sink, &mut stream, code::DISOWNED, "your link is no longer valid").await;
        }
        End::Ours(Ending::TooSlow) => tracing::info!(channel = %live.channel, serial, "the reader is too slow"),
        End::Gone => {}
    }
}

/// Takes the socket off the list, however its task ends.
struct Closer<'a> {
    live: &'a Live,
    visitor: &'a Visitor,
    serial: u64,
}

impl Drop for Closer<'_> {
    fn drop(&mut self) {
        self.live.tabs.close(&self.visitor.name, self.serial);
    }
}

type Sink = SplitSink<WebSocket, Frame>;
type Stream = SplitStream<WebSocket>;

async fn talk(
    sink: &mut Sink,
    stream: &mut Stream,
    hub: &Hub,
    live: &Live,
    visitor: &Visitor,
    end: &mut TabEnd,
) -> End {
    let reader = Reader { live, visitor, serial: end.serial, out: end.sender.clone() };
    let writing = async {
        let hello = greeting(hub, live, visitor, end.serial).await;
        write(sink, hello, &mut end.queue).await;
    };
    tokio::select! {
        // In this order: what was accepted is told before a close.
        biased;
        () = reader.read(stream) => End::Gone,
        () = writing => End::Gone,
        why = end.hangup.ended() => End::Ours(why),
    }
}

async fn greeting(hub: &Hub, live: &Live, visitor: &Visitor, socket: u64) -> Utf8Bytes {
    let turns = hub.options.log.turns(&live.conversation(&visitor.name), HISTORY).await;
    let history = turns.into_iter().map(PastTurn::from).collect();
    ToPage::Hello { visitor: &visitor.name, title: &live.settings().title, socket, history }.encode()
}

/// Returns when the page can't be written to.
async fn write(sink: &mut Sink, hello: Utf8Bytes, queue: &mut mpsc::Receiver<Utf8Bytes>) {
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let mut frame = Frame::Text(hello);
    while matches!(timeout(WRITE, sink.send(frame)).await, Ok(Ok(()))) {
        frame = tokio::select! {
            Some(text) = queue.recv() => Frame::Text(text),
            _ = pings.tick() => Frame::Ping(Bytes::new()),
        };
    }
}

async fn flush(sink: &mut Sink, queue: &mut mpsc::Receiver<Utf8Bytes>) {
    let _ = timeout(GOODBYE, async {
        while let Ok(text) = queue.try_recv() {
            if sink.send(Frame::Text(text)).await.is_err() {
                return;
            }
        }
    })
    .await;
}

/// Sends a close frame, and waits for the page's own so that the frame is not lost with the connection.
async fn close(sink: &mut Sink, stream: &mut Stream, code: u16, reason: &str) {
    let frame = Frame::Close(Some(CloseFrame { code, reason: reason.into() }));
    let _ = timeout(GOODBYE, async {
        if sink.send(frame).await.is_ok() {
            while let Some(Ok(_)) = stream.next().await {}
        }
    })
    .await;
}

/// Listens to one page. One message after the other: the next is read when this one is on disk.
struct Reader<'a> {
    live: &'a Live,
    visitor: &'a Visitor,
    serial: u64,
    out: mpsc::Sender<Utf8Bytes>,
}

impl Reader<'_> {
    /// Returns when the page has left.
    async fn read(&self, stream: &mut Stream) {
        let mut rate = Rate::new();
        while let Ok(Some(Ok(frame))) = timeout(GONE_AFTER, stream.next()).await {
            match frame {
                Frame::Text(text) => self.hear(&text, &mut rate).await,
                Frame::Binary(_) => self.refuse(None, "say it in JSON text frames", None).await,
                Frame::Close(_) => return,
                Frame::Ping(_) | Frame::Pong(_) => {}
            }
        }
    }

    async fn hear(&self, text: &str, rate: &mut Rate) {
        if let Err(wait) = rate.take() {
            let id = serde_json::from_str::<FromPage>(text).ok();
            let id = id.as_ref().map(FromPage::id);
            return self.refuse(id, "too many messages at once", Some(wait)).await;
        }
        let said = match serde_json::from_str::<FromPage>(text) {
            Ok(said) => said,
            Err(error) => return self.refuse(None, &format!("this is no message: {error}"), None).await,
        };
        let at = SystemClock.now();
        match self.live.accept(&self.visitor.name, &said, at).await {
            Ok(()) => self.accepted(&said, at).await,
            Err(refusal) => self.refuse(Some(said.id()), &refusal.to_string(), retry(&refusal)).await,
        }
    }

    async fn accepted(&self, said: &FromPage, at: UnixMillis) {
        let own = ToPage::Own { id: said.id(), text: said.text(), at };
        self.live.tabs.send(&self.visitor.name, &own.encode(), Some(self.serial));
        self.say(&ToPage::Accepted { id: said.id(), at }).await;
    }

    async fn refuse(&self, id: Option<&str>, reason: &str, retry: Option<Duration>) {
        let retry_ms = retry.map(|wait| wait.as_millis() as u64);
        self.say(&ToPage::Refused { id, reason, retry_ms }).await;
    }

    async fn say(&self, what: &ToPage<'_>) {
        // It fails when the socket is ending: the page sends again what it was not told of.
        let _ = self.out.send(what.encode()).await;
    }
}

fn retry(refusal: &Refusal) -> Option<Duration> {
    match refusal {
        Refusal::Inbox(InboxError::Full { retry_after }) => Some(*retry_after),
        Refusal::Inbox(InboxError::Failed { .. }) => Some(RETRY_FAILED),
        Refusal::Closing => Some(RETRY_CLOSING),
        Refusal::TooLong | Refusal::Empty | Refusal::Id => None,
    }
}
