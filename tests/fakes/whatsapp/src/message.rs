//! From the device to people: opened by each of them with their own keys, as their phones would.

use anyhow::Context;
use serde_json::json;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};
use whatsapp_rust::waproto::whatsapp as wa;

use crate::certificate::now;
use crate::content;
use crate::node::{attr, bytes, child, jid};
use crate::receipt;
use crate::world::World;

/// What became of a message for one person.
type Opened = (String, wa::Message);

pub(crate) fn sent(world: &mut World, socket: u64, account: &str, node: &Node) -> anyhow::Result<()> {
    let (id, to) = (attr(node, "id"), jid(node, "to")?);
    anyhow::ensure!(!id.is_empty(), "a message without an id");
    let own = world.account(account)?;
    if own.faults.deaf {
        world.ledger.add("unheard", json!({ "account": account, "id": id }));
        return Ok(());
    }
    if let Some(error) = own.faults.ack_error() {
        acknowledge(world, socket, &id, &to, Some(error.code));
        world.ledger.add("nacked", json!({ "account": account, "id": id, "chat": to.to_string(), "code": error.code }));
        return Ok(());
    }
    // Peer messages, to the own phone only, are none that a person reads.
    if own.phone.is(&to.user) && attr(node, "category") == "peer" {
        acknowledge(world, socket, &id, &to, None);
        let opened = open_all(world, account, &to, node)?;
        let told: Vec<_> = opened.iter().map(|(_, plain)| content::describe(plain)).collect();
        world.ledger.add("peer", json!({ "account": account, "id": id, "content": told }));
        return Ok(());
    }
    if let Some(code) = unreachable(world, account, &to) {
        acknowledge(world, socket, &id, &to, Some(code));
        anyhow::bail!("message {id} to {to}, who can't be reached: {code}");
    }
    let opened = open_all(world, account, &to, node).inspect_err(|_| acknowledge(world, socket, &id, &to, None))?;
    acknowledge(world, socket, &id, &to, None);
    record(world, socket, account, node, &to, &opened)
}

fn unreachable(world: &mut World, account: &str, to: &Jid) -> Option<u16> {
    if to.server.as_str() == "g.us" {
        let Ok(group) = world.group(to) else { return Some(404) };
        return (!group.members.iter().any(|member| member == account)).then_some(403);
    }
    world.person(&to.user).is_none().then_some(404)
}

fn acknowledge(world: &mut World, socket: u64, id: &str, to: &Jid, error: Option<u16>) {
    let ack = NodeBuilder::new("ack").attr("class", "message").attr("id", id.to_owned()).attr("from", to);
    let ack = ack.attr("t", now().to_string());
    let ack = match error {
        Some(code) => ack.attr("error", code.to_string()),
        None => ack,
    };
    world.say(socket, ack.build());
}

/// Opens every ciphertext with the keys of whom it is for.
fn open_all(world: &mut World, account: &str, to: &Jid, node: &Node) -> anyhow::Result<Vec<Opened>> {
    let mut opened = Vec::new();
    let mut for_one: Vec<(Jid, &Node)> = Vec::new();
    if let Some(participants) = node.get_optional_child("participants") {
        for one in participants.get_children_by_tag("to") {
            for_one.push((jid(one, "jid")?, child(one, "enc")?));
        }
    }
    let mut for_group = None;
    for enc in node.get_children_by_tag("enc") {
        if attr(enc, "type") == "skmsg" { for_group = Some(enc) } else { for_one.push((to.clone(), enc)) }
    }
    anyhow::ensure!(for_group.is_some() || !for_one.is_empty(), "message {} without a ciphertext", attr(node, "id"));
    let first = for_one.iter().any(|(_, enc)| attr(enc, "type") == "pkmsg");
    anyhow::ensure!(!first || node.get_optional_child("device-identity").is_some(), "a pkmsg without device-identity");
    for (who, enc) in for_one {
        anyhow::ensure!(who.device == 0, "{who} is a device that nobody has");
        anyhow::ensure!(attr(enc, "v") == "2", "<enc> of version {:?}", attr(enc, "v"));
        let kind = attr(enc, "type");
        let (number, plain) = world
            .meet(account, &who.user, |person, device| {
                Ok((person.number.clone(), person.decrypt(device, &kind, bytes(enc))?))
            })
            .with_context(|| format!("message {} can't be read by {who} ({kind})", attr(node, "id")))?;
        match distributed(&plain) {
            Some(key) => world.meet(account, &who.user, |person, device| person.learn(to, device, &key))?,
            None => opened.push((number, plain)),
        }
    }
    if let Some(enc) = for_group {
        open_in_group(world, account, to, enc, &mut opened)?;
    }
    Ok(opened)
}

fn distributed(plain: &wa::Message) -> Option<Vec<u8>> {
    plain.sender_key_distribution_message.as_option()?.axolotl_sender_key_distribution_message.clone()
}

/// Whoever has not been given the sender key can't read it, which is the device's fault.
fn open_in_group(
    world: &mut World,
    account: &str,
    to: &Jid,
    enc: &Node,
    opened: &mut Vec<Opened>,
) -> anyhow::Result<()> {
    let members = world.group(to)?.members.clone();
    for member in members {
        let plain = world.meet(account, &member, |person, device| person.decrypt_in_group(to, device, bytes(enc)));
        match plain {
            Ok(plain) => opened.push((member, plain)),
            Err(why) => world
                .ledger
                .violation(Some(account), format_args!("{member} can't read what was sent to {to}: {why:#}")),
        }
    }
    Ok(())
}

/// The ledger tells what people read, and whether the own phone got its copy.
fn record(
    world: &mut World,
    socket: u64,
    account: &str,
    node: &Node,
    to: &Jid,
    opened: &[Opened],
) -> anyhow::Result<()> {
    let id = attr(node, "id");
    let others: Vec<&Opened> = opened.iter().filter(|(number, _)| number != account).collect();
    let readers: Vec<&str> = others.iter().map(|(number, _)| number.as_str()).collect();
    let plain = others.first().map(|(_, plain)| plain).or_else(|| opened.first().map(|(_, plain)| plain));
    let told = plain.map(content::describe).unwrap_or_default();
    let chat = world.person(&to.user).map_or_else(|| to.user.to_string(), |person| person.number.clone());
    let owner = world.account(account)?;
    let again = !owner.seen.insert((chat.clone(), id.clone()));
    let receipts = !owner.faults.no_receipts;
    let entry = json!({
        "account": account, "id": id, "chat": chat, "to": to.to_string(), "recipients": readers, "text": told["text"],
        "kind": told["kind"], "content": told, "edit": attr(node, "edit"), "connection": socket,
        "phone_copy": opened.len() > others.len(),
    });
    world.ledger.add(if again { "sent_again" } else { "sent" }, entry);
    if receipts && !readers.is_empty() && to.server.as_str() != "g.us" && !again {
        receipt::by_person(world, account, &chat, None, &[id], receipt::Kind::Delivered)?;
    }
    Ok(())
}
