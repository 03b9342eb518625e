//! Accounts, contacts and groups, and what the owner of an account does with the phone.

use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use whatsapp_rust::waproto::buffa::Message as _;

use super::{Fake, Order, Told, act};
use crate::account::Account;
use crate::group::{Addressing, Group};
use crate::node;
use crate::person::Person;
use crate::world::World;
use crate::{pairing, passkey};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    number: String,
    lid: Option<String>,
    name: Option<String>,
}

/// A person with that number, and a LID made of it if none is given.
fn person(world: &mut World, new: &New) -> anyhow::Result<Person> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    anyhow::ensure!(digits(&new.number), "a number is digits only, with its country code");
    let lid = new.lid.clone().unwrap_or_else(|| format!("9{}", new.number));
    anyhow::ensure!(digits(&lid), "a LID is digits only");
    anyhow::ensure!(world.person(&new.number).is_none(), "there is a {} already", new.number);
    anyhow::ensure!(world.person(&lid).is_none(), "there is a LID {lid} already");
    Person::new(&new.number, &lid, new.name.as_deref().unwrap_or(&new.number))
}

pub(super) async fn account(State(fake): Fake, Order(new): Order<New>) -> Told {
    act(&fake, |world| {
        let phone = person(world, &new)?;
        let told = json!({ "number": phone.number, "lid": phone.lid });
        world.accounts.insert(phone.number.clone(), Account::new(phone));
        Ok(told)
    })
}

pub(super) async fn contact(State(fake): Fake, Order(new): Order<New>) -> Told {
    act(&fake, |world| {
        let person = person(world, &new)?;
        let told = json!({ "number": person.number, "lid": person.lid });
        world.contacts.insert(person.number.clone(), person);
        Ok(told)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGroup {
    id: Option<String>,
    subject: String,
    members: Vec<String>,
    addressing: Option<Addressing>,
}

pub(super) async fn group(State(fake): Fake, Order(new): Order<NewGroup>) -> Told {
    act(&fake, |world| {
        for member in &new.members {
            anyhow::ensure!(world.person(member).is_some(), "there is nobody {member}");
        }
        let count = world.groups.len();
        let id = new.id.unwrap_or_else(|| format!("12036300000000{count:04}"));
        let addressing = new.addressing.unwrap_or(Addressing::Lid);
        let group = Group { id: id.clone(), subject: new.subject, members: new.members, addressing };
        let told = json!({ "id": id, "jid": group.jid().to_string() });
        world.groups.insert(id, group);
        Ok(told)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scan {
    account: String,
    qr: String,
}

pub(super) async fn scan(State(fake): Fake, Order(scan): Order<Scan>) -> Told {
    act(&fake, |world| pairing::scan(world, &scan.account, &scan.qr).map(|()| json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    account: String,
    code: String,
}

pub(super) async fn enter_code(State(fake): Fake, Order(typed): Order<Typed>) -> Told {
    act(&fake, |world| pairing::enter(world, &typed.account, &typed.code).map(|()| json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirmed {
    account: String,
}

/// The phone goes on to the code, after a good proof.
pub(super) async fn show_passkey(State(fake): Fake, Order(named): Order<Confirmed>) -> Told {
    act(&fake, |world| passkey::show(world, &named.account).map(|()| json!({})))
}

/// The phone's owner says that the phone shows the code that the device shows.
pub(super) async fn confirm_passkey(State(fake): Fake, Order(confirmed): Order<Confirmed>) -> Told {
    act(&fake, |world| passkey::confirm(world, &confirmed.account).map(|()| json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seed {
    account: String,
    /// The device's identity key, in hex.
    identity: String,
    device: Option<u16>,
}

/// Takes a device for linked that never paired; its Noise key is the one of its first login.
pub(super) async fn seed(State(fake): Fake, Order(seed): Order<Seed>) -> Told {
    let server = hex::encode(crate::certificate::public(&fake.identity.key));
    act(&fake, |world| {
        let identity = hex::decode(&seed.identity)?;
        anyhow::ensure!(identity.len() == 32, "an identity key has 32 bytes");
        let account = world.account(&seed.account)?;
        let device = seed.device.unwrap_or(account.devices_so_far + 1);
        // People hold sessions with a device by its number, which is never given twice.
        anyhow::ensure!(device > account.devices_so_far, "device {device} was linked before");
        account.link(device, None);
        let (_, signed) = pairing::sign(&account.phone, device, &identity)?;
        let (jid, lid) = account.device_jids(device);
        Ok(json!({
            "jid": jid.to_string(), "lid": lid.to_string(), "server_key": server,
            "account": hex::encode(signed.encode_to_vec()),
        }))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    account: String,
}

/// The owner removes the device in the phone's settings.
pub(super) async fn unlink(State(fake): Fake, Order(named): Order<Named>) -> Told {
    act(&fake, |world| {
        let account = world.account(&named.account)?;
        anyhow::ensure!(account.device.is_some(), "no device is linked");
        let (socket, number) = (account.socket, account.phone.number.clone());
        if let Some(socket) = socket {
            world.say(socket, node::stream_error("401", Some("device_removed")));
            world.close(socket);
        }
        world.account(&number)?.unlink();
        world.ledger.add("unlinked", json!({ "account": number }));
        Ok(Value::Object(Default::default()))
    })
}
