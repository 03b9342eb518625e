//! The encrypted stream: frames on a WebSocket, and the handshake that makes their keys.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use whatsapp_rust::wacore::framing::{FrameDecoder, encode_frame};
use whatsapp_rust::wacore::handshake::{NoiseCipher, NoiseHandshake};
use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::consts::{
    NOISE_PATTERN_IK, NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK, WA_CONN_HEADER,
};
use whatsapp_rust::wacore_binary::marshal::{marshal, unmarshal_ref};
use whatsapp_rust::wacore_binary::util::unpack;
use whatsapp_rust::waproto::buffa::{Message as _, MessageField};
use whatsapp_rust::waproto::whatsapp as wa;

use crate::certificate::{Identity, public, rng};
use crate::node;

/// What a device that logs in is told to put before its next handshake, by which the real server finds the nearest edge.
pub(crate) const ROUTING: [u8; 8] = *b"\x08\x0dfake\x00\x05";

/// As patient as the real server.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// The client's half of a stream, before and after the handshake.
pub(crate) struct Reader {
    socket: SplitStream<WebSocketStream<TcpStream>>,
    frames: FrameDecoder,
    begun: bool,
    key: Option<NoiseCipher>,
    count: u32,
}

/// The server's half.
pub(crate) struct Writer {
    socket: SplitSink<WebSocketStream<TcpStream>, Message>,
    key: Option<NoiseCipher>,
    count: u32,
}

/// What a client said of itself while shaking hands.
pub(crate) struct Hello {
    pub(crate) pattern: &'static str,
    /// The client's static Noise key.
    pub(crate) noise: [u8; 32],
    pub(crate) payload: wa::ClientPayload,
}

/// Shakes hands: XX with a stranger, IK with a client that knows the server's key, XXfallback where it knew another.
pub(crate) async fn shake(
    socket: WebSocketStream<TcpStream>,
    server: &Identity,
) -> anyhow::Result<(Hello, Reader, Writer)> {
    let (sink, stream) = socket.split();
    let mut writer = Writer { socket: sink, key: None, count: 0 };
    let mut reader = Reader { socket: stream, frames: FrameDecoder::new(), begun: false, key: None, count: 0 };
    let hello = tokio::time::timeout(HANDSHAKE, exchange(&mut reader, &mut writer, server)).await;
    let (hello, noise) = hello.context("the handshake took too long")??;
    // What the initiator writes with is what the server reads with.
    let (read, write) = noise.finish()?;
    reader.key = Some(read);
    writer.key = Some(write);
    Ok((hello, reader, writer))
}

async fn exchange(r: &mut Reader, w: &mut Writer, server: &Identity) -> anyhow::Result<(Hello, NoiseHandshake)> {
    let hello = wa::HandshakeMessage::decode_from_slice(&r.frame().await?)?;
    let hello = hello.client_hello.into_option().context("no client hello")?;
    let theirs: [u8; 32] = hello.ephemeral.unwrap_or_default().try_into().ok().context("a bad ephemeral key")?;
    let ours = KeyPair::generate(&mut rng());
    let mut pattern = NOISE_PATTERN_XX;
    if let (Some(sealed), Some(payload)) = (hello.r#static, hello.payload) {
        if let Ok((noise, key, payload, answer)) = known(server, &ours, &theirs, &sealed, &payload) {
            w.frame(&server_hello(&ours, None, answer)).await?;
            let payload = wa::ClientPayload::decode_from_slice(&payload)?;
            return Ok((Hello { pattern: "IK", noise: key, payload }, noise));
        }
        pattern = NOISE_PATTERN_XXFALLBACK;
    }
    let mut noise = NoiseHandshake::new(pattern, &WA_CONN_HEADER)?;
    noise.authenticate(&theirs);
    noise.authenticate(&public(&ours));
    noise.mix_shared_secret(ours.private_key.serialize(), &theirs)?;
    let sealed = noise.encrypt(&public(&server.key))?;
    noise.mix_shared_secret(server.key.private_key.serialize(), &theirs)?;
    let chain = noise.encrypt(&server.chain)?;
    w.frame(&server_hello(&ours, Some(sealed), chain)).await?;
    let finish = wa::HandshakeMessage::decode_from_slice(&r.frame().await?)?;
    let finish = finish.client_finish.into_option().context("no client finish")?;
    let key = noise.decrypt(&finish.r#static.unwrap_or_default())?;
    noise.mix_shared_secret(ours.private_key.serialize(), &key)?;
    let payload = noise.decrypt(&finish.payload.unwrap_or_default())?;
    let payload = wa::ClientPayload::decode_from_slice(&payload)?;
    let noise_key = key.try_into().ok().context("a bad static key")?;
    let pattern = if pattern == NOISE_PATTERN_XX { "XX" } else { "XXfallback" };
    Ok((Hello { pattern, noise: noise_key, payload }, noise))
}

type Known = (NoiseHandshake, [u8; 32], Vec<u8>, Vec<u8>);

/// IK: the client has sealed its first words for the server's key already.
fn known(server: &Identity, ours: &KeyPair, theirs: &[u8; 32], sealed: &[u8], payload: &[u8]) -> anyhow::Result<Known> {
    let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &WA_CONN_HEADER)?;
    noise.authenticate(&public(&server.key));
    noise.authenticate(theirs);
    noise.mix_shared_secret(server.key.private_key.serialize(), theirs)?;
    let key = noise.decrypt(sealed)?;
    noise.mix_shared_secret(server.key.private_key.serialize(), &key)?;
    let payload = noise.decrypt(payload)?;
    noise.authenticate(&public(ours));
    noise.mix_shared_secret(ours.private_key.serialize(), theirs)?;
    noise.mix_shared_secret(ours.private_key.serialize(), &key)?;
    let answer = noise.encrypt(&server.chain)?;
    let key = key.try_into().ok().context("a bad static key")?;
    Ok((noise, key, payload, answer))
}

fn server_hello(ours: &KeyPair, sealed: Option<Vec<u8>>, payload: Vec<u8>) -> Vec<u8> {
    let hello = wa::handshake_message::ServerHello {
        ephemeral: Some(public(ours).to_vec()),
        r#static: sealed,
        payload: Some(payload),
        ..Default::default()
    };
    wa::HandshakeMessage { server_hello: MessageField::some(hello), ..Default::default() }.encode_to_vec()
}

impl Reader {
    /// The next stanza.
    pub(crate) async fn stanza(&mut self) -> anyhow::Result<Node> {
        let mut frame = self.frame().await?;
        let key = self.key.as_ref().context("not before the handshake")?;
        key.decrypt_in_place_with_counter(self.count, &mut frame)?;
        self.count += 1;
        Ok(unmarshal_ref(&unpack(&frame)?)?.to_owned())
    }

    /// Reads until the client has closed, and heeds nothing of it.
    pub(crate) async fn drain(&mut self) {
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    async fn frame(&mut self) -> anyhow::Result<Vec<u8>> {
        loop {
            if let Some(frame) = self.frames.decode_frame() {
                return Ok(frame.to_vec());
            }
            match self.socket.next().await.context("the client is gone")?? {
                Message::Binary(bytes) => self.feed(&bytes)?,
                Message::Close(_) => bail!("the client closed"),
                Message::Text(_) => bail!("text on a binary stream"),
                _ => {}
            }
        }
    }

    /// The first bytes of a stream are the header, after the hint for the edge, if there is one.
    fn feed(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        if !self.begun {
            self.begun = true;
            if bytes.starts_with(b"ED\x00\x01") {
                let length = node::number(bytes.get(4..7).context("half an edge hint")?) as usize;
                let hint = bytes.get(7..7 + length).context("half an edge hint")?;
                ensure!(hint == ROUTING, "an edge hint that nobody gave");
                bytes = &bytes[7 + length..];
            }
            bytes = bytes.strip_prefix(&WA_CONN_HEADER[..]).context("not a WhatsApp header of this version")?;
        }
        self.frames.feed(bytes);
        Ok(())
    }
}

impl Writer {
    pub(crate) async fn stanza(&mut self, node: &Node) -> anyhow::Result<()> {
        let key = self.key.as_ref().context("not before the handshake")?;
        let sealed = key.encrypt_with_counter(self.count, &marshal(node)?)?;
        self.count += 1;
        self.frame(&sealed).await
    }

    pub(crate) async fn close(&mut self) {
        let _ = self.socket.close().await;
    }

    async fn frame(&mut self, payload: &[u8]) -> anyhow::Result<()> {
        self.socket.send(Message::Binary(encode_frame(payload, None)?.into())).await?;
        Ok(())
    }
}
