//! The key server: what devices upload, and what they fetch of others.

use anyhow::Context;
use serde_json::json;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use crate::node::{attr, child, jid, refusal, result};
use crate::world::World;
use crate::{delivery, phone};

pub(super) fn answer(world: &mut World, account: &str, first: &str, iq: &Node) -> anyhow::Result<Node> {
    let id = attr(iq, "id");
    let owner = world.account(account)?;
    match first {
        "count" => {
            let left = owner.device.as_ref().map_or(0, |device| device.left());
            Ok(result(&id, [NodeBuilder::new("count").attr("value", left.to_string()).build()]))
        }
        "digest" => Ok(match owner.device.as_ref().and_then(|device| device.digest()) {
            Some(digest) => result(&id, [digest]),
            None => refusal(&id, 404, "item-not-found"),
        }),
        "rotate" => {
            owner.device.as_mut().context("no device is linked")?.rotate(child(iq, "rotate")?)?;
            Ok(result(&id, []))
        }
        "key" | "registration" | "identity" | "type" | "list" | "skey" => {
            if let Some(error) = owner.faults.keys_error() {
                return Ok(refusal(&id, error.code, error.text.as_deref().unwrap_or("refused")));
            }
            if first == "key" { fetch(world, iq) } else { upload(world, account, iq) }
        }
        other => anyhow::bail!("a request {other:?} to the key server"),
    }
}

fn upload(world: &mut World, account: &str, iq: &Node) -> anyhow::Result<Node> {
    let owner = world.account(account)?;
    let Some(device) = &mut owner.device else { anyhow::bail!("no device is linked") };
    let count = device.upload(iq)?;
    let left = device.left();
    world.ledger.add("prekeys", json!({ "account": account, "count": count, "left": left }));
    phone::tell(world, account)?;
    delivery::flush(world, account);
    Ok(result(&attr(iq, "id"), []))
}

fn fetch(world: &mut World, iq: &Node) -> anyhow::Result<Node> {
    let mut users = Vec::new();
    for asked in child(iq, "key")?.get_children_by_tag("user") {
        let asked = jid(asked, "jid")?;
        let person = world.person(&asked.user).filter(|_| asked.device == 0);
        users.push(match person {
            Some(person) => person.bundle(&asked),
            None => {
                let error = NodeBuilder::new("error").attr("code", "406").attr("text", "not-acceptable").build();
                NodeBuilder::new("user").attr("jid", asked).children([error]).build()
            }
        });
    }
    anyhow::ensure!(!users.is_empty(), "a key fetch for nobody");
    Ok(result(&attr(iq, "id"), [NodeBuilder::new("list").children(users).build()]))
}
