//! What the config says of a web channel, checked.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use switchhook_core::kind::{BuildError, ChannelSettings};

use crate::visitor::{CookieKey, GUEST_PREFIX};

/// The shortest secret of a login link, in characters: whoever guesses it is the visitor. 16 random characters of a
/// 32-letter alphabet are 80 bits.
const MIN_SECRET: usize = 16;
/// The longest name of a visitor, in bytes.
const MAX_VISITOR: usize = 64;

/// The settings of one channel. None of them is identity: all are replaced while the sockets stay open.
pub(crate) struct Settings {
    pub(crate) title: String,
    /// The named visitors, each with the secret of their login link.
    pub(crate) visitors: BTreeMap<String, SecretString>,
    pub(crate) key: CookieKey,
}

impl Settings {
    /// Reads and checks them. `key` signs the cookies where the channel has no secret of its own.
    pub(crate) fn read(settings: &ChannelSettings, key: &[u8; 32]) -> Result<Self, BuildError> {
        let visitors = settings.secrets("visitors").cloned().unwrap_or_default();
        for (name, secret) in &visitors {
            check_visitor(name, secret)?;
        }
        let key = match settings.secret("secret") {
            Some(secret) => CookieKey::from_secret(check_secret("secret", "the secret", secret)?),
            None => CookieKey::new(*key),
        };
        let title = settings.text("title").unwrap_or(settings.name.as_str()).to_owned();
        Ok(Self { title, visitors, key })
    }
}

fn check_visitor(name: &str, secret: &SecretString) -> Result<(), BuildError> {
    let fail = |message: String| Err(BuildError { key: "visitors", message });
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > MAX_VISITOR || !name.chars().all(legal) {
        return fail(format!("`{name}` is no visitor's name: use 1 to 64 letters, digits, `-`, `_` or `.`"));
    }
    if name.starts_with(GUEST_PREFIX) {
        return fail(format!("`{name}` can't be proved by a link: names with `{GUEST_PREFIX}` are given to guests"));
    }
    check_secret("visitors", &format!("the secret of `{name}`"), secret).map(|_| ())
}

fn check_secret<'a>(key: &'static str, what: &str, secret: &'a SecretString) -> Result<&'a str, BuildError> {
    let text = secret.expose_secret();
    if text.chars().count() < MIN_SECRET {
        let message = format!("{what} is shorter than {MIN_SECRET} characters: make one with `openssl rand -hex 16`");
        return Err(BuildError { key, message });
    }
    Ok(text)
}
