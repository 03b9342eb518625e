//! A phone: the one of an account, or of somebody who writes to it.

use anyhow::{Context, bail};
use futures_util::FutureExt;
use rand::RngExt;
use whatsapp_rust::wacore::libsignal::protocol::{self as protocol, GenericSignedPreKey as _, *};
use whatsapp_rust::wacore::libsignal::store::sender_key_name::SenderKeyName;
use whatsapp_rust::wacore::messages::{MessageUtils, decode_plaintext};
use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node};
use whatsapp_rust::waproto::whatsapp as wa;

use crate::certificate::{now, public, rng};
use crate::device::Device;
use crate::node::leaf;
use crate::signal::{Identities, PreKeys, SenderKeys, Sessions, SignedPreKeys};

/// Stores in memory answer at once, so nothing here ever waits.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("a store in memory answers at once")
}

/// Somebody with a phone. The same keys serve number and LID.
pub(crate) struct Person {
    pub(crate) number: String,
    pub(crate) lid: String,
    pub(crate) name: String,
    pub(crate) identity: KeyPair,
    pub(crate) registration: u32,
    signed: KeyPair,
    signature: Vec<u8>,
    handed_out: u32,
    sessions: Sessions,
    identities: Identities,
    pre_keys: PreKeys,
    signed_pre_keys: SignedPreKeys,
    sender_keys: SenderKeys,
}

impl Person {
    pub(crate) fn new(number: &str, lid: &str, name: &str) -> anyhow::Result<Self> {
        let identity = KeyPair::generate(&mut rng());
        let signed = KeyPair::generate(&mut rng());
        let key = signed.public_key.serialize();
        let signature = identity.private_key.calculate_signature(&key, &mut rng())?.to_vec();
        let registration = rng().random::<u32>() & 0x3fff;
        let own = IdentityKeyPair::new(IdentityKey::new(identity.public_key), identity.private_key.clone());
        let at = Timestamp::from_epoch_millis(now() * 1000);
        let record = SignedPreKeyRecord::new(1u32.into(), at, &signed, &signature);
        Ok(Self {
            number: number.to_owned(),
            lid: lid.to_owned(),
            name: name.to_owned(),
            identity,
            registration,
            signed,
            signature,
            handed_out: 0,
            sessions: Sessions::default(),
            identities: Identities::new(own, registration),
            pre_keys: PreKeys::default(),
            signed_pre_keys: SignedPreKeys(1, record),
            sender_keys: SenderKeys::default(),
        })
    }

    pub(crate) fn pn_jid(&self) -> Jid {
        format!("{}@s.whatsapp.net", self.number).parse().expect("a number makes a jid")
    }

    pub(crate) fn lid_jid(&self) -> Jid {
        format!("{}@lid", self.lid).parse().expect("a lid makes a jid")
    }

    pub(crate) fn is(&self, user: &str) -> bool {
        self.number == user || self.lid == user
    }

    /// What the key server gives of this person: with a one-time key that nobody got before.
    pub(crate) fn bundle(&mut self, asked: &Jid) -> Node {
        self.handed_out += 1;
        let pair = KeyPair::generate(&mut rng());
        self.pre_keys.add(self.handed_out, &pair);
        let one_time = [leaf("id", &self.handed_out.to_be_bytes()[1..]), leaf("value", public(&pair))];
        let signed =
            [leaf("id", [0, 0, 1]), leaf("value", public(&self.signed)), leaf("signature", self.signature.clone())];
        let user = NodeBuilder::new("user").attr("jid", asked);
        user.children([
            leaf("registration", self.registration.to_be_bytes()),
            leaf("type", [5]),
            leaf("identity", public(&self.identity)),
            NodeBuilder::new("key").children(one_time).build(),
            NodeBuilder::new("skey").children(signed).build(),
        ])
        .build()
    }

    /// Encrypts for a linked device; the first time with one of its one-time keys.
    pub(crate) fn encrypt(&mut self, device: &mut Device, message: &wa::Message) -> anyhow::Result<Node> {
        let at = device.address();
        if !self.sessions.0.contains_key(at.as_str()) {
            let bundle = device.bundle()?;
            let (sessions, identities) = (&mut self.sessions, &mut self.identities);
            at_once(process_prekey_bundle(&at, sessions, identities, &bundle, &mut rng(), UsePQRatchet::No))?;
        }
        let plain = MessageUtils::encode_and_pad(message);
        let sealed = at_once(message_encrypt(&plain, &at, &mut self.sessions, &mut self.identities))?;
        let kind = match sealed.message_type() {
            CiphertextMessageType::PreKey => "pkmsg",
            _ => "msg",
        };
        Ok(NodeBuilder::new("enc").attr("v", "2").attr("type", kind).bytes(sealed.serialize().to_vec()).build())
    }

    /// The next message for this device opens a new session.
    pub(crate) fn forget(&mut self, device: &Device) {
        self.sessions.0.remove(device.address().as_str());
    }

    pub(crate) fn decrypt(&mut self, device: &Device, kind: &str, bytes: &[u8]) -> anyhow::Result<wa::Message> {
        let sealed = match kind {
            "pkmsg" => CiphertextMessage::PreKeySignalMessage(PreKeySignalMessage::try_from(bytes)?),
            "msg" => CiphertextMessage::SignalMessage(SignalMessage::try_from(bytes)?),
            other => bail!("<enc> of type {other:?}"),
        };
        let opened = at_once(protocol::message_decrypt(
            &sealed,
            &device.address(),
            &mut self.sessions,
            &mut self.identities,
            &mut self.pre_keys,
            &self.signed_pre_keys,
            &mut rng(),
            UsePQRatchet::No,
        ))?;
        decode_plaintext(&opened.plaintext, 2)
    }

    /// What others need to read what this person writes in a group.
    pub(crate) fn sender_key(&mut self, group: &Jid) -> anyhow::Result<Vec<u8>> {
        let name = SenderKeyName::new(group.to_string(), self.number.clone());
        let made = at_once(create_sender_key_distribution_message(&name, &mut self.sender_keys, &mut rng()))?;
        Ok(made.serialized().to_vec())
    }

    pub(crate) fn encrypt_for_group(&mut self, group: &Jid, message: &wa::Message) -> anyhow::Result<Node> {
        let name = SenderKeyName::new(group.to_string(), self.number.clone());
        let plain = MessageUtils::encode_and_pad(message);
        let sealed = at_once(group_encrypt(&mut self.sender_keys, &name, &plain, &mut rng()))?;
        let enc = NodeBuilder::new("enc").attr("v", "2").attr("type", "skmsg");
        Ok(enc.bytes(sealed.serialized().to_vec()).build())
    }

    /// Takes in what a device distributed for a group.
    pub(crate) fn learn(&mut self, group: &Jid, device: &Device, distribution: &[u8]) -> anyhow::Result<()> {
        let name = SenderKeyName::new(group.to_string(), device.address().as_str().to_owned());
        let distribution = SenderKeyDistributionMessage::try_from(distribution).context("a bad sender key")?;
        at_once(process_sender_key_distribution_message(&name, &distribution, &mut self.sender_keys))?;
        Ok(())
    }

    pub(crate) fn decrypt_in_group(
        &mut self,
        group: &Jid,
        device: &Device,
        bytes: &[u8],
    ) -> anyhow::Result<wa::Message> {
        let name = SenderKeyName::new(group.to_string(), device.address().as_str().to_owned());
        let plain = at_once(group_decrypt(bytes, &mut self.sender_keys, &name))?;
        decode_plaintext(&plain, 2)
    }
}
