//! One client's connection, from its first byte to its last.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::buffa::Message as _;
use whatsapp_rust::waproto::whatsapp as wa;

use crate::certificate::now;
use crate::fault::Refusal;
use crate::node::{attr, child_bytes, leaf};
use crate::noise::{self, Hello, Reader, Writer, shake};
use crate::world::{Out, Shared, Socket, World};
use crate::{iq, message, node, pairing, receipt};

/// What the server has to say and a client does not take: far above any burst of a test.
const UNREAD: usize = 8192;

pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("accepting a client")?;
        let _ = stream.set_nodelay(true);
        if shared.world().outage {
            continue;
        }
        let shared = shared.clone();
        tokio::spawn(async move {
            let id = next(&shared);
            let ended = serve(stream, id, &shared).await;
            let mut world = shared.world();
            let account = world.sockets.get(&id).and_then(|socket| socket.account.clone());
            world.cut(id);
            world.sockets.remove(&id);
            let why = ended.err().map(|error| format!("{error:#}"));
            world.ledger.add("closed", json!({ "connection": id, "account": account, "why": why }));
            drop(world);
            shared.ring();
        });
    }
}

fn next(shared: &Shared) -> u64 {
    let mut world = shared.world();
    world.connections += 1;
    world.connections
}

/// How long a client may take to close its side of a connection that the fake has closed.
const LINGER: Duration = Duration::from_secs(1);

async fn serve(stream: TcpStream, id: u64, shared: &Arc<Shared>) -> anyhow::Result<()> {
    let socket = tokio_tungstenite::accept_async(stream).await?;
    let (hello, mut reader, writer) = shake(socket, &shared.identity).await?;
    let (out, said) = mpsc::channel(UNREAD);
    let cut = CancellationToken::new();
    greet(shared, id, &hello, out, cut.clone())?;
    shared.ring();
    tokio::select! {
        () = cut.cancelled() => anyhow::bail!("cut by the fake"),
        ended = listen(&mut reader, id, shared) => return ended,
        ended = speak(writer, said, id, shared) => ended?,
    }
    // A socket that is closed with something unread takes back what was said last, as the reason for the end.
    let _ = tokio::time::timeout(LINGER, reader.drain()).await;
    anyhow::bail!("closed by the fake")
}

async fn listen(reader: &mut Reader, id: u64, shared: &Shared) -> anyhow::Result<()> {
    loop {
        let stanza = reader.stanza().await?;
        let mut world = shared.world();
        let account = world.sockets.get(&id).context("closed")?.account.clone();
        if account.as_ref().and_then(|a| world.accounts.get(a)).is_some_and(|account| account.faults.silent) {
            continue;
        }
        if let Err(wrong) = hear(&mut world, id, account.as_deref(), &stanza) {
            world.ledger.violation(account.as_deref(), format_args!("<{}>: {wrong:#}", stanza.tag));
        }
        drop(world);
        shared.ring();
    }
}

async fn speak(mut writer: Writer, mut said: mpsc::Receiver<Out>, id: u64, shared: &Shared) -> anyhow::Result<()> {
    while let Some(out) = said.recv().await {
        let slow = {
            let world = shared.world();
            let account = world.sockets.get(&id).and_then(|socket| socket.account.as_ref());
            account.and_then(|number| world.accounts.get(number)).map_or(0, |account| account.faults.slow_ms)
        };
        if slow > 0 {
            tokio::time::sleep(Duration::from_millis(slow)).await;
        }
        match out {
            Out::Node(node) => writer.stanza(&node).await?,
            Out::Close => {
                writer.close().await;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A client that has a username logs in; one that has not wants to be linked.
fn greet(
    shared: &Shared,
    id: u64,
    hello: &Hello,
    out: mpsc::Sender<Out>,
    cut: CancellationToken,
) -> anyhow::Result<()> {
    let mut world = shared.world();
    let payload = &hello.payload;
    let pairing = payload.device_pairing_data.as_option();
    let props = pairing.and_then(|data| data.device_props.as_ref());
    let props = props.and_then(|bytes| wa::DeviceProps::decode_from_slice(bytes).ok()).unwrap_or_default();
    let socket = Socket {
        out,
        cut,
        account: None,
        noise: hello.noise,
        identity: Vec::new(),
        name: props.os.unwrap_or_default(),
        refs: None,
        pairing: None,
        demand: None,
    };
    let registered = payload.username.is_some();
    let told = json!({
        "connection": id, "pattern": hello.pattern, "registered": registered, "name": socket.name,
        "username": payload.username.map(|number| number.to_string()), "device": payload.device,
    });
    world.ledger.add("handshake", told);
    world.sockets.insert(id, socket);
    if is_too_old(&world, payload) {
        return refuse(&mut world, id, &Refusal::too_old());
    }
    match payload.username {
        Some(number) => login(&mut world, id, &number.to_string(), payload.device.unwrap_or_default(), hello.noise),
        None => {
            let identity = pairing::registration(pairing.context("neither a login nor a registration")?)?;
            pairing::offer(&mut world, id, identity)
        }
    }
}

fn is_too_old(world: &World, payload: &wa::ClientPayload) -> bool {
    let version = payload.user_agent.as_option().and_then(|agent| agent.app_version.as_option());
    let part = |part: Option<u32>| part.unwrap_or_default();
    let version = version.map(|v| (part(v.primary), part(v.secondary), part(v.tertiary))).unwrap_or_default();
    world.oldest.is_some_and(|oldest| version < oldest)
}

fn refuse(world: &mut World, id: u64, refusal: &Refusal) -> anyhow::Result<()> {
    world.say(id, refusal.node());
    world.close(id);
    world.ledger.add("refused", json!({ "connection": id, "refusal": refusal }));
    Ok(())
}

fn login(world: &mut World, id: u64, number: &str, device: u32, noise: [u8; 32]) -> anyhow::Result<()> {
    let Ok(account) = world.account(number) else { return refuse(world, id, &Refusal::removed()) };
    if let Some(refusal) = account.faults.refusal() {
        return refuse(world, id, &refusal);
    }
    let linked = account.device.as_mut().filter(|linked| u32::from(linked.id) == device);
    // A device that was seeded shows its key with its first login.
    let linked = linked.map(|linked| (linked.id, *linked.noise.get_or_insert(noise)));
    let Some((linked, _)) = linked.filter(|(_, known)| *known == noise) else {
        return refuse(world, id, &Refusal::removed());
    };
    let (_, lid) = account.device_jids(linked);
    account.resumed = false;
    account.faults.deaf = false;
    account.keys_shared = false;
    let before = account.socket.replace(id);
    if let Some(before) = before {
        world.say(before, node::stream_error("409", Some("replaced")));
        world.close(before);
    }
    if let Some(socket) = world.sockets.get_mut(&id) {
        socket.account = Some(number.to_owned());
    }
    let success = NodeBuilder::new("success").attr("t", now().to_string()).attr("props", "31");
    let success = success.attr("companion_enc_static", "").attr("abprops", "0").attr("group_abprops", "0");
    let success = success.attr("location", "fake").attr("lid", lid).attr("creation", now().to_string());
    world.say(id, success.build());
    let routing = leaf("routing_info", noise::ROUTING);
    world.say(id, node::info(NodeBuilder::new("edge_routing").children([routing]).build()));
    world.ledger.add("login", json!({ "account": number, "device": device, "connection": id }));
    Ok(())
}

fn hear(world: &mut World, id: u64, account: Option<&str>, stanza: &Node) -> anyhow::Result<()> {
    let kind = attr(stanza, "type");
    match (stanza.tag.as_ref(), account) {
        ("iq", _) if kind == "result" || kind == "error" => match stanza.get_optional_child("pair-device-sign") {
            Some(sign) => pairing::signed(world, id, &child_bytes(sign, "device-identity")?),
            None => Ok(()),
        },
        ("iq", _) => iq::answer(world, id, account, stanza),
        // A device that is being linked acknowledges what its phone tells it, and may say which session of its user it is.
        ("ack" | "ib", None) => Ok(()),
        (tag, None) => anyhow::bail!("<{tag}> from a device that is not logged in"),
        ("message", Some(account)) => message::sent(world, id, account, stanza),
        ("receipt", Some(account)) => receipt::receipt(world, id, account, stanza),
        ("ack", Some(account)) => receipt::ack(world, account, stanza),
        ("presence" | "chatstate", Some(account)) => receipt::shown(world, account, stanza),
        ("ib", Some(account)) => crate::delivery::batch(world, id, account, stanza),
        ("notification" | "call", Some(_)) => Ok(()),
        (tag, _) => anyhow::bail!("a stanza <{tag}> that nobody knows"),
    }
}
