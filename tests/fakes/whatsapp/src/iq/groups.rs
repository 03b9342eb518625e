//! What a device wants to know about groups.

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use crate::node::{attr, jid, refusal, result};
use crate::world::World;

pub(super) fn answer(world: &mut World, account: &str, iq: &Node) -> anyhow::Result<Node> {
    let id = attr(iq, "id");
    let is_member = |group: &crate::group::Group| group.members.iter().any(|member| member == account);
    if iq.get_optional_child("participating").is_some() {
        let groups: Vec<_> = world.groups.values().filter(|group| is_member(group)).cloned().collect();
        let groups: Vec<Node> = groups.iter().map(|group| world.describe(group)).collect();
        return Ok(result(&id, [NodeBuilder::new("groups").children(groups).build()]));
    }
    if iq.get_optional_child("query").is_none() {
        return Ok(refusal(&id, 501, "feature-not-implemented"));
    }
    match world.group(&jid(iq, "to")?).cloned() {
        Err(_) => Ok(refusal(&id, 404, "item-not-found")),
        Ok(group) if !is_member(&group) => Ok(refusal(&id, 403, "forbidden")),
        Ok(group) => Ok(result(&id, [world.describe(&group)])),
    }
}
