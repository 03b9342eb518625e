//! What a device asks the server for.

mod groups;
mod keys;
mod usync;

use anyhow::{Context, bail};
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use crate::node::{attr, child, refusal, result};
use crate::world::World;
use crate::{delivery, media, pairing, passkey};

pub(crate) fn answer(world: &mut World, socket: u64, account: Option<&str>, iq: &Node) -> anyhow::Result<()> {
    let (id, xmlns) = (attr(iq, "id"), attr(iq, "xmlns"));
    anyhow::ensure!(!id.is_empty(), "a request without an id");
    let first = iq.children().and_then(|children| children.first()).map(|child| child.tag.to_string());
    let answer = match (xmlns.as_str(), first.as_deref(), account) {
        ("md", Some("link_code_companion_reg"), None) => return pairing::code_step(world, socket, iq),
        ("md", Some("ref" | "passkey_prologue" | "companion_nonce" | "encrypted_pairing_request"), None) => {
            let done = passkey::step(world, socket, iq);
            return done.inspect_err(|_| world.say(socket, refusal(&id, 400, "bad-request")));
        }
        ("md", Some("remove-companion-device"), Some(account)) => return removed(world, socket, account, &id),
        ("w:p" | "urn:xmpp:ping", ..) => Ok(result(&id, [])),
        (_, _, None) => Ok(refusal(&id, 401, "not-authorized")),
        ("encrypt", first, Some(account)) => keys::answer(world, account, first.unwrap_or_default(), iq),
        ("w:g2", _, Some(account)) => groups::answer(world, account, iq),
        ("usync", _, Some(account)) => Ok(result(&id, [usync::answer(world, account, iq)?])),
        ("passive", Some("active"), Some(account)) => {
            world.say(socket, result(&id, []));
            return delivery::resume(world, socket, account);
        }
        ("w:profile:picture", Some("picture"), Some(account)) => Ok(result(&id, [picture(world, account, iq)?])),
        ("w:m", ..) => Ok(result(&id, [media::connection()])),
        (xmlns, ..) => stub(xmlns, iq).map(|body| result(&id, body)),
    };
    let answer = answer.inspect_err(|_| world.say(socket, refusal(&id, 400, "bad-request")))?;
    world.say(socket, answer);
    Ok(())
}

/// What a device wants to know while it logs in and the fake has nothing to say about.
fn stub(xmlns: &str, iq: &Node) -> anyhow::Result<Option<Node>> {
    Ok(match xmlns {
        "w:sync:app:state" => Some(app_state(iq)?),
        "privacy" if attr(iq, "type") == "get" => Some(privacy()),
        // Tokens for people that are trusted, or a change.
        "privacy" => None,
        "blocklist" => Some(NodeBuilder::new("list").build()),
        "abt" => {
            let props = NodeBuilder::new("props").attr("protocol", "1").attr("hash", "fake");
            Some(props.attr("refresh", "86400").build())
        }
        "passive"
        | "urn:xmpp:whatsapp:dirty"
        | "w"
        | "w:stats"
        | "status"
        | "w:mex"
        | "tos"
        | "w:biz"
        | "disappearing_mode"
        | "urn:xmpp:whatsapp:push"
        | "w:auth:token"
        | "md"
        | "fb:thrift_iq"
        | "spam"
        | "newsletter"
        | "bot"
        | "account"
        | "optoutlist" => None,
        other => bail!("a request {other:?} that nobody knows"),
    })
}

/// Who is shown what, as it is on a phone whose owner never changed it.
fn privacy() -> Node {
    let shown = |(name, value): (&'static str, &'static str)| {
        NodeBuilder::new("category").attr("name", name).attr("value", value).build()
    };
    let open = ["last", "online", "profile", "status", "readreceipts", "groupadd", "calladd", "messages"];
    let all = open.map(|name| (name, "all")).into_iter().chain([("defense", "off")]);
    NodeBuilder::new("privacy").children(all.map(shown)).build()
}

/// Everybody has a picture.
fn picture(world: &mut World, account: &str, iq: &Node) -> anyhow::Result<Node> {
    let target = crate::node::jid(iq, "target").or_else(|_| world.account(account).map(|a| a.phone.pn_jid()))?;
    let url = format!("https://media.fake.invalid/pictures/{}", target.user);
    Ok(NodeBuilder::new("picture").attr("id", "1").attr("type", "preview").attr("url", url).build())
}

/// Empty collections: without an answer a device waits for three minutes.
fn app_state(iq: &Node) -> anyhow::Result<Node> {
    let collection = |asked: &Node| {
        let node = NodeBuilder::new("collection").attr("name", attr(asked, "name")).attr("type", "result");
        node.attr("version", if attr(asked, "version").is_empty() { "0".to_owned() } else { attr(asked, "version") })
            .build()
    };
    let collections: Vec<Node> = child(iq, "sync")?.get_children_by_tag("collection").map(collection).collect();
    Ok(NodeBuilder::new("sync").children(collections).build())
}

/// The device logs out.
fn removed(world: &mut World, socket: u64, account: &str, id: &str) -> anyhow::Result<()> {
    world.say(socket, result(id, []));
    let account = world.accounts.get_mut(account).context("the account is gone")?;
    let number = account.phone.number.clone();
    account.unlink();
    world.ledger.add("logged_out", serde_json::json!({ "account": number }));
    world.close(socket);
    Ok(())
}
