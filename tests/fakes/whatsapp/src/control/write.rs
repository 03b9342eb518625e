//! What people write, and what they tell of having read.

use anyhow::Context;
use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;
use whatsapp_rust::wacore::download::MediaType;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::buffa::MessageField;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message as part;

use super::{Fake, Order, Told, act};
use crate::certificate::now;
use crate::delivery::{self, Alias, Manner};
use crate::group::Addressing;
use crate::receipt::{self, Kind};
use crate::world::World;
use crate::{media, node, own};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Writing {
    account: String,
    from: String,
    /// Whom the account's owner writes to, outside of groups.
    to: Option<String>,
    group: Option<String>,
    id: Option<String>,
    #[serde(default, rename = "as")]
    name: Addressing,
    #[serde(default)]
    alias: Alias,
    /// Seconds since 1970; now, if left out.
    at: Option<u64>,
    text: Option<String>,
    quote: Option<Quote>,
    #[serde(default)]
    mentions: Vec<String>,
    media: Option<Media>,
    location: Option<Location>,
    /// Somebody's card: a name.
    contact: Option<String>,
    reaction: Option<Reaction>,
    edit: Option<String>,
    delete: Option<String>,
}

/// An earlier message that is replied to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quote {
    id: String,
    /// Whose it is, as a jid.
    participant: Option<String>,
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Media {
    kind: String,
    media_type: String,
    name: Option<String>,
    /// The content as a text, or in base64.
    content: Option<String>,
    base64: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Location {
    latitude: f64,
    longitude: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reaction {
    of: String,
    emoji: String,
    #[serde(default)]
    from_me: bool,
}

pub(super) async fn write(State(fake): Fake, Order(writing): Order<Writing>) -> Told {
    act(&fake, |world| {
        let id = writing.id.clone().unwrap_or_else(|| node::id("3A"));
        let plain = compose(world, &writing)?;
        let manner = Manner { from: writing.name, alias: writing.alias, at: writing.at.unwrap_or_else(now) };
        let (account, from) = (&writing.account, &writing.from);
        let own = world.account(account)?.phone.is(from);
        match (&writing.to, writing.group.as_deref()) {
            (Some(to), None) if own => own::write(world, account, to, &id, plain, manner)?,
            (Some(_), _) => anyhow::bail!("only the account's owner writes to somebody; others write to the account"),
            (None, None) if own => anyhow::bail!("whom does the owner write to? Give to, or group"),
            (None, group) => delivery::write(world, account, from, group, &id, plain, manner)?,
        }
        Ok(json!({ "id": id }))
    })
}

fn compose(world: &mut World, writing: &Writing) -> anyhow::Result<wa::Message> {
    let key = |id: &str, from_me| {
        MessageField::some(wa::MessageKey {
            remote_jid: writing.group.as_ref().map(|group| format!("{group}@g.us")),
            from_me: Some(from_me),
            id: Some(id.to_owned()),
            ..Default::default()
        })
    };
    if let Some(reaction) = &writing.reaction {
        let message = part::ReactionMessage {
            key: key(&reaction.of, reaction.from_me),
            text: Some(reaction.emoji.clone()),
            sender_timestamp_ms: i64::try_from(now() * 1000).ok(),
            ..Default::default()
        };
        return Ok(wa::Message { reaction_message: MessageField::some(message), ..Default::default() });
    }
    let change = |of: &str, kind, edited| {
        let message = part::ProtocolMessage {
            key: key(of, true),
            r#type: Some(kind),
            edited_message: edited,
            timestamp_ms: i64::try_from(now() * 1000).ok(),
            ..Default::default()
        };
        wa::Message { protocol_message: MessageField::some(message), ..Default::default() }
    };
    if let Some(of) = &writing.delete {
        return Ok(change(of, part::protocol_message::Type::REVOKE, MessageField::none()));
    }
    if let Some(of) = &writing.edit {
        let edited = MessageField::some(text(world, writing)?);
        return Ok(change(of, part::protocol_message::Type::MESSAGE_EDIT, edited));
    }
    if let Some(said) = place_or_card(writing) {
        return Ok(said);
    }
    match &writing.media {
        Some(file) => attach(world, file, writing.text.clone()),
        None => text(world, writing),
    }
}

fn place_or_card(writing: &Writing) -> Option<wa::Message> {
    if let Some(Location { latitude, longitude }) = writing.location {
        let at = part::LocationMessage {
            degrees_latitude: Some(latitude),
            degrees_longitude: Some(longitude),
            ..Default::default()
        };
        return Some(wa::Message { location_message: MessageField::some(at), ..Default::default() });
    }
    let name = writing.contact.as_ref()?;
    let vcard = Some(format!("BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nEND:VCARD"));
    let card = part::ContactMessage { display_name: Some(name.clone()), vcard, ..Default::default() };
    Some(wa::Message { contact_message: MessageField::some(card), ..Default::default() })
}

fn text(world: &mut World, writing: &Writing) -> anyhow::Result<wa::Message> {
    let text = writing
        .text
        .clone()
        .context("nothing is said: give text, media, location, contact, reaction, edit or delete")?;
    if writing.quote.is_none() && writing.mentions.is_empty() {
        return Ok(wa::Message { conversation: Some(text), ..Default::default() });
    }
    let quoted = writing.quote.as_ref();
    let context = wa::ContextInfo {
        stanza_id: quoted.map(|quote| quote.id.clone()),
        participant: quoted.and_then(|quote| quote.participant.clone()),
        quoted_message: match quoted {
            Some(quote) => MessageField::some(wa::Message { conversation: quote.text.clone(), ..Default::default() }),
            None => MessageField::none(),
        },
        mentioned_jid: writing
            .mentions
            .iter()
            .map(|who| world.person(who).map_or_else(|| who.clone(), |person| person.lid_jid().to_string()))
            .collect(),
        ..Default::default()
    };
    let message =
        part::ExtendedTextMessage { text: Some(text), context_info: MessageField::some(context), ..Default::default() };
    Ok(wa::Message { extended_text_message: MessageField::some(message), ..Default::default() })
}

fn attach(world: &mut World, file: &Media, caption: Option<String>) -> anyhow::Result<wa::Message> {
    let content = match (&file.content, &file.base64) {
        (Some(text), None) => text.clone().into_bytes(),
        (None, Some(encoded)) => BASE64_STANDARD.decode(encoded)?,
        _ => anyhow::bail!("media need content or base64"),
    };
    macro_rules! message {
        ($kind:expr, $field:ident, $message:ident $(, $name:ident: $value:expr)*) => {{
            let stored = media::store(world, $kind, &content)?;
            let message = part::$message {
                url: Some(stored.url),
                direct_path: Some(stored.path),
                media_key: Some(stored.sealed.media_key.to_vec()),
                file_enc_sha256: Some(stored.sealed.file_enc_sha256.to_vec()),
                file_sha256: Some(stored.sealed.file_sha256.to_vec()),
                file_length: Some(content.len() as u64),
                mimetype: Some(file.media_type.clone()),
                $($name: $value,)*
                ..Default::default()
            };
            wa::Message { $field: MessageField::some(message), ..Default::default() }
        }};
    }
    Ok(match file.kind.as_str() {
        "image" => message!(MediaType::Image, image_message, ImageMessage, caption: caption),
        "video" => message!(MediaType::Video, video_message, VideoMessage, caption: caption),
        "audio" => message!(MediaType::Audio, audio_message, AudioMessage),
        "document" => message!(MediaType::Document, document_message, DocumentMessage,
            caption: caption, file_name: file.name.clone()),
        "sticker" => message!(MediaType::Sticker, sticker_message, StickerMessage),
        other => anyhow::bail!("media of kind {other:?}; there are image, video, audio, document, sticker"),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    account: String,
    from: String,
    group: Option<String>,
    ids: Vec<String>,
    kind: Kind,
}

pub(super) async fn receipt(State(fake): Fake, Order(read): Order<Read>) -> Told {
    act(&fake, |world| {
        receipt::by_person(world, &read.account, &read.from, read.group.as_deref(), &read.ids, read.kind)?;
        Ok(json!({}))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typing {
    account: String,
    from: String,
    on: bool,
}

/// Somebody types, or has stopped to.
pub(super) async fn typing(State(fake): Fake, Order(typing): Order<Typing>) -> Told {
    act(&fake, |world| {
        let from = world.person(&typing.from).context("there is nobody of that number")?.lid_jid();
        let state = NodeBuilder::new(if typing.on { "composing" } else { "paused" }).build();
        let socket = world.account(&typing.account)?.socket.context("the device is not connected")?;
        world.say(socket, NodeBuilder::new("chatstate").attr("from", from).children([state]).build());
        Ok(json!({}))
    })
}
