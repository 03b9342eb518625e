//! A page of the web chat that behaves as the shipped one does: it connects again, and sends again what the host has not
//! said to be on disk. What it was shown is the ledger of the web chat.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::ledger::ECHO;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A new message this often.
const EVERY: Duration = Duration::from_millis(200);
/// What is not accepted after so long is sent again.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two tries to connect.
const RECONNECT: Duration = Duration::from_millis(50);
/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(5);

pub(crate) struct Page {
    seen: Arc<Mutex<Seen>>,
    _task: AbortOnDropHandle<()>,
}

/// What the page has said and was shown.
#[derive(Default)]
struct Seen {
    said: usize,
    /// Not said to be on disk yet, with when it was last sent.
    open: BTreeMap<usize, Instant>,
    /// The deliveries that brought an answer: one that comes again under its own id is one.
    answers: HashMap<String, HashSet<String>>,
    /// How often an answer is in the history.
    past: HashMap<String, usize>,
}

/// What became of what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) count: usize,
    /// Without the answer of the model.
    pub(crate) unanswered: usize,
    /// Answers too many.
    pub(crate) doubled: usize,
}

impl Page {
    pub(crate) fn open(port: u16, stop: CancellationToken) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn(live(port, stop, seen.clone()));
        Self { seen, _task: AbortOnDropHandle::new(task) }
    }

    pub(crate) fn said(&self) -> Said {
        let seen = lock(&self.seen);
        let copies = |n: usize| {
            let answer = answer(n);
            let shown = seen.answers.get(&answer).map_or(0, HashSet::len);
            shown.max(seen.past.get(&answer).copied().unwrap_or_default())
        };
        let unanswered = (0..seen.said).filter(|n| copies(*n) == 0).count();
        let doubled = (0..seen.said).map(|n| copies(n).saturating_sub(1)).sum();
        Said { count: seen.said, unanswered, doubled }
    }
}

fn text(n: usize) -> String {
    format!("w{n}")
}

fn answer(n: usize) -> String {
    format!("{ECHO}{}", text(n))
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("nobody panics with it")
}

/// One socket after the other, until the page is closed.
async fn live(port: u16, stop: CancellationToken, seen: Arc<Mutex<Seen>>) {
    let mut cookie = None;
    loop {
        let connecting = tokio::time::timeout(HANDSHAKE, connect(port, &mut cookie));
        if let Ok(Some(socket)) = connecting.await {
            lock(&seen).open.values_mut().for_each(|sent| *sent = Instant::now() - AGAIN);
            talk(socket, &stop, &seen).await;
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn connect(port: u16, cookie: &mut Option<String>) -> Option<Socket> {
    let mut request = format!("ws://127.0.0.1:{port}/chat/page/socket").into_client_request().ok()?;
    if let Some(cookie) = cookie {
        request.headers_mut().insert("cookie", cookie.parse().ok()?);
    }
    let (socket, answer) = tokio_tungstenite::connect_async(request).await.ok()?;
    let named = answer.headers().get("set-cookie").and_then(|c| c.to_str().ok()?.split(';').next());
    if let Some(named) = named {
        *cookie = Some(named.to_owned());
    }
    Some(socket)
}

/// Until the socket ends.
async fn talk(mut socket: Socket, stop: &CancellationToken, seen: &Mutex<Seen>) {
    let mut pace = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => hear(&text, seen),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            _ = pace.tick() => {
                for n in due(seen, !stop.is_cancelled()) {
                    let frame = json!({ "type": "send", "id": format!("w-{n}"), "text": text(n) }).to_string();
                    if socket.send(Message::text(frame)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// What is to be sent now. As many at once as the host takes from one socket.
fn due(seen: &Mutex<Seen>, more: bool) -> Vec<usize> {
    let mut seen = lock(seen);
    if more {
        let n = seen.said;
        seen.said += 1;
        seen.open.insert(n, Instant::now() - AGAIN);
    }
    let mut due = Vec::new();
    for (n, sent) in seen.open.iter_mut().filter(|(_, sent)| sent.elapsed() >= AGAIN).take(3) {
        *sent = Instant::now();
        due.push(*n);
    }
    due
}

fn hear(frame: &str, seen: &Mutex<Seen>) {
    let frame: Value = serde_json::from_str(frame).expect("frames are JSON");
    let mut seen = lock(seen);
    match frame["type"].as_str() {
        Some("accepted") => {
            let n = frame["id"].as_str().and_then(|id| id.strip_prefix("w-")?.parse().ok());
            seen.open.remove(&n.expect("the id is ours"));
        }
        Some("message") => {
            let id = frame["id"].as_str().expect("a message has an id").to_owned();
            let text = frame["text"].as_str().expect("a message has a text").to_owned();
            seen.answers.entry(text).or_default().insert(id);
        }
        Some("hello") => {
            let turns = frame["history"].as_array().into_iter().flatten();
            let mut now = HashMap::new();
            for turn in turns.filter(|turn| turn["from"] == "host") {
                *now.entry(turn["text"].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
            }
            for (text, count) in now {
                let past = seen.past.entry(text).or_insert(0);
                *past = count.max(*past);
            }
        }
        _ => {}
    }
}
