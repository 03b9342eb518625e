//! A linked device, as the server sees it: its keys, and its one-time keys, each handed out once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use whatsapp_rust::wacore::libsignal::protocol::*;
use whatsapp_rust::wacore_binary::Node;

use crate::node::{bytes, child, child_bytes, number};

#[derive(Debug, Default)]
pub(crate) struct Device {
    /// Of which account, by number.
    pub(crate) account: String,
    /// 1 for the first; a device that is linked again gets the next one.
    pub(crate) id: u16,
    /// The Noise key it paired with; none until a device that was seeded shows its own.
    pub(crate) noise: Option<[u8; 32]>,
    registration: u32,
    pub(crate) identity: Vec<u8>,
    signed: (u32, Vec<u8>, Vec<u8>),
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
        let signed = child(iq, "skey")?;
        let (id, value) = (number(&child_bytes(signed, "id")?), child_bytes(signed, "value")?);
        let signature = child_bytes(signed, "signature")?;
        let by = PublicKey::from_djb_public_key_bytes(&identity)?;
        let key = PublicKey::from_djb_public_key_bytes(&value)?;
        anyhow::ensure!(by.verify_signature(&key.serialize(), &signature), "a signed prekey with a bad signature");
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
        self.signed = (id, value, signature);
        let count = fresh.len();
        self.one_time.extend(fresh);
        Ok(count)
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
