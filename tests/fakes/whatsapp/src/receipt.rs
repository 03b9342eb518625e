//! Receipts and acknowledgements, both ways, and what a device shows of itself.

use anyhow::Context;
use serde_json::json;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use crate::account::{Pending, What};
use crate::certificate::now;
use crate::delivery;
use crate::node::{attr, jid};
use crate::world::World;

/// What a receipt tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Delivered,
    Read,
    Played,
}

/// The device tells that it got, read or could not read messages.
pub(crate) fn receipt(world: &mut World, socket: u64, account: &str, node: &Node) -> anyhow::Result<()> {
    let (id, kind) = (attr(node, "id"), attr(node, "type"));
    let to = jid(node, "to")?;
    let ack = NodeBuilder::new("ack").attr("class", "receipt").attr("id", id.clone()).attr("from", &to);
    world.say(socket, if kind.is_empty() { ack.build() } else { ack.attr("type", kind.clone()).build() });
    let mut ids = vec![id.clone()];
    if let Some(list) = node.get_optional_child("list") {
        ids.extend(list.get_children_by_tag("item").map(|item| attr(item, "id")));
    }
    if kind == "retry" {
        world.ledger.add("retry", json!({ "account": account, "id": id, "to": to.to_string() }));
        return delivery::again(world, account, &id);
    }
    let owner = world.account(account)?;
    ids.iter().for_each(|id| {
        owner.acknowledge(id);
    });
    let kind = if kind.is_empty() { "delivered".to_owned() } else { kind };
    let chat = world.person(&to.user).map_or_else(|| to.user.to_string(), |person| person.number.clone());
    for id in ids {
        world.ledger.add("receipt", json!({ "account": account, "id": id, "kind": kind, "chat": chat }));
    }
    Ok(())
}

/// The device acknowledges a stanza.
pub(crate) fn ack(world: &mut World, account: &str, node: &Node) -> anyhow::Result<()> {
    let id = attr(node, "id");
    let owner = world.account(account)?;
    match attr(node, "class").as_str() {
        "message" if owner.acknowledge(&id) => world.ledger.add("acked", json!({ "account": account, "id": id })),
        "receipt" => {
            let (kind, from) = (attr(node, "type"), attr(node, "to"));
            anyhow::ensure!(
                owner.acknowledge_receipt(&id, &kind, &from),
                "an ack for a receipt that nobody told: {id}"
            );
        }
        _ => {}
    }
    Ok(())
}

/// Presence and typing.
pub(crate) fn shown(world: &mut World, account: &str, node: &Node) -> anyhow::Result<()> {
    let first = node.children().and_then(|children| children.first()).map(|child| child.tag.to_string());
    if node.tag == "chatstate" {
        let to = jid(node, "to")?;
        let state = first.context("a chat state without one")?;
        let chat = world.person(&to.user).map_or_else(|| to.user.to_string(), |person| person.number.clone());
        world.ledger.add("typing", json!({ "account": account, "chat": chat, "state": state }));
    } else {
        world.ledger.add("presence", json!({ "account": account, "state": attr(node, "type") }));
    }
    Ok(())
}

/// Somebody got or read what the account sent, directly or in a group. It waits for the device like what people write.
pub(crate) fn by_person(
    world: &mut World,
    account: &str,
    person: &str,
    group: Option<&str>,
    ids: &[String],
    kind: Kind,
) -> anyhow::Result<()> {
    let person = world.person(person).with_context(|| format!("there is nobody {person}"))?;
    let who = person.lid_jid();
    let number = person.number.clone();
    let (first, rest) = ids.split_first().context("a receipt for nothing")?;
    let node = NodeBuilder::new("receipt").attr("id", first.clone()).attr("t", now().to_string());
    let node = match group {
        Some(group) => {
            let group = world.groups.get(group).context("there is no such group")?;
            node.attr("from", group.jid()).attr("participant", who)
        }
        None => node.attr("from", who),
    };
    let node = match kind {
        Kind::Delivered => node,
        Kind::Read => node.attr("type", "read"),
        Kind::Played => node.attr("type", "played"),
    };
    let items = rest.iter().map(|id| NodeBuilder::new("item").attr("id", id.clone()).build());
    let list = (!rest.is_empty()).then(|| NodeBuilder::new("list").children(items).build());
    let group = group.and_then(|group| world.groups.get(group)).map(|group| group.jid());
    let node = node.children(list).build();
    let pending = Pending { id: first.clone(), from: number, group, what: What::Receipt, node, sent_on: None };
    world.account(account)?.device.as_ref().context("no device is linked")?;
    delivery::queue(world, account, pending)
}
