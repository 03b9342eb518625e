//! Reading and making stanzas.

use anyhow::Context;
use rand::RngExt;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node, NodeContent};

use crate::certificate::{now, rng};

/// The server, as a sender.
pub(crate) fn server() -> Jid {
    "s.whatsapp.net".parse().expect("the server's name is a jid")
}

/// An id for what the server starts.
pub(crate) fn id(prefix: &str) -> String {
    format!("{prefix}{:016X}", rng().random::<u64>())
}

/// An attribute as text; empty if it is missing.
pub(crate) fn attr(node: &Node, name: &str) -> String {
    node.attrs.get(name).map(|value| value.as_str().into_owned()).unwrap_or_default()
}

/// An attribute that has to be somebody.
pub(crate) fn jid(node: &Node, name: &str) -> anyhow::Result<Jid> {
    let value = node.attrs.get(name).and_then(|value| value.to_jid());
    value.with_context(|| format!("<{}> without a jid in {name}", node.tag))
}

/// A child that has to be there.
pub(crate) fn child<'a>(node: &'a Node, tag: &'static str) -> anyhow::Result<&'a Node> {
    node.get_optional_child(tag).with_context(|| format!("<{}> without <{tag}>", node.tag))
}

pub(crate) fn bytes(node: &Node) -> &[u8] {
    match &node.content {
        Some(NodeContent::Bytes(bytes)) => bytes,
        _ => &[],
    }
}

/// The bytes of a child that has to be there.
pub(crate) fn child_bytes(node: &Node, tag: &'static str) -> anyhow::Result<Vec<u8>> {
    Ok(bytes(child(node, tag)?).to_vec())
}

/// A number, the first byte the highest.
pub(crate) fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
}

/// `<tag>bytes</tag>`
pub(crate) fn leaf(tag: &'static str, bytes: impl Into<Vec<u8>>) -> Node {
    NodeBuilder::new(tag).bytes(bytes).build()
}

pub(crate) fn result(id: &str, body: impl IntoIterator<Item = Node>) -> Node {
    let iq = NodeBuilder::new("iq").attr("from", server()).attr("type", "result").attr("id", id.to_owned());
    iq.children(body).build()
}

pub(crate) fn refusal(id: &str, code: u16, text: &str) -> Node {
    let error = NodeBuilder::new("error").attr("code", code.to_string()).attr("text", text.to_owned()).build();
    let iq = NodeBuilder::new("iq").attr("from", server()).attr("type", "error").attr("id", id.to_owned());
    iq.children([error]).build()
}

/// A request of the server's.
pub(crate) fn request(xmlns: &'static str, body: Node) -> Node {
    let iq = NodeBuilder::new("iq").attr("from", server()).attr("type", "set").attr("id", id("S"));
    iq.attr("xmlns", xmlns).children([body]).build()
}

pub(crate) fn stream_error(code: &str, conflict: Option<&str>) -> Node {
    let error = NodeBuilder::new("stream:error").attr("code", code.to_owned());
    let conflict = conflict.map(|kind| NodeBuilder::new("conflict").attr("type", kind.to_owned()).build());
    error.children(conflict).build()
}

pub(crate) fn notification(kind: &'static str, body: Node) -> Node {
    let node = NodeBuilder::new("notification").attr("from", server()).attr("type", kind).attr("id", id("N"));
    node.attr("t", now().to_string()).children([body]).build()
}

/// `<ib>…</ib>`
pub(crate) fn info(body: Node) -> Node {
    NodeBuilder::new("ib").attr("from", server()).children([body]).build()
}
