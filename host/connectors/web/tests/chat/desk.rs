//! A running web channel on loopback, with an inbox and a history that tests hold.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use switchhook_core::action::Action;
use switchhook_core::connector::{Connector, ConnectorContext, ConnectorError, Delivery};
use switchhook_core::connector::{Inbox, InboxError, StatusReporter};
use switchhook_core::id::{ChannelName, OutboxId};
use switchhook_core::kind::{ChannelSettings, ConnectorKind, KeyValue};
use switchhook_core::message::{Conversation, Inbound};
use switchhook_core::origin::OwnNames;
use switchhook_core::time::SystemClock;
use switchhook_web::{ChatLog, Hub, HubOptions, LoggedTurn, WebKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tokio_util::sync::CancellationToken;

/// What a test waits for comes at once or never.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const ALICE: &str = "alices-secret-0123456789/+";

#[derive(Default)]
pub(crate) struct FakeLog(pub(crate) Mutex<Vec<LoggedTurn>>);

#[async_trait]
impl ChatLog for FakeLog {
    async fn turns(&self, conversation: &Conversation, _max: u32) -> Vec<LoggedTurn> {
        assert_eq!(conversation.account.as_str(), "web:desk");
        self.0.lock().unwrap().clone()
    }
}

/// Keeps what arrives, holds it back while `open` is false, and answers with the errors it was given.
pub(crate) struct FakeInbox {
    pub(crate) open: watch::Sender<bool>,
    pub(crate) errors: Mutex<VecDeque<InboxError>>,
    pub(crate) entered: watch::Sender<usize>,
    pub(crate) kept: Mutex<Vec<Inbound>>,
}

#[async_trait]
impl Inbox for FakeInbox {
    async fn accept(&self, batch: Vec<Inbound>) -> Result<(), InboxError> {
        self.entered.send_modify(|n| *n += 1);
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open).await.unwrap();
        if let Some(error) = self.errors.lock().unwrap().pop_front() {
            return Err(error);
        }
        self.kept.lock().unwrap().extend(batch);
        Ok(())
    }
}

pub(crate) struct Desk {
    pub(crate) hub: Arc<Hub>,
    pub(crate) log: Arc<FakeLog>,
    pub(crate) inbox: Arc<FakeInbox>,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) status: StatusReporter,
    pub(crate) drain: CancellationToken,
    pub(crate) run: JoinHandle<Result<(), ConnectorError>>,
    pub(crate) address: SocketAddr,
}

pub(crate) fn channel() -> ChannelName {
    ChannelName::new("desk").unwrap()
}

pub(crate) fn settings(title: &str, visitors: &[(&str, &str)]) -> ChannelSettings {
    let visitors = visitors.iter().map(|(name, secret)| ((*name).to_owned(), (*secret).into())).collect();
    let values = BTreeMap::from([
        ("title".to_owned(), KeyValue::Text(title.to_owned())),
        ("visitors".to_owned(), KeyValue::Secrets(visitors)),
    ]);
    ChannelSettings { name: channel(), values }
}

impl Desk {
    pub(crate) async fn open() -> Self {
        let log = Arc::new(FakeLog::default());
        let hub = Hub::new(HubOptions {
            cookie_key: [3; 32],
            log: Arc::clone(&log) as Arc<dyn ChatLog>,
            names: OwnNames::new(Ipv4Addr::LOCALHOST.into(), &["chat.example.com".to_owned()]),
        });
        let built = WebKind::new(Arc::clone(&hub)).build(settings("Front desk", &[("alice", ALICE)])).unwrap();
        assert_eq!(built.account.as_str(), "web:desk");
        let inbox = Arc::new(FakeInbox {
            open: watch::Sender::new(true),
            errors: Mutex::default(),
            entered: watch::Sender::new(0),
            kept: Mutex::default(),
        });
        let status = StatusReporter::new(Arc::new(SystemClock));
        let drain = CancellationToken::new();
        let context = ConnectorContext { inbox: inbox.clone(), status: status.clone(), drain: drain.clone() };
        let connector = Arc::clone(&built.connector);
        let mut up = status.subscribe();
        let run = tokio::spawn(async move { connector.run(context).await });
        up.wait_for(|status| status.connections == 1).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = hub.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { hub, log, inbox, connector: built.connector, status, drain, run, address }
    }

    /// A GET as a browser would make it; the answer's head and body.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Opens a socket; the cookie is the one given or the one that came back.
    pub(crate) async fn try_socket(&self, name: &str, headers: &[(&str, &str)]) -> Result<Page, Error> {
        let mut request = format!("ws://{}/chat/{name}/socket", self.address).into_client_request()?;
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let (socket, response) = connect_async(request).await?;
        let cookie = response.headers().get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
        Ok(Page { socket, cookie })
    }

    /// A socket that has said hello.
    pub(crate) async fn socket(&self, cookie: Option<&str>) -> (Page, Value) {
        let headers: Vec<_> = cookie.map(|cookie| ("cookie", cookie)).into_iter().collect();
        let mut page = self.try_socket("desk", &headers).await.unwrap();
        let hello = page.next().await;
        assert_eq!(hello["type"], "hello");
        (page, hello)
    }

    /// The cookie that alice's link gives.
    pub(crate) async fn alice(&self) -> String {
        let answer = self.get(&format!("/chat/desk/login/{ALICE}"), &[]).await;
        cookie_of(&answer).expect("a login sets a cookie").to_owned()
    }

    pub(crate) async fn deliver(&self, id: i64, chat: &str, action: Action) {
        let delivery = delivery(id, chat, action);
        self.connector.deliver(&delivery).await.unwrap();
    }

    /// Waits for `run` to return, as it must after a drain.
    pub(crate) async fn until_absent(&mut self) {
        tokio::time::timeout(PATIENCE, &mut self.run).await.expect("run returns").unwrap().unwrap();
    }

    pub(crate) async fn until_connections(&self, wanted: usize) {
        let here = async {
            while self.hub.connections(&channel()) != wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, here).await.expect("the number of sockets");
    }
}

pub(crate) fn delivery(id: i64, chat: &str, action: Action) -> Delivery {
    Delivery {
        id: OutboxId(id),
        attempt: 1,
        chat: chat.to_owned(),
        thread: None,
        action,
        answers: Some("q-1".to_owned()),
        idempotency_key: format!("key-{id}"),
    }
}

/// The `name=value` of the `Set-Cookie` header in an answer.
pub(crate) fn cookie_of(answer: &str) -> Option<&str> {
    let line = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "))?;
    line.split(';').next()
}

/// The page's end of a socket.
pub(crate) struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) cookie: Option<String>,
}

impl Page {
    pub(crate) fn cookie_pair(&self) -> &str {
        self.cookie.as_deref().and_then(|cookie| cookie.split(';').next()).expect("a newcomer gets a cookie")
    }
    pub(crate) async fn say(&mut self, what: Value) {
        self.socket.send(Frame::text(what.to_string())).await.unwrap();
    }
    pub(crate) async fn send(&mut self, id: &str, text: &str) {
        self.say(json!({ "type": "send", "id": id, "text": text })).await;
    }
    async fn frame(&mut self) -> Option<Frame> {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a frame") {
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                Some(Ok(frame)) => return Some(frame),
                Some(Err(_)) | None => return None,
            }
        }
    }
    pub(crate) async fn next(&mut self) -> Value {
        match self.frame().await {
            Some(Frame::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected a text, got {other:?}"),
        }
    }
    pub(crate) async fn close_code(&mut self) -> u16 {
        match self.frame().await {
            Some(Frame::Close(Some(frame))) => frame.code.into(),
            other => panic!("expected a close frame, got {other:?}"),
        }
    }
}
