//! What the account's owner types on the phone: the other person gets it, and the device its copy.

use anyhow::Context;
use serde_json::json;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::buffa::MessageField;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message as part;

use crate::account::{Pending, What};
use crate::content;
use crate::delivery::{self, Alias, Manner};
use crate::group::Addressing;
use crate::receipt;
use crate::world::World;

/// The owner writes to somebody directly; in a group the phone is one member among others.
pub(crate) fn write(
    world: &mut World,
    account: &str,
    to: &str,
    id: &str,
    plain: wa::Message,
    manner: Manner,
) -> anyhow::Result<()> {
    let peer = world.person(to).with_context(|| format!("there is nobody {to}"))?;
    let (peer_pn, peer_lid, peer) = (peer.pn_jid(), peer.lid_jid(), peer.number.clone());
    let owner = world.account(account)?;
    let (number, name) = (owner.phone.number.clone(), owner.phone.name.clone());
    anyhow::ensure!(peer != number, "nobody reads what an owner writes to themselves");
    let receipts = !owner.faults.no_receipts;
    let (from, recipient) = match manner.from {
        Addressing::Lid => (owner.phone.lid_jid(), peer_lid),
        Addressing::Pn => (owner.phone.pn_jid(), peer_pn.clone()),
    };
    let (kind, told) = (content::stanza_type(&plain), content::describe(&plain));
    let copy = copy_of(plain, recipient.to_string());
    let enc = world.meet(&number, &number, |phone, device| phone.encrypt(device, &copy))?;
    let node = NodeBuilder::new("message").attr("id", id.to_owned()).attr("t", manner.at.to_string());
    let node = node.attr("type", kind).attr("notify", name).attr("from", from).attr("recipient", recipient);
    let mut node = node.children([enc]).build();
    if manner.from == Addressing::Lid && manner.alias == Alias::Told {
        node.attrs.insert("peer_recipient_pn", peer_pn);
    }
    world.ledger.add("written", json!({ "account": number, "id": id, "from": number, "chat": peer, "content": told }));
    let (from, what) = (number.clone(), What::Message(Box::new(copy)));
    delivery::queue(world, &number, Pending { id: id.to_owned(), from, group: None, what, node, sent_on: None })?;
    if receipts {
        receipt::by_person(world, &number, &peer, None, &[id.to_owned()], receipt::Kind::Delivered)?;
    }
    Ok(())
}

/// What a phone tells the account's other devices of a message.
fn copy_of(plain: wa::Message, destination: String) -> wa::Message {
    let copy = part::DeviceSentMessage {
        destination_jid: Some(destination),
        message: MessageField::some(plain),
        ..Default::default()
    };
    wa::Message { device_sent_message: MessageField::some(copy), ..Default::default() }
}
