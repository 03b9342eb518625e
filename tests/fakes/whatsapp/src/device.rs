//! A linked device, as the server sees it: its keys, and its one-time keys, each handed out once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use whatsapp_rust::wacore::libsignal::protocol::*;
use whatsapp_rust::wacore::prekeys::compute_key_bundle_digest;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::builder::NodeBuilder;

use crate::node::{bytes, child, child_bytes, leaf, number};

/// A signed prekey: its id, the key, the signature.
type Signed = (u32, Vec<u8>, Vec<u8>);

#[derive(Debug, Default)]
pub(crate) struct Device {
    /// Of which account, by number.
    pub(crate) account: String,
    /// 1 for the first; a device that is linked again gets the next one.
    pub(crate) id: u16,
    /// The Noise key it paired with; none until a device that was seeded shows its own.
    pub(crate) noise: Option<[u8; 32]>,
    /// What it calls itself; empty for one that was seeded.
    pub(crate) name: String,
    registration: u32,
    pub(crate) identity: Vec<u8>,
    signed: Signed,
    one_time: BTreeMap<u32, Vec<u8>>,
    handed_out: BTreeSet<u32>,
}

impl Device {
    pub(crate) fn new(account: &str, id: u16, noise: Option<[u8; 32]>) -> Self {
        Self { account: account.to_owned(), id, noise, ..Self::default() }
    }

    /// Under which name people hold their sessions with it.
    pub(crate) fn address(&self) -> ProtocolAddress {
        ProtocolAddress::new(&self.account, u32::from(self.id).into())
    }

    /// Takes in an upload; gives how many keys it had, or what is wrong with it.
    pub(crate) fn upload(&mut self, iq: &Node) -> anyhow::Result<usize> {
        let identity = child_bytes(iq, "identity")?;
        anyhow::ensure!(identity.len() == 32, "an identity of {} bytes", identity.len());
        anyhow::ensure!(self.identity.is_empty() || self.identity == identity, "the device has another identity now");
        let signed = signed_key(iq, &identity)?;
        let mut fresh = BTreeMap::new();
        for key in child(iq, "list")?.get_children_by_tag("key") {
            let id = number(&child_bytes(key, "id")?);
            anyhow::ensure!(!self.handed_out.contains(&id), "prekey {id} was handed out already");
            let value = child_bytes(key, "value")?;
            anyhow::ensure!(value.len() == 32, "prekey {id} has {} bytes", value.len());
            anyhow::ensure!(fresh.insert(id, value).is_none(), "prekey {id} twice in one upload");
        }
        anyhow::ensure!(!fresh.is_empty(), "an upload without prekeys");
        self.registration = number(bytes(child(iq, "registration")?));
        self.identity = identity;
        self.signed = signed;
        let count = fresh.len();
        self.one_time.extend(fresh);
        Ok(count)
    }

    /// Takes in another signed prekey.
    pub(crate) fn rotate(&mut self, rotate: &Node) -> anyhow::Result<()> {
        anyhow::ensure!(!self.identity.is_empty(), "a rotation before the first upload");
        self.signed = signed_key(rotate, &self.identity)?;
        Ok(())
    }

    /// What the key server has of it, and a hash of that, for the device to compare with what it has itself; nothing
    /// before its first upload.
    pub(crate) fn digest(&self) -> Option<Node> {
        let (id, value, signature) = &self.signed;
        let keys: Vec<&[u8]> = self.one_time.values().map(Vec::as_slice).collect();
        let hash = compute_key_bundle_digest(&self.identity, value, signature, &keys);
        let name = |id: u32| leaf("id", &id.to_be_bytes()[1..]);
        let signed = [name(*id), leaf("value", value.as_slice()), leaf("signature", signature.as_slice())];
        let digest = NodeBuilder::new("digest").children([
            leaf("registration", self.registration.to_be_bytes()),
            leaf("type", [5]),
            leaf("identity", self.identity.as_slice()),
            NodeBuilder::new("skey").children(signed).build(),
            NodeBuilder::new("list").children(self.one_time.keys().map(|id| name(*id))).build(),
            leaf("hash", hash),
        ]);
        (!value.is_empty()).then(|| digest.build())
    }

    /// How many one-time keys are left.
    pub(crate) fn left(&self) -> usize {
        self.one_time.len()
    }

    pub(crate) fn bundle(&mut self) -> anyhow::Result<PreKeyBundle> {
        anyhow::ensure!(!self.signed.1.is_empty(), "the device has not uploaded its keys yet");
        let one_time = self.one_time.pop_first();
        self.handed_out.extend(one_time.as_ref().map(|(id, _)| *id));
        let key = |bytes: &[u8]| PublicKey::from_djb_public_key_bytes(bytes);
        let one_time = one_time.map(|(id, value)| key(&value).map(|key| (id.into(), key))).transpose()?;
        PreKeyBundle::new(
            self.registration,
            u32::from(self.id).into(),
            one_time,
            self.signed.0.into(),
            key(&self.signed.1)?,
            self.signed.2.clone(),
            IdentityKey::new(key(&self.identity)?),
        )
        .context("a bundle that is none")
    }
}

/// The signed prekey in a request, which has to be signed by the device's identity.
fn signed_key(parent: &Node, identity: &[u8]) -> anyhow::Result<Signed> {
    let signed = child(parent, "skey")?;
    let (id, value) = (number(&child_bytes(signed, "id")?), child_bytes(signed, "value")?);
    let signature = child_bytes(signed, "signature")?;
    verify(identity, &value, &signature)?;
    Ok((id, value, signature))
}

/// Fails if a signed prekey is not signed by that identity.
pub(crate) fn verify(identity: &[u8], value: &[u8], signature: &[u8]) -> anyhow::Result<()> {
    let by = PublicKey::from_djb_public_key_bytes(identity)?;
    let key = PublicKey::from_djb_public_key_bytes(value)?;
    anyhow::ensure!(by.verify_signature(&key.serialize(), signature), "a signed prekey with a bad signature");
    Ok(())
}
