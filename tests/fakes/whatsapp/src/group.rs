//! Groups, and how the server describes them.

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};

use crate::certificate::now;
use crate::world::World;

/// Which of a person's names is used: the number's or the LID.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Addressing {
    Pn,
    #[default]
    Lid,
}

impl Addressing {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pn => "pn",
            Self::Lid => "lid",
        }
    }
}

/// Members by number; the first made it.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) members: Vec<String>,
    pub(crate) addressing: Addressing,
}

impl Group {
    pub(crate) fn jid(&self) -> Jid {
        format!("{}@g.us", self.id).parse().expect("a group's id makes a jid")
    }
}

impl World {
    /// The `<group>` element.
    pub(crate) fn describe(&mut self, group: &Group) -> Node {
        let mut members = Vec::new();
        for (place, number) in group.members.iter().enumerate() {
            let Some(person) = self.person(number) else { continue };
            let node = NodeBuilder::new("participant");
            let node = match group.addressing {
                Addressing::Lid => node.attr("jid", person.lid_jid()).attr("phone_number", person.pn_jid()),
                Addressing::Pn => node.attr("jid", person.pn_jid()).attr("lid", person.lid_jid()),
            };
            members.push(if place == 0 { node.attr("type", "superadmin").build() } else { node.build() });
        }
        let creator = members.first().and_then(|first| first.attrs.get("jid")).and_then(|jid| jid.to_jid());
        let node = NodeBuilder::new("group")
            .attr("id", group.id.clone())
            .attr("subject", group.subject.clone())
            .attr("addressing_mode", group.addressing.as_str())
            .attr("creation", (now() - 3600).to_string())
            .attr("s_t", (now() - 3600).to_string())
            .attr("size", members.len().to_string());
        let node = match creator {
            Some(creator) => node.attr("creator", creator.clone()).attr("s_o", creator),
            None => node,
        };
        node.children(members).build()
    }
}
