//! Who a visitor is, and the cookie that says so.
//!
//! The cookie is `NAME~SIGNATURE`. The signature covers the channel, the name and, for a named visitor, the secret of
//! their link: taking the visitor off the list, or changing the secret, ends every cookie made from it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use rand::Rng;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use switchhook_core::id::ChannelName;

use crate::settings::Settings;

pub(crate) const GUEST_PREFIX: &str = "guest-";
/// Characters after the prefix: 50 bits, so that two guests never meet by chance.
const GUEST_LENGTH: usize = 10;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// 400 days: the longest that browsers keep a cookie.
const MAX_AGE_SECONDS: u32 = 400 * 24 * 60 * 60;

/// The key that signs cookies.
pub(crate) struct CookieKey([u8; 32]);

impl CookieKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }
    pub(crate) fn from_secret(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

/// A visitor whose name is proved: by a login link, or by having been made up here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) name: String,
    /// The value of the cookie, which proves the name again.
    pub(crate) proof: String,
}

impl Visitor {
    /// The visitor a login link belongs to. Looks at every secret, whichever matches, so that time tells nothing.
    pub(crate) fn from_token(channel: &ChannelName, settings: &Settings, token: &str) -> Option<Self> {
        let given = Sha256::digest(token.as_bytes());
        let mut found = None;
        for (name, secret) in &settings.visitors {
            let expected = Sha256::digest(secret.expose_secret().as_bytes());
            if bool::from(expected.as_slice().ct_eq(given.as_slice())) {
                found = Some(name);
            }
        }
        found.and_then(|name| Self::sign(channel, settings, name.clone()))
    }

    /// Somebody new, without a name.
    pub(crate) fn guest(channel: &ChannelName, settings: &Settings) -> Self {
        let mut rng = rand::rng();
        let random = (0..GUEST_LENGTH).map(|_| char::from(BASE32[rng.random_range(0..BASE32.len())]));
        let name = format!("{GUEST_PREFIX}{}", random.collect::<String>());
        let proof = seal(channel, settings, &name, b"");
        Self { name, proof }
    }

    /// The visitor a cookie proves under these settings.
    pub(crate) fn from_proof(channel: &ChannelName, settings: &Settings, proof: &str) -> Option<Self> {
        let (name, _) = proof.split_once('~')?;
        let expected = Self::sign(channel, settings, name.to_owned())?;
        bool::from(expected.proof.as_bytes().ct_eq(proof.as_bytes())).then_some(expected)
    }

    fn sign(channel: &ChannelName, settings: &Settings, name: String) -> Option<Self> {
        let proof = if name.starts_with(GUEST_PREFIX) {
            seal(channel, settings, &name, b"")
        } else {
            seal(channel, settings, &name, settings.visitors.get(&name)?.expose_secret().as_bytes())
        };
        Some(Self { name, proof })
    }
}

fn seal(channel: &ChannelName, settings: &Settings, name: &str, secret: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&settings.key.0).expect("HMAC takes a key of any length");
    // Lengths go in, so that no two triples sign alike.
    for part in [channel.as_str().as_bytes(), name.as_bytes(), secret] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    format!("{name}~{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// The name of a channel's cookie: each channel has visitors of its own.
pub(crate) fn cookie_name(channel: &ChannelName) -> String {
    format!("switchhook-chat-{channel}")
}

/// Finds a channel's cookie in a `Cookie` header.
pub(crate) fn find_cookie<'a>(header: &'a str, channel: &ChannelName) -> Option<&'a str> {
    let wanted = cookie_name(channel);
    header.split(';').filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == wanted).map(|(_, v)| v)
}

/// How the browser reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

/// The `Set-Cookie` header that fixes who a visitor is.
pub(crate) fn set_cookie(channel: &ChannelName, visitor: &Visitor, transport: Transport) -> String {
    let secure = match transport {
        Transport::Plain => "",
        Transport::Tls => "; Secure",
    };
    let name = cookie_name(channel);
    format!("{name}={}; Path=/; Max-Age={MAX_AGE_SECONDS}; HttpOnly; SameSite=Strict{secure}", visitor.proof)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings(visitors: &[(&str, &str)]) -> Settings {
        let visitors = visitors.iter().map(|(n, s)| ((*n).to_owned(), (*s).into())).collect::<BTreeMap<_, _>>();
        Settings { title: "t".to_owned(), visitors, key: CookieKey::new([7; 32]) }
    }

    fn channel(name: &str) -> ChannelName {
        ChannelName::new(name).unwrap()
    }

    #[test]
    fn a_proof_holds_only_for_its_channel_and_secret() {
        let before = settings(&[("alice", "a-secret"), ("bob", "b-secret")]);
        let alice = Visitor::from_token(&channel("desk"), &before, "a-secret").unwrap();
        assert_eq!(alice.name, "alice");
        assert_eq!(Visitor::from_proof(&channel("desk"), &before, &alice.proof).as_ref(), Some(&alice));
        assert_eq!(Visitor::from_proof(&channel("shop"), &before, &alice.proof), None);
        let changed = settings(&[("alice", "another")]);
        assert_eq!(Visitor::from_proof(&channel("desk"), &changed, &alice.proof), None);
        assert_eq!(Visitor::from_proof(&channel("desk"), &settings(&[]), &alice.proof), None);
        let forged = alice.proof.replace("alice", "bob");
        assert_eq!(Visitor::from_proof(&channel("desk"), &before, &forged), None);
    }

    #[test]
    fn guests_differ_and_stay_themselves() {
        let settings = settings(&[]);
        let (one, two) = (Visitor::guest(&channel("desk"), &settings), Visitor::guest(&channel("desk"), &settings));
        assert_ne!(one.name, two.name);
        assert_eq!(one.name.len(), "guest-".len() + 10);
        assert_eq!(Visitor::from_proof(&channel("desk"), &settings, &one.proof), Some(one));
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let header = "a=1; switchhook-chat-desk=alice~x; switchhook-chat-desk2=bob~y";
        assert_eq!(find_cookie(header, &channel("desk")), Some("alice~x"));
        assert_eq!(find_cookie("switchhook-chat-desk2=bob~y", &channel("desk")), None);
    }
}
