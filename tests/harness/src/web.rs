//! A visitor of the web chat.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// One open page.
pub struct Visitor {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What the server said first: who we are, and what was said before.
    pub hello: Value,
    /// What names the visitor from now on, where the server has just named them.
    pub cookie: Option<String>,
}

impl Visitor {
    pub async fn open(port: u16, channel: &str) -> Self {
        Self::open_with(port, channel, None).await
    }

    /// With the cookie that names the visitor.
    pub async fn open_with(port: u16, channel: &str, cookie: Option<&str>) -> Self {
        let mut request =
            format!("ws://127.0.0.1:{port}/chat/{channel}/socket").into_client_request().expect("a good address");
        if let Some(cookie) = cookie {
            request.headers_mut().insert("cookie", cookie.parse().expect("a good cookie"));
        }
        let (socket, answer) = tokio_tungstenite::connect_async(request).await.expect("the socket opens");
        let cookie = answer.headers().get("set-cookie").and_then(|c| c.to_str().ok()?.split(';').next());
        let mut visitor = Self { socket, hello: Value::Null, cookie: cookie.map(str::to_owned) };
        visitor.hello = visitor.next("hello").await;
        visitor
    }

    pub async fn say(&mut self, id: &str, text: &str) {
        let message = json!({ "type": "send", "id": id, "text": text }).to_string();
        self.socket.send(Message::text(message)).await.expect("the socket is open");
    }

    /// The next thing of that type; others are passed over.
    pub async fn next(&mut self, kind: &str) -> Value {
        let limit = std::time::Duration::from_secs(40);
        let wait = async {
            loop {
                let frame = self.socket.next().await.expect("the socket stays open").expect("a good frame");
                let Message::Text(text) = frame else { continue };
                let value: Value = serde_json::from_str(&text).expect("frames are JSON");
                if value["type"] == kind {
                    return value;
                }
            }
        };
        tokio::time::timeout(limit, wait).await.unwrap_or_else(|_| panic!("no `{kind}` came"))
    }

    /// Says something and gives the answer.
    pub async fn ask(&mut self, id: &str, text: &str) -> String {
        self.say(id, text).await;
        self.next("message").await["text"].as_str().expect("an answer has a text").to_owned()
    }
}
