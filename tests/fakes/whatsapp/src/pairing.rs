//! Linking a device: by a QR code that a phone scans, or by a code that is typed into it.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;
use whatsapp_rust::wacore::crypto::hkdf_sha256_into;
use whatsapp_rust::wacore::libsignal::crypto::Aes256GcmDecryption;
use whatsapp_rust::wacore::libsignal::protocol::{KeyPair, PublicKey};
use whatsapp_rust::wacore::pair_code::PairCodeUtils;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::waproto::buffa::Message as _;
use whatsapp_rust::waproto::whatsapp as wa;

use crate::certificate::{now, public, rng};
use crate::device;
use crate::node::{self, attr, child, child_bytes, leaf};
use crate::passkey;
use crate::person::Person;
use crate::world::World;

/// The first QR code is good for a minute, the five after it for 20 seconds each.
const FIRST: Duration = Duration::from_secs(60);
const NEXT: Duration = Duration::from_secs(20);
const REFS: u32 = 6;
/// A typed code is good for three minutes, and for three attempts.
const CODE: Duration = Duration::from_secs(180);
const ATTEMPTS: u32 = 3;

/// What QR codes are made of.
pub(crate) struct Refs {
    refs: Vec<String>,
    since: Instant,
}

/// A phone has accepted a device, which has to prove its identity yet.
pub(crate) struct Pairing {
    account: String,
    device: u16,
    details: Vec<u8>,
}

/// A code that a device shows.
pub(crate) struct LinkCode {
    socket: u64,
    reference: Vec<u8>,
    wrapped: Vec<u8>,
    since: Instant,
    attempts: u32,
    /// What the phone answered the last attempt with, and what it took for the device's key.
    answer: Option<(KeyPair, [u8; 32])>,
}

impl Refs {
    fn is_good(&self, wanted: &str) -> bool {
        let until = |place: usize| FIRST + NEXT * u32::try_from(place).unwrap_or(REFS);
        let place = self.refs.iter().position(|one| one == wanted);
        place.is_some_and(|place| self.since.elapsed() <= until(place))
    }
}

/// What a device registers with, which has to fit together; gives its identity key.
pub(crate) fn registration(data: &wa::client_payload::DevicePairingRegistrationData) -> anyhow::Result<Vec<u8>> {
    let part = |part: &Option<Vec<u8>>, length: usize, name: &str| {
        let part = part.clone().unwrap_or_default();
        ensure!(part.len() == length, "a registration with {} bytes of {name}", part.len());
        Ok(part)
    };
    part(&data.e_regid, 4, "registration id")?;
    ensure!(part(&data.e_keytype, 1, "key type")? == [5], "a registration with another type of keys");
    part(&data.e_skey_id, 3, "signed prekey's id")?;
    let identity = part(&data.e_ident, 32, "identity")?;
    let (value, signature) = (part(&data.e_skey_val, 32, "signed prekey")?, part(&data.e_skey_sig, 64, "signature")?);
    device::verify(&identity, &value, &signature)?;
    Ok(identity)
}

pub(crate) fn offer(world: &mut World, socket: u64, identity: Vec<u8>) -> anyhow::Result<()> {
    let at = world.sockets.get_mut(&socket).context("closed")?;
    let refs: Vec<String> = (0..REFS).map(|_| node::id("2@fake")).collect();
    let nodes: Vec<Node> = refs.iter().map(|one| leaf("ref", one.as_bytes())).collect();
    (at.identity, at.refs) = (identity, Some(Refs { refs, since: Instant::now() }));
    world.say(socket, node::request("md", NodeBuilder::new("pair-device").children(nodes).build()));
    Ok(())
}

/// A phone scans a QR code.
pub(crate) fn scan(world: &mut World, account: &str, qr: &str) -> anyhow::Result<()> {
    let parts: Vec<&str> = qr.rsplit('#').next().unwrap_or(qr).split(',').collect();
    let [reference, noise, identity, secret, ..] = parts[..] else { bail!("that is no WhatsApp QR code") };
    let decode = |text: &str| BASE64_STANDARD.decode(text).context("that is no WhatsApp QR code");
    let (noise, identity, secret) = (decode(noise)?, decode(identity)?, decode(secret)?);
    let shows = |refs: &Option<Refs>| refs.as_ref().is_some_and(|refs| refs.is_good(reference));
    let found = world.sockets.iter().find(|(_, socket)| shows(&socket.refs));
    let (&id, socket) = found.context("the QR code has expired, or nobody shows it any more")?;
    ensure!(socket.noise[..] == noise && socket.identity == identity, "the QR code has other keys than its device");
    if world.account(account)?.faults.passkey {
        return passkey::demand(world, account, id);
    }
    accept(world, account, id, &identity, &secret)
}

/// The steps of a device that shows a code.
pub(crate) fn code_step(world: &mut World, socket: u64, iq: &Node) -> anyhow::Result<()> {
    let request = child(iq, "link_code_companion_reg")?;
    let number = node::jid(request, "jid")?.user.to_string();
    let id = attr(iq, "id");
    if world.account(&number).is_err() {
        world.say(socket, node::refusal(&id, 400, "bad-request"));
        return Ok(());
    }
    match attr(request, "stage").as_str() {
        "companion_hello" => {
            if let Some(answer) = show_code(world, socket, &number, &id, request)? {
                world.say(socket, answer);
            }
            Ok(())
        }
        "companion_finish" => {
            world.say(socket, node::result(&id, []));
            finish_code(world, socket, &number, request)
        }
        stage => bail!("a stage {stage:?} of linking by code"),
    }
}

/// A device shows a code, for the phone of a number. None where the server is to say nothing.
fn show_code(world: &mut World, socket: u64, number: &str, id: &str, request: &Node) -> anyhow::Result<Option<Node>> {
    let account = world.account(number)?;
    if let Some(error) = account.faults.code_error() {
        let refused = || node::refusal(id, error.code, error.text.as_deref().unwrap_or("refused"));
        return Ok((error.code != 0).then(refused));
    }
    let reference = node::id("3@fake").into_bytes();
    let wrapped = child_bytes(request, "link_code_pairing_wrapped_companion_ephemeral_pub")?;
    ensure!(wrapped.len() == 80, "a wrapped key of {} bytes", wrapped.len());
    let since = Instant::now();
    account.code = Some(LinkCode { socket, reference: reference.clone(), wrapped, since, attempts: 0, answer: None });
    world.ledger.add("code", json!({ "account": number, "connection": socket }));
    let body = NodeBuilder::new("link_code_companion_reg").attr("stage", "companion_hello");
    Ok(Some(node::result(id, [body.children([leaf("link_code_pairing_ref", reference)]).build()])))
}

/// The device has seen what the phone answered; if the code was typed rightly, the phone accepts the device.
fn finish_code(world: &mut World, socket: u64, number: &str, request: &Node) -> anyhow::Result<()> {
    let bundle = child_bytes(request, "link_code_pairing_wrapped_key_bundle")?;
    let identity = child_bytes(request, "companion_identity_public")?;
    let account = world.account(number)?;
    let code = account.code.as_ref().filter(|code| code.socket == socket).context("no code is outstanding here")?;
    match open_bundle(&account.phone, code, &bundle, &identity) {
        Ok(secret) => {
            account.code = None;
            accept(world, number, socket, &identity, &secret)
        }
        Err(why) => {
            world.ledger.add("code_refused", json!({ "account": number, "why": format!("{why:#}") }));
            Ok(())
        }
    }
}

/// Somebody types a code into the phone. Whether it is right shows when the device has answered.
pub(crate) fn enter(world: &mut World, account: &str, typed: &str) -> anyhow::Result<()> {
    let account = world.account(account)?;
    let code = account.code.as_mut().context("no device shows a code for this number")?;
    ensure!(code.since.elapsed() <= CODE, "the code has expired");
    ensure!(code.attempts < ATTEMPTS, "too many attempts; ask for a new code");
    let typed: String = typed.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_uppercase();
    ensure!(typed.len() == 8, "a code has 8 characters");
    code.attempts += 1;
    let theirs = PairCodeUtils::decrypt_primary_ephemeral_pub(&code.wrapped, &typed)?;
    let ours = KeyPair::generate(&mut rng());
    let wrapped = PairCodeUtils::encrypt_ephemeral_pub(&public(&ours), &typed);
    let body = NodeBuilder::new("link_code_companion_reg").attr("stage", "primary_hello").children([
        leaf("link_code_pairing_wrapped_primary_ephemeral_pub", wrapped),
        leaf("primary_identity_pub", public(&account.phone.identity)),
        leaf("link_code_pairing_ref", code.reference.clone()),
    ]);
    code.answer = Some((ours, theirs));
    let socket = code.socket;
    ensure!(world.sockets.contains_key(&socket), "the device that showed the code is gone");
    world.say(socket, node::notification("link_code_companion_reg", body.build()));
    Ok(())
}

/// Opens what the device sends back. Fails if the code was typed wrongly: then both have other keys. Gives the secret
/// that proves the acceptance.
fn open_bundle(phone: &Person, code: &LinkCode, bundle: &[u8], identity: &[u8]) -> anyhow::Result<[u8; 32]> {
    let (ours, theirs) = code.answer.as_ref().context("nobody typed the code")?;
    ensure!(bundle.len() == 32 + 12 + 96 + 16, "a bundle of {} bytes", bundle.len());
    let shared = ours.calculate_agreement(&PublicKey::from_djb_public_key_bytes(theirs)?)?;
    let mut key = [0u8; 32];
    let purpose = b"link_code_pairing_key_bundle_encryption_key";
    hkdf_sha256_into(&shared, Some(&bundle[..32]), purpose, &mut key).ok().context("no key")?;
    let mut plain = bundle[44..140].to_vec();
    let mut opening = Aes256GcmDecryption::new(&key, &bundle[32..44], b"")?;
    opening.decrypt(&mut plain);
    opening.verify_tag(&bundle[140..]).ok().context("the code was typed wrongly")?;
    ensure!(plain[..32] == *identity, "the bundle is of another device");
    ensure!(plain[32..64] == public(&phone.identity), "the bundle is for another phone");
    let own = phone.identity.calculate_agreement(&PublicKey::from_djb_public_key_bytes(identity)?)?;
    let material = [&shared[..], &own[..], &plain[64..96]].concat();
    let mut secret = [0u8; 32];
    hkdf_sha256_into(&material, None, b"adv_secret", &mut secret).ok().context("no key")?;
    Ok(secret)
}

/// The phone signs the device's identity, and the server passes that on.
pub(crate) fn accept(
    world: &mut World,
    number: &str,
    socket: u64,
    identity: &[u8],
    secret: &[u8],
) -> anyhow::Result<()> {
    let account = world.account(number)?;
    let number = account.phone.number.clone();
    let device = account.devices_so_far + 1;
    let (details, signed) = sign(&account.phone, device, identity)?;
    let signed = signed.encode_to_vec();
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret).context("a bad secret")?;
    mac.update(&signed);
    let proof = wa::ADVSignedDeviceIdentityHMAC {
        details: Some(signed),
        hmac: Some(mac.finalize().into_bytes().to_vec()),
        ..Default::default()
    };
    let (jid, lid) = account.device_jids(device);
    let at = world.sockets.get_mut(&socket).context("the device is gone")?;
    at.refs = None;
    at.pairing = Some(Pairing { account: number.clone(), device, details });
    let success = NodeBuilder::new("pair-success").children([
        leaf("device-identity", proof.encode_to_vec()),
        NodeBuilder::new("device").attr("jid", jid).attr("lid", lid).build(),
        NodeBuilder::new("platform").attr("name", "android").build(),
    ]);
    world.say(socket, node::request("md", success.build()));
    world.ledger.add("scanned", json!({ "account": number, "connection": socket }));
    Ok(())
}

/// What the phone says of a device, and its signature.
pub(crate) fn sign(
    phone: &Person,
    device: u16,
    identity: &[u8],
) -> anyhow::Result<(Vec<u8>, wa::ADVSignedDeviceIdentity)> {
    let details = wa::ADVDeviceIdentity {
        raw_id: Some(phone.registration),
        timestamp: Some(now()),
        key_index: Some(device.into()),
        ..Default::default()
    }
    .encode_to_vec();
    let message = [&[6u8, 0][..], &details, identity].concat();
    let signature = phone.identity.private_key.calculate_signature(&message, &mut rng())?;
    let signed = wa::ADVSignedDeviceIdentity {
        details: Some(details.clone()),
        account_signature_key: Some(public(&phone.identity).to_vec()),
        account_signature: Some(signature.to_vec()),
        ..Default::default()
    };
    Ok((details, signed))
}

/// The device has countersigned: it is linked, and told to come back as such.
pub(crate) fn signed(world: &mut World, socket: u64, identity: &[u8]) -> anyhow::Result<()> {
    let at = world.sockets.get_mut(&socket).context("closed")?;
    let pairing = at.pairing.take().context("a signature that nobody asked for")?;
    let (noise, key, name) = (at.noise, at.identity.clone(), at.name.clone());
    let account = world.account(&pairing.account)?;
    let signed = wa::ADVSignedDeviceIdentity::decode_from_slice(identity)?;
    let message = [&[6u8, 1][..], &pairing.details, &key, &public(&account.phone.identity)].concat();
    let signature = signed.device_signature.context("no device signature")?;
    let good = PublicKey::from_djb_public_key_bytes(&key)?.verify_signature(&message, &signature);
    ensure!(good, "the device's signature is wrong");
    account.link(pairing.device, Some(noise));
    if let Some(device) = &mut account.device {
        (device.identity, device.name) = (key, name.clone());
    }
    world.ledger.add("paired", json!({ "account": pairing.account, "device": pairing.device, "name": name }));
    world.say(socket, node::stream_error("515", None));
    world.close(socket);
    Ok(())
}
