//! Linking where the account demands its passkey: after the scan the phone asks for a proof, both sides show a code, and
//! only then is the device accepted.

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand::RngExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use whatsapp_rust::wacore::libsignal::crypto::Aes256GcmDecryption;
use whatsapp_rust::wacore::libsignal::protocol::{KeyPair, PublicKey};
use whatsapp_rust::wacore::shortcake::ShortcakeUtils;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::waproto::buffa::Message as _;
use whatsapp_rust::waproto::whatsapp as wa;

use crate::certificate::{public, rng};
use crate::node::{self, attr, bytes, child, child_bytes, leaf};
use crate::pairing;
use crate::world::{Socket, World};

/// Whose proofs are good: the page that a person would link on.
const ORIGIN: &str = "https://web.whatsapp.com";

/// A device that was scanned, until it is accepted.
pub(crate) struct Demand {
    account: String,
    challenge: String,
    reference: String,
    /// Once the proof was good.
    proven: Option<Proven>,
}

struct Proven {
    ours: KeyPair,
    nonce: [u8; 32],
    /// What the device has said of itself, and the hash that binds it to the nonce it shows later.
    identity: Vec<u8>,
    commitment: Vec<u8>,
    /// Whether both sides show the code.
    compared: bool,
    /// The device says that both codes are the same, and gives what it proves itself with from now on.
    secret: Option<Vec<u8>>,
}

/// The phone asks for the proof.
pub(crate) fn demand(world: &mut World, account: &str, socket: u64) -> anyhow::Result<()> {
    let account = world.account(account)?.phone.number.clone();
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(rng().random::<[u8; 32]>());
    let options = json!({ "challenge": challenge, "rpId": "web.whatsapp.com", "userVerification": "required" });
    let reference = node::id("4@fake");
    let at = world.sockets.get_mut(&socket).context("closed")?;
    at.refs = None;
    at.demand = Some(Demand { account: account.clone(), challenge, reference, proven: None });
    let asked = leaf("passkey_request_options", options.to_string());
    world.say(socket, node::notification("passkey_prologue_request", asked));
    world.ledger.add("passkey", json!({ "account": account, "connection": socket, "step": "asked" }));
    Ok(())
}

/// The steps of a device that was asked.
pub(crate) fn step(world: &mut World, socket: u64, iq: &Node) -> anyhow::Result<()> {
    let id = attr(iq, "id");
    let first = iq.children().and_then(|children| children.first()).context("an empty request")?;
    let at = world.sockets.get_mut(&socket).context("closed")?;
    let mut demand = at.demand.take().context("nobody asked this device for a passkey")?;
    let (noise, identity) = (at.noise, at.identity.clone());
    let tell = |world: &mut World, step: Value| {
        let told = json!({ "account": demand.account, "connection": socket, "step": step });
        world.ledger.add("passkey", told);
    };
    match first.tag.as_ref() {
        "ref" => world.say(socket, node::result(&id, [leaf("ref", demand.reference.clone())])),
        "passkey_prologue" => match prove(&demand.challenge, first) {
            Ok(proven) => {
                world.say(socket, node::result(&id, []));
                tell(world, json!("proven"));
                demand.proven = Some(proven);
            }
            Err(why) => {
                world.say(socket, node::refusal(&id, 401, "not-authorized"));
                tell(world, json!({ "refused": format!("{why:#}") }));
            }
        },
        "companion_nonce" => {
            let proven = demand.proven.as_mut().context("a nonce before the proof")?;
            let code = compare(proven, bytes(first))?;
            world.say(socket, node::result(&id, []));
            tell(world, json!({ "code": code }));
        }
        "encrypted_pairing_request" => {
            let proven = demand.proven.as_mut().filter(|p| p.compared).context("a request before the code")?;
            let request = open(proven, &demand.reference, bytes(first))?;
            ensure!(request.companion_public_key.as_deref() == Some(&noise[..]), "the request has another noise key");
            let theirs = request.companion_identity_key.as_deref();
            ensure!(theirs == Some(&identity[..]), "the request is of another device");
            proven.secret = Some(request.adv_secret.context("the request has no secret")?);
            world.say(socket, node::result(&id, []));
            tell(world, json!("requested"));
        }
        tag => bail!("a step <{tag}> of linking with a passkey"),
    }
    world.sockets.get_mut(&socket).context("closed")?.demand = Some(demand);
    Ok(())
}

/// The phone has had its owner's proof, and goes on to the code.
pub(crate) fn show(world: &mut World, account: &str) -> anyhow::Result<()> {
    let number = world.account(account)?.phone.number.clone();
    let proven = |(id, at): (&u64, &Socket)| {
        let demand = at.demand.as_ref().filter(|demand| demand.account == number)?;
        let proven = demand.proven.as_ref()?;
        Some((*id, public(&proven.ours).to_vec(), proven.nonce.to_vec()))
    };
    let found = world.sockets.iter().find_map(proven);
    let (socket, public_key, nonce) = found.context("no device has proven this owner's passkey")?;
    let shown = wa::PrimaryEphemeralIdentity { public_key: Some(public_key), nonce: Some(nonce) };
    let told = leaf("primary_ephemeral_identity", shown.encode_to_vec());
    world.say(socket, node::notification("crsc_continuation", told));
    Ok(())
}

/// The phone's owner finds the codes the same, after the device said so.
pub(crate) fn confirm(world: &mut World, account: &str) -> anyhow::Result<()> {
    let number = world.account(account)?.phone.number.clone();
    let asked = |demand: &Option<Demand>| demand.as_ref().is_some_and(|demand| demand.account == number);
    let found = world.sockets.iter_mut().find(|(_, at)| asked(&at.demand));
    let (&socket, at) = found.context("no device is being linked with a passkey")?;
    let secret = at.demand.as_ref().and_then(|demand| demand.proven.as_ref()?.secret.clone());
    let (secret, identity) = (secret.context("the device has not confirmed the code")?, at.identity.clone());
    at.demand = None;
    pairing::accept(world, &number, socket, &identity, &secret)
}

/// Whether a browser answered this very challenge, on the right page. The signature is the authenticator's affair.
fn prove(challenge: &str, prologue: &Node) -> anyhow::Result<Proven> {
    let assertion: Value = serde_json::from_slice(&child_bytes(prologue, "webauthn_assertion")?)?;
    let decode = |value: &Value| {
        let text = value.as_str().context("not a text")?;
        BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).context("not base64url")
    };
    ensure!(decode(&assertion["rawId"])? == child_bytes(prologue, "credential_id")?, "another credential's id");
    let client: Value = serde_json::from_slice(&decode(&assertion["response"]["clientDataJSON"])?)?;
    ensure!(client["challenge"] == challenge, "the answer is to another challenge");
    ensure!(client["type"] == "webauthn.get" && client["origin"] == ORIGIN, "the answer is of another page");
    ensure!(!decode(&assertion["response"]["signature"])?.is_empty(), "no signature");
    let payload = wa::ProloguePayload::decode_from_slice(bytes(child(prologue, "prologue_payload")?))?;
    let identity = payload.companion_ephemeral_identity.context("no ephemeral identity")?;
    let commitment = payload.commitment.as_option().and_then(|c| c.hash.clone()).context("no commitment")?;
    let (ours, nonce) = (KeyPair::generate(&mut rng()), rng().random::<[u8; 32]>());
    Ok(Proven { ours, nonce, identity, commitment, compared: false, secret: None })
}

/// The code that both sides show.
fn compare(proven: &mut Proven, nonce: &[u8]) -> anyhow::Result<String> {
    let nonce: [u8; 32] = nonce.try_into().ok().context("a nonce has 32 bytes")?;
    let bound = Sha256::new().chain_update(&proven.identity).chain_update(nonce).finalize();
    ensure!(bound[..] == proven.commitment[..], "the nonce is not the one that was promised");
    proven.compared = true;
    let code = ShortcakeUtils::derive_verification_code(&nonce, &public(&proven.ours), &proven.nonce);
    let (first, second) = code.split_at_checked(4).context("a code has 8 characters")?;
    Ok(format!("{first}-{second}"))
}

fn open(proven: &Proven, reference: &str, wrapped: &[u8]) -> anyhow::Result<wa::PairingRequest> {
    let device = wa::CompanionEphemeralIdentity::decode_from_slice(&proven.identity)?;
    ensure!(device.r#ref.as_deref() == Some(reference), "the identity is for another reference");
    let theirs = PublicKey::from_djb_public_key_bytes(device.public_key.as_deref().context("no public key")?)?;
    let shared: [u8; 32] = proven.ours.calculate_agreement(&theirs)?[..].try_into()?;
    let kind = device.device_type.context("no type of device")?;
    let key = ShortcakeUtils::derive_encryption_key_from_shared_secret(&shared, kind, reference)?;
    let wrapped = wa::EncryptedPairingRequest::decode_from_slice(wrapped)?;
    let (sealed, iv) = (wrapped.encrypted_payload.context("no payload")?, wrapped.iv.context("no nonce")?);
    let (body, tag) = sealed.split_at_checked(sealed.len().saturating_sub(16)).context("too short")?;
    let mut plain = body.to_vec();
    let mut opening = Aes256GcmDecryption::new(&key, &iv, b"")?;
    opening.decrypt(&mut plain);
    opening.verify_tag(tag).ok().context("the request does not open")?;
    Ok(wa::PairingRequest::decode_from_slice(&plain)?)
}
