//! From people to the device: encrypted, queued until it is acknowledged, and sent again after a reconnect.

use anyhow::Context;
use serde_json::json;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};
use whatsapp_rust::waproto::buffa::MessageField;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message as part;

use crate::account::{Pending, What};
use crate::content;
use crate::group::Addressing;
use crate::node::{attr, info};
use crate::phone;
use crate::world::World;

/// So many come before the device asks for the rest.
const PRIMER: usize = 5;

/// How a message is to be delivered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Which of the author's names it bears, outside of groups.
    pub(crate) from: Addressing,
    /// Whether the other name is told, too.
    pub(crate) alias: Alias,
    /// When it was written, in seconds since 1970.
    pub(crate) at: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Alias {
    #[default]
    Told,
    Hidden,
}

/// Somebody writes to an account, in a group or directly.
pub(crate) fn write(
    world: &mut World,
    account: &str,
    from: &str,
    group: Option<&str>,
    id: &str,
    plain: wa::Message,
    manner: Manner,
) -> anyhow::Result<()> {
    let number = world.account(account)?.phone.number.clone();
    let group = group.map(|group| world.groups.get(group).cloned().context("there is no such group")).transpose()?;
    let encs = match &group {
        None => vec![world.meet(&number, from, |person, device| person.encrypt(device, &plain))?],
        Some(group) => for_group(world, &number, from, &group.jid(), &plain)?,
    };
    let person = world.person(from).with_context(|| format!("there is nobody {from}"))?;
    let (pn, lid, author) = (person.pn_jid(), person.lid_jid(), person.number.clone());
    let node = NodeBuilder::new("message").attr("id", id.to_owned()).attr("t", manner.at.to_string());
    let node = node.attr("type", content::stanza_type(&plain)).attr("notify", person.name.clone());
    let mut node = node.children(encs).build();
    match &group {
        Some(group) => {
            anyhow::ensure!(group.members.contains(&author), "{from} is not in the group");
            node.attrs.insert("from", group.jid());
            name(&mut node, group.addressing, ["participant", "participant_pn", "participant_lid"], pn, lid, manner);
            node.attrs.insert("addressing_mode", group.addressing.as_str());
        }
        None => name(&mut node, manner.from, ["from", "sender_pn", "sender_lid"], pn, lid, manner),
    }
    let told = content::describe(&plain);
    let jid = group.map(|group| group.jid());
    world.ledger.add("written", json!({ "account": number, "id": id, "from": author, "chat": jid.as_ref().map(Jid::to_string), "content": told }));
    let pending = Pending {
        id: id.to_owned(),
        from: author,
        group: jid,
        what: What::Message(Box::new(plain)),
        node,
        sent_on: None,
    };
    queue(world, &number, pending)
}

/// Sends something as soon as the device can have it.
pub(crate) fn queue(world: &mut World, account: &str, pending: Pending) -> anyhow::Result<()> {
    world.account(account)?.queue.push_back(pending);
    flush(world, account);
    Ok(())
}

/// Names an author by one of the names, and by the other beside it.
fn name(
    node: &mut Node,
    by: Addressing,
    [first, pn_name, lid_name]: [&'static str; 3],
    pn: Jid,
    lid: Jid,
    manner: Manner,
) {
    let (name, other_name, other) = match by {
        Addressing::Lid => (lid, pn_name, pn),
        Addressing::Pn => (pn, lid_name, lid),
    };
    node.attrs.insert(first, name);
    if manner.alias == Alias::Told {
        node.attrs.insert(other_name, other);
    }
}

/// The first time with the author's sender key, which only this device can read.
fn for_group(
    world: &mut World,
    account: &str,
    from: &str,
    group: &Jid,
    plain: &wa::Message,
) -> anyhow::Result<Vec<Node>> {
    let key = (group.to_string(), from.to_owned());
    let known = world.account(account)?.sender_keys.contains(&key);
    let encs = world.meet(account, from, |person, device| {
        let distribution = person.sender_key(group)?;
        let share = wa::Message {
            sender_key_distribution_message: MessageField::some(part::SenderKeyDistributionMessage {
                group_id: Some(group.to_string()),
                axolotl_sender_key_distribution_message: Some(distribution),
            }),
            ..Default::default()
        };
        let share = if known { None } else { Some(person.encrypt(device, &share)?) };
        Ok(share.into_iter().chain([person.encrypt_for_group(group, plain)?]).collect())
    })?;
    world.account(account)?.sender_keys.insert(key);
    Ok(encs)
}

/// Sends what the device has not got on this connection, once it has had what waited for it.
pub(crate) fn flush(world: &mut World, account: &str) {
    let Some(owner) = world.accounts.get(account).filter(|account| account.resumed) else { return };
    let socket = owner.socket;
    send(world, account, socket, usize::MAX);
}

fn send(world: &mut World, account: &str, socket: Option<u64>, most: usize) {
    let Some(owner) = world.accounts.get_mut(account) else { return };
    let (Some(socket), false) = (socket, owner.faults.held) else { return };
    let resumed = owner.resumed;
    let mut nodes = Vec::new();
    for pending in owner.queue.iter_mut().filter(|pending| pending.sent_on != Some(socket)).take(most) {
        pending.sent_on = Some(socket);
        let mut node = pending.node.clone();
        if !resumed {
            node.attrs.insert("offline", "1");
        }
        nodes.push(node);
    }
    nodes.into_iter().for_each(|node| world.say(socket, node));
}

/// The device is logged in and wants what waited for it: first how much that is, then the first of it.
pub(crate) fn resume(world: &mut World, socket: u64, account: &str) -> anyhow::Result<()> {
    phone::tell(world, account)?;
    let owner = world.account(account)?;
    let waiting = if owner.faults.held { 0 } else { owner.queue.len() };
    if waiting > 0 {
        let preview = NodeBuilder::new("offline_preview").attr("count", waiting.to_string());
        let receipts = owner.queue.iter().filter(|pending| pending.is_receipt()).count();
        let preview = preview.attr("message", (waiting - receipts).to_string());
        let preview = preview.attr("receipt", receipts.to_string()).attr("notification", "0");
        world.say(socket, info(preview.attr("appdata", "0").build()));
        send(world, account, Some(socket), PRIMER);
    }
    end(world, socket, account, waiting)
}

/// The device asks for so many more.
pub(crate) fn batch(world: &mut World, socket: u64, account: &str, ib: &Node) -> anyhow::Result<()> {
    let Some(batch) = ib.get_optional_child("offline_batch") else { return Ok(()) };
    let most = attr(batch, "count").parse().context("an offline batch without a count")?;
    send(world, account, Some(socket), most);
    let waiting = world.account(account)?.queue.len();
    end(world, socket, account, waiting)
}

/// Says so when nothing waits any more.
fn end(world: &mut World, socket: u64, account: &str, count: usize) -> anyhow::Result<()> {
    let owner = world.account(account)?;
    let rest = owner.queue.iter().any(|pending| pending.sent_on != Some(socket));
    if !owner.resumed && (!rest || owner.faults.held) {
        owner.resumed = true;
        world.say(socket, info(NodeBuilder::new("offline").attr("count", count.to_string()).build()));
        world.ledger.add("resumed", json!({ "account": account, "offline": count }));
    }
    Ok(())
}

/// The device could not read a message: it is encrypted anew, for a new session.
pub(crate) fn again(world: &mut World, account: &str, id: &str) -> anyhow::Result<()> {
    let owner = world.account(account)?;
    let Some(mut pending) = owner.ask_again(id) else { return Ok(()) };
    let What::Message(plain) = &pending.what else { return Ok(()) };
    if let Some(group) = &pending.group {
        owner.sender_keys.remove(&(group.to_string(), pending.from.clone()));
    }
    world.meet(account, &pending.from, |person, device| {
        person.forget(device);
        Ok(())
    })?;
    let encs = match &pending.group {
        None => vec![world.meet(account, &pending.from, |person, device| person.encrypt(device, plain))?],
        Some(group) => for_group(world, account, &pending.from, group, plain)?,
    };
    let mut fresh = NodeBuilder::new("message").children(encs).build();
    fresh.attrs = pending.node.attrs.clone();
    (pending.node, pending.sent_on) = (fresh, None);
    world.account(account)?.queue.push_back(pending);
    flush(world, account);
    Ok(())
}
