//! Who the server is: a static Noise key, and a chain of certificates under a root of its own.

use std::time::{SystemTime, UNIX_EPOCH};

use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::waproto::buffa::{Message as _, MessageField};
use whatsapp_rust::waproto::whatsapp as wa;

/// The randomness that the Signal library takes.
pub(crate) fn rng() -> rand::rngs::StdRng {
    rand::make_rng()
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The 32 bytes of a public key, as they go over the wire.
pub(crate) fn public(pair: &KeyPair) -> [u8; 32] {
    pair.public_key.public_key_bytes().try_into().expect("a curve key has 32 bytes")
}

/// The server's keys.
pub(crate) struct Identity {
    pub(crate) key: KeyPair,
    /// What another client must trust to take the chain.
    pub(crate) root: [u8; 32],
    pub(crate) chain: Vec<u8>,
}

impl Identity {
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let key = KeyPair::generate(&mut rng());
        let root = KeyPair::generate(&mut rng());
        let chain = chain(&root, &public(&key))?;
        Ok(Self { key, root: public(&root), chain })
    }
}

/// The leaf holds the server's key, and is signed by the intermediate, which the root signs.
fn chain(root: &KeyPair, leaf: &[u8; 32]) -> anyhow::Result<Vec<u8>> {
    use wa::cert_chain::NoiseCertificate;
    let intermediate = KeyPair::generate(&mut rng());
    let certificate = |serial, issuer, key: &[u8], by: &KeyPair| -> anyhow::Result<NoiseCertificate> {
        let details = wa::cert_chain::noise_certificate::Details {
            serial: Some(serial),
            issuer_serial: Some(issuer),
            key: Some(key.to_vec()),
            not_before: Some(now() - 3600),
            not_after: Some(now() + 30 * 86_400),
        }
        .encode_to_vec();
        let signature = by.private_key.calculate_signature(&details, &mut rng())?.to_vec();
        Ok(NoiseCertificate { details: Some(details), signature: Some(signature) })
    };
    let chain = wa::CertChain {
        leaf: MessageField::some(certificate(2, 1, leaf, &intermediate)?),
        intermediate: MessageField::some(certificate(1, 0, &public(&intermediate), root)?),
    };
    Ok(chain.encode_to_vec())
}
