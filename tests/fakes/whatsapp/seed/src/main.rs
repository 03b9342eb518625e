//! Writes devices into the data folder of a host that is stopped, as linking would have left them, each with the fake's
//! key pinned for the server's. A host built without the certificate bypass then connects to the fake, and a load test
//! links a thousand accounts in seconds.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Parser;
use serde_json::{Value, json};
use switchhook_core::id::AccountId;
use switchhook_core::time::SystemClock;
use switchhook_store::{Durability, KeyFile, StateKey, Store, StoreOptions};
use tokio::task::JoinSet;
use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::wacore::store::{CachedNoiseCert, CachedServerCertChain, Device};
use whatsapp_rust::waproto::buffa::Message as _;
use whatsapp_rust::waproto::whatsapp as wa;

/// Where the connector keeps a device: `backend/device.rs` there.
const DEVICE: StateKey<'static> = StateKey { space: "device", scope: "", name: "" };

/// So many are written to disk with one commit, or a few.
const AT_ONCE: usize = 64;

/// Links channels of a stopped host to accounts of the fake.
#[derive(Parser)]
#[command(
    after_help = "Example:\n  seed-whatsapp --data data --keys keys --control http://127.0.0.1:8083 me=15550001111"
)]
struct Arguments {
    /// The host's data folder
    #[arg(long)]
    data: PathBuf,
    /// The host's folder of keys; a master key is made where there is none
    #[arg(long)]
    keys: PathBuf,
    /// Where the fake is driven from
    #[arg(long)]
    control: String,
    /// Print the private keys of each device in hex, a line each, for whoever looks for them on disk
    #[arg(long)]
    show_keys: bool,
    /// The channel, and the number of an account of the fake
    #[arg(value_name = "CHANNEL=NUMBER", required = true, value_parser = pair)]
    links: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (channel, number) = text.split_once('=').ok_or("expected CHANNEL=NUMBER")?;
    Ok((channel.to_owned(), number.to_owned()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let keys = KeyFile::in_keys_dir(&arguments.keys).keyring()?;
    let options = StoreOptions {
        dir: arguments.data,
        keys,
        durability: Durability::Power,
        network_fs: None,
        clock: Arc::new(SystemClock),
    };
    let (store, _) = Store::open(options)?;
    let http = reqwest::Client::new();
    for some in arguments.links.chunks(AT_ONCE) {
        let mut links = JoinSet::new();
        for (channel, number) in some.iter().cloned() {
            links.spawn(link(store.clone(), http.clone(), arguments.control.clone(), channel, number));
        }
        while let Some(linked) = links.join_next().await {
            let device = linked??;
            if arguments.show_keys {
                private(&device).iter().for_each(|key| println!("{}", hex::encode(key)));
            }
        }
    }
    store.close();
    Ok(())
}

async fn link(
    store: Store,
    http: reqwest::Client,
    control: String,
    channel: String,
    number: String,
) -> anyhow::Result<Device> {
    let device = linked(&http, &control, &number).await.with_context(|| format!("linking {channel}"))?;
    let states = store.account_state(&AccountId::new("whatsapp", &channel));
    let mut batch = states.batch();
    batch.put(DEVICE, &serde_json::to_vec(&device)?);
    states.commit(batch).await?;
    Ok(device)
}

/// All that whoever has it is the device.
fn private(device: &Device) -> [Vec<u8>; 4] {
    let of = |pair: &KeyPair| pair.private_key.serialize().to_vec();
    [of(&device.noise_key), of(&device.identity_key), of(&device.signed_pre_key), device.adv_secret_key.to_vec()]
}

/// A device that the fake takes for linked to this account.
async fn linked(http: &reqwest::Client, control: &str, number: &str) -> anyhow::Result<Device> {
    let mut device = Device::new();
    let identity = hex::encode(device.identity_key.public_key.public_key_bytes());
    let request = json!({ "account": number, "identity": identity });
    let answer = http.post(format!("{control}/_control/seed")).json(&request).send().await?;
    let (status, told) = (answer.status(), answer.json::<Value>().await?);
    ensure!(status.is_success(), "the fake refused: {told}");
    let field = |name: &str| told[name].as_str().with_context(|| format!("the fake told no {name}"));
    device.pn = Some(field("jid")?.parse()?);
    device.lid = Some(field("lid")?.parse()?);
    device.push_name = "Seeded".to_owned();
    let signed = hex::decode(field("account")?)?;
    device.account = Some(Arc::new(wa::ADVSignedDeviceIdentity::decode_from_slice(&signed)?));
    let key: [u8; 32] = hex::decode(field("server_key")?)?.try_into().ok().context("a key has 32 bytes")?;
    let pinned = |key| CachedNoiseCert { key, not_before: 1, not_after: u32::MAX.into() };
    device.server_cert_chain = Some(CachedServerCertChain { intermediate: pinned([7; 32]), leaf: pinned(key) });
    Ok(device)
}
