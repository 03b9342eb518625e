//! The real client against the fake, from the first scan to the unlinking.

mod people;

use std::time::Duration;

use anyhow::Result;
use people::{Device, World};
use serde_json::json;
use whatsapp_rust::prelude::*;
use whatsapp_rust::wacore::download::MediaType;

const ACCOUNT: &str = "15550001111";
const CONTACT: &str = "15550002222";

/// Scanned, told to restart, logged in; text both ways, from LID and from number.
#[tokio::test(flavor = "multi_thread")]
async fn links_by_qr_and_talks() -> Result<()> {
    let world = World::start().await?;
    world.people(ACCOUNT, &[CONTACT]).await?;
    let mut device = Device::start(&world).await?;
    device.link_by_qr(&world, ACCOUNT).await?;

    for (name, text) in [("lid", "hello from my LID"), ("pn", "hello from my number")] {
        world.post("write", json!({ "account": ACCOUNT, "from": CONTACT, "as": name, "text": text })).await?;
        let chat = device.text(text).await?;
        let sent = device.client().send_text(chat, format!("you said {text}")).await?;
        let read = world.entry(&format!("event=sent&id={}", sent.message_id)).await?;
        assert_eq!(read["text"], format!("you said {text}"));
        assert_eq!(read["recipients"], json!([CONTACT]));
        assert_eq!(read["phone_copy"], true);
        // What the contact's phone told of it has arrived.
        device.until("a delivery receipt", |event| matches!(event, Event::Receipt(_)).then_some(())).await?;
    }
    world.entry(&format!("account={ACCOUNT}&waiting=0")).await?;
    world.no_violations().await?;
    device.stop().await;
    Ok(())
}

/// A wrong code is refused by the phone, the right one links.
#[tokio::test(flavor = "multi_thread")]
async fn links_by_code_after_a_wrong_one() -> Result<()> {
    let world = World::start().await?;
    world.people(ACCOUNT, &[CONTACT]).await?;
    world.people("15550003333", &[]).await?;
    let mut device = Device::start(&world).await?;
    device.qr().await?;
    let options = whatsapp_rust::pair_code::PairCodeOptions { phone_number: ACCOUNT.into(), ..Default::default() };
    let code = device.client().pair_with_code(options).await?;
    let other = json!({ "account": "15550003333", "code": code });
    assert!(world.post("enter-code", other).await.is_err(), "no code is shown for another number");
    let wrong = if code == "ABCDEFGH" { "HGFEDCBA" } else { "ABCDEFGH" };
    world.post("enter-code", json!({ "account": ACCOUNT, "code": wrong })).await?;
    world.entry("event=code_refused").await?;
    world.post("enter-code", json!({ "account": ACCOUNT, "code": code })).await?;
    device.logged_in(&world, ACCOUNT).await?;
    world.no_violations().await?;
    device.stop().await;
    Ok(())
}

/// An image goes up, is read by the contact, and one of the contact's comes down.
#[tokio::test(flavor = "multi_thread")]
async fn media_both_ways() -> Result<()> {
    let world = World::start().await?;
    world.people(ACCOUNT, &[CONTACT]).await?;
    let mut device = Device::start(&world).await?;
    device.link_by_qr(&world, ACCOUNT).await?;
    let media = json!({ "kind": "image", "media_type": "image/png", "content": "not really a picture" });
    world.post("write", json!({ "account": ACCOUNT, "from": CONTACT, "text": "look", "media": media })).await?;
    let image = device
        .until("an image", |event| match event {
            Event::Messages(_) => event.messages().find_map(|m| m.message.image_message.as_option().cloned()),
            _ => None,
        })
        .await?;
    assert_eq!(image.caption.as_deref(), Some("look"));
    assert_eq!(device.client().download(&image).await?, b"not really a picture");

    let content = b"neither is this".repeat(100);
    let up = device.client().upload(content, MediaType::Image, whatsapp_rust::UploadOptions::new()).await?;
    let image = wa::message::ImageMessage {
        url: Some(up.url.clone()),
        direct_path: Some(up.direct_path.clone()),
        media_key: Some(up.media_key.to_vec()),
        file_enc_sha256: Some(up.file_enc_sha256.to_vec()),
        file_sha256: Some(up.file_sha256.to_vec()),
        file_length: Some(up.file_length),
        mimetype: Some("image/png".into()),
        caption: Some("see".into()),
        ..Default::default()
    };
    let message = wa::Message { image_message: MessageField::some(image), ..Default::default() };
    let to: Jid = format!("{CONTACT}@s.whatsapp.net").parse().expect("a jid");
    let sent = device.client().send_message(to, message).await?;
    let read = world.entry(&format!("event=sent&id={}", sent.message_id)).await?;
    assert_eq!(
        (&read["kind"], &read["text"], &read["content"]["bytes"]),
        (&json!("image"), &json!("see"), &json!(1500))
    );
    world.no_violations().await?;
    device.stop().await;
    Ok(())
}

/// What is written while the device is away waits for it, more than a primer of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_comes_after_an_outage() -> Result<()> {
    let world = World::start().await?;
    world.people(ACCOUNT, &[CONTACT]).await?;
    let mut device = Device::start(&world).await?;
    device.link_by_qr(&world, ACCOUNT).await?;
    world.post("outage", json!({ "on": true })).await?;
    world.entry(&format!("event=closed&account={ACCOUNT}&ready=false")).await?;
    for number in 0..12 {
        let text = format!("while away {number}");
        world.post("write", json!({ "account": ACCOUNT, "from": CONTACT, "text": text })).await?;
    }
    world.post("outage", json!({ "on": false })).await?;
    let mut got = std::collections::BTreeSet::new();
    while got.len() < 12 {
        got.extend(device.texts().await?);
    }
    world.entry(&format!("account={ACCOUNT}&waiting=0&ready=true")).await?;
    world.no_violations().await?;
    device.stop().await;
    Ok(())
}

/// Sender keys both ways.
#[tokio::test(flavor = "multi_thread")]
async fn groups_are_read_by_everybody() -> Result<()> {
    let world = World::start().await?;
    world.people(ACCOUNT, &[CONTACT, "15550004444"]).await?;
    let members = json!([CONTACT, ACCOUNT, "15550004444"]);
    let group = world.post("groups", json!({ "subject": "Us", "members": members })).await?;
    let mut device = Device::start(&world).await?;
    device.link_by_qr(&world, ACCOUNT).await?;
    for text in ["first in the group", "second in the group"] {
        world.post("write", json!({ "account": ACCOUNT, "from": CONTACT, "group": group["id"], "text": text })).await?;
        let chat = device.text(text).await?;
        assert_eq!(chat.to_string(), group["jid"].as_str().unwrap_or_default());
        let sent = device.client().send_text(chat, format!("re: {text}")).await?;
        let read = world.entry(&format!("event=sent&id={}", sent.message_id)).await?;
        assert_eq!(read["recipients"], json!([CONTACT, "15550004444"]));
        assert_eq!(read["text"], format!("re: {text}"));
    }
    world.no_violations().await?;
    device.stop().await;
    Ok(())
}

/// Removed in the phone's settings: told so, and not let in again.
#[tokio::test(flavor = "multi_thread")]
async fn unlinked_is_logged_out() -> Result<()> {
    let world = World::start().await?;
    world.people(ACCOUNT, &[CONTACT]).await?;
    let mut device = Device::start(&world).await?;
    device.link_by_qr(&world, ACCOUNT).await?;
    world.post("unlink", json!({ "account": ACCOUNT })).await?;
    device.until("logged out", |event| matches!(event, Event::LoggedOut(_)).then_some(())).await?;
    Ok(())
}

/// The refusals that have an event of their own.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told() -> Result<()> {
    let world = World::start().await?;
    world.people(ACCOUNT, &[CONTACT]).await?;
    let mut device = Device::start(&world).await?;
    device.link_by_qr(&world, ACCOUNT).await?;
    let to: Jid = format!("{CONTACT}@s.whatsapp.net").parse().expect("a jid");
    world.post("faults", json!({ "account": ACCOUNT, "ack": { "code": 463, "times": 1 } })).await?;
    device.client().send_text(to.clone(), "not now").await?;
    world.entry("event=nacked").await?;
    device.client().send_text(to, "but now").await?;
    world.entry("event=sent&text=but%20now").await?;
    let ban = json!({ "reason": 402, "code": 101, "expire": 3600, "times": 1 });
    world.post("faults", json!({ "account": ACCOUNT, "refuse": ban })).await?;
    world.post("drop", json!({ "account": ACCOUNT })).await?;
    let ban = device.until("banned", |event| match event {
        Event::TemporaryBan(ban) => Some(ban.expire.num_seconds()),
        _ => None,
    });
    assert_eq!(ban.await?, 3600);
    tokio::time::timeout(Duration::from_secs(10), device.ended()).await?;
    Ok(())
}
