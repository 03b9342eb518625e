//! Who somebody is: their devices, their LID, whether they are on WhatsApp.

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};
use whatsapp_rust::waproto::buffa::Message as _;
use whatsapp_rust::waproto::whatsapp as wa;

use crate::account::Account;
use crate::certificate::{now, rng};
use crate::node::{bytes, child, leaf};
use crate::world::World;

pub(super) fn answer(world: &mut World, account: &str, iq: &Node) -> anyhow::Result<Node> {
    let request = child(iq, "usync")?;
    let asked: Vec<String> =
        child(request, "query")?.children().unwrap_or_default().iter().map(|child| child.tag.to_string()).collect();
    let mut users = Vec::new();
    for user in child(request, "list")?.get_children_by_tag("user") {
        // Somebody is asked for by a jid, or by a number as it is in an address book.
        let jid = user.attrs.get("jid").and_then(|value| value.to_jid());
        let typed =
            user.get_optional_child("contact").map(|contact| String::from_utf8_lossy(bytes(contact)).into_owned());
        let typed = typed.map(|number| number.trim_start_matches('+').to_owned()).filter(|number| !number.is_empty());
        let Some(who) = jid.as_ref().map(|jid| jid.user.to_string()).or_else(|| typed.clone()) else {
            anyhow::bail!("a usync for nobody");
        };
        users.push(describe(world, account, &who, jid, &asked)?);
    }
    let list = NodeBuilder::new("list").children(users).build();
    // What was asked and in which session is said back.
    let asked = asked.into_iter().map(|what| NodeBuilder::new_dynamic(what).build());
    let results = [NodeBuilder::new("result").children(asked).build(), list];
    let mut answer = NodeBuilder::new("usync").children(results).build();
    answer.attrs = request.attrs.clone();
    Ok(answer)
}

fn describe(world: &mut World, account: &str, who: &str, jid: Option<Jid>, asked: &[String]) -> anyhow::Result<Node> {
    let wants = |what: &str| asked.iter().any(|one| one == what);
    let Some(person) = world.person(who) else {
        let jid = jid.unwrap_or_else(|| format!("{who}@s.whatsapp.net").parse().unwrap_or_default());
        let out = wants("contact").then(|| NodeBuilder::new("contact").attr("type", "out").build());
        return Ok(NodeBuilder::new("user").attr("jid", jid).children(out).build());
    };
    let (pn, lid) = (person.pn_jid(), person.lid_jid());
    let own = world.account(account)?;
    let own = own.phone.is(who).then_some(own);
    let mut children = Vec::new();
    if wants("contact") {
        children.push(NodeBuilder::new("contact").attr("type", "in").build());
    }
    // Who is asked for by the LID is not told it again.
    if wants("lid") && jid.as_ref().is_none_or(|jid| jid.user == pn.user) {
        children.push(NodeBuilder::new("lid").attr("val", lid).build());
    }
    if wants("devices") {
        children.push(devices(own)?);
    }
    Ok(NodeBuilder::new("user").attr("jid", jid.unwrap_or(pn)).children(children).build())
}

/// Others have one device. The own account's come with the phone's signed list of them, without which a device would
/// not write to its own phone.
fn devices(own: Option<&mut Account>) -> anyhow::Result<Node> {
    let device = |id: u16| NodeBuilder::new("device").attr("id", id.to_string());
    let mut list = vec![device(0).build()];
    let mut signed = None;
    if let Some(account) = own {
        if let Some(linked) = &account.device {
            list.push(device(linked.id).attr("key-index", linked.id.to_string()).build());
        }
        signed = Some(key_indexes(account)?);
    }
    let list = NodeBuilder::new("device-list").attr("hash", "2:fake").children(list).build();
    Ok(NodeBuilder::new("devices").children([list].into_iter().chain(signed)).build())
}

fn key_indexes(account: &Account) -> anyhow::Result<Node> {
    let linked = account.device.as_ref().map(|device| u32::from(device.id));
    let details = wa::ADVKeyIndexList {
        raw_id: Some(account.phone.registration),
        timestamp: Some(now()),
        current_index: Some(account.devices_so_far.into()),
        valid_indexes: [0].into_iter().chain(linked).collect(),
        ..Default::default()
    }
    .encode_to_vec();
    let message = [&[6u8, 2][..], &details].concat();
    let signature = account.phone.identity.private_key.calculate_signature(&message, &mut rng())?.to_vec();
    let signed =
        wa::ADVSignedKeyIndexList { details: Some(details), account_signature: Some(signature), ..Default::default() };
    let mut node = leaf("key-index-list", signed.encode_to_vec());
    node.attrs.insert("ts", now().to_string());
    Ok(node)
}
