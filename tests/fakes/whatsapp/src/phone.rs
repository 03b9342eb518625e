//! What a phone tells its device without anybody having written: keys, and what there was before the device came.

use anyhow::Context;
use rand::RngExt;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::buffa::{Message as _, MessageField};
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::message as part;

use crate::certificate::{now, rng};
use crate::node;
use crate::person::Person;
use crate::world::World;

/// Once the device can read it: the keys for the app state, for which a new device waits, and to one that has just been
/// linked the history.
pub(crate) fn tell(world: &mut World, account: &str) -> anyhow::Result<()> {
    let owner = world.account(account)?;
    let ready = owner.device.as_ref().is_some_and(|device| device.left() > 0);
    let (Some(_), true, false) = (owner.socket, ready, owner.keys_shared) else { return Ok(()) };
    owner.keys_shared = true;
    let history = std::mem::take(&mut owner.history_due).then(|| history(&owner.phone));
    peer(world, account, app_state_keys())?;
    history.map_or(Ok(()), |history| peer(world, account, history))
}

/// Says something that is not for a person to read.
fn peer(world: &mut World, account: &str, told: part::ProtocolMessage) -> anyhow::Result<()> {
    let owner = world.account(account)?;
    let (phone, socket) = (&mut owner.phone, owner.socket.context("the device is not connected")?);
    let message = NodeBuilder::new("message").attr("from", phone.pn_jid()).attr("type", "text");
    let message = message.attr("category", "peer").attr("notify", phone.name.clone());
    let device = owner.device.as_mut().context("no device is linked")?;
    let plain = wa::Message { protocol_message: MessageField::some(told), ..Default::default() };
    let enc = phone.encrypt(device, &plain)?;
    let message = message.attr("id", node::id("3EB0")).attr("t", now().to_string()).children([enc]).build();
    world.say(socket, message);
    Ok(())
}

fn app_state_keys() -> part::ProtocolMessage {
    let key = part::AppStateSyncKey {
        key_id: MessageField::some(part::AppStateSyncKeyId { key_id: Some(vec![0, 0, 0, 0, 0, 1]) }),
        key_data: MessageField::some(part::AppStateSyncKeyData {
            key_data: Some(rng().random::<[u8; 32]>().to_vec()),
            timestamp: i64::try_from(now()).ok(),
            // A key without a fingerprint is ignored.
            fingerprint: MessageField::some(part::AppStateSyncKeyFingerprint {
                raw_id: Some(1),
                current_index: Some(0),
                device_indexes: vec![0, 1],
            }),
        }),
    };
    part::ProtocolMessage {
        r#type: Some(part::protocol_message::Type::APP_STATE_SYNC_KEY_SHARE),
        app_state_sync_key_share: MessageField::some(part::AppStateSyncKeyShare { keys: vec![key] }),
        ..Default::default()
    }
}

/// No chats, and who the owner is: so short that it needs no file. A device that wants history waits for this first part,
/// and asks for the app state after it.
fn history(phone: &Person) -> part::ProtocolMessage {
    let (pn, lid) = (phone.pn_jid().to_string(), phone.lid_jid().to_string());
    let content = wa::HistorySync {
        sync_type: wa::history_sync::HistorySyncType::INITIAL_BOOTSTRAP,
        chunk_order: Some(1),
        progress: Some(100),
        pushnames: vec![wa::Pushname { id: Some(pn.clone()), pushname: Some(phone.name.clone()) }],
        phone_number_to_lid_mappings: vec![wa::PhoneNumberToLIDMapping { pn_jid: Some(pn), lid_jid: Some(lid) }],
        ..Default::default()
    };
    let notification = part::HistorySyncNotification {
        sync_type: Some(part::HistorySyncType::INITIAL_BOOTSTRAP),
        chunk_order: Some(1),
        progress: Some(100),
        initial_hist_bootstrap_inline_payload: Some(zlib(&content.encode_to_vec())),
        ..Default::default()
    };
    part::ProtocolMessage {
        r#type: Some(part::protocol_message::Type::HISTORY_SYNC_NOTIFICATION),
        history_sync_notification: MessageField::some(notification),
        ..Default::default()
    }
}

/// A zlib stream (RFC 1950) of one stored block: nothing here is long enough to be worth compressing.
fn zlib(content: &[u8]) -> Vec<u8> {
    const MODULUS: u32 = 65521;
    let length = u16::try_from(content.len()).expect("a history without chats is short");
    let (low, high) = content.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % MODULUS;
        (low, (high + low) % MODULUS)
    });
    let head = [&[0x78, 0x01, 0x01][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
    [&head, content, &((high << 16) | low).to_be_bytes()].concat()
}
