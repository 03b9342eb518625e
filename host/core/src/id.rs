//! Names and numbers that must not be mixed up.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no name: use 1 to 64 letters, digits, `-` or `_`, starting with a letter or digit")]
pub struct InvalidName {
    pub text: String,
}

/// The longest name the config may give to anything, in bytes.
pub const MAX_NAME: usize = 64;

fn check_name(text: &str) -> Result<(), InvalidName> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if first && text.len() <= MAX_NAME && text.chars().all(legal) {
        Ok(())
    } else {
        Err(InvalidName { text: text.to_owned() })
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                check_name(text)?;
                Ok(Self(text.into()))
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }
        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(&text)
            }
        }
        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }
        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// A channel, as `[channels.NAME]` in the config.
    ChannelName
);
name!(
    /// A route, as `[routes.NAME]` in the config.
    RouteName
);
name!(
    /// A plugin, as `[plugins.NAME]` in the config.
    PluginName
);
name!(
    /// A group of people, as `[groups.NAME]` in the config, or a channel's own `allow_from`.
    GroupName
);
name!(
    /// A language model, as `[models.NAME]` in the config.
    ModelName
);

/// One of our accounts with a provider, such as `telegram:4242` or `web:front-desk`. What is accepted, journaled and
/// deduplicated belongs to an account, not to a channel: a renamed channel carries on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// `kind` is the connector's, `own` the provider's id of the account (never a credential).
    pub fn new(kind: &str, own: &str) -> Self {
        Self(format!("{kind}:{own}").into())
    }
    /// Reads back what [`AccountId::as_str`] gave.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text names no journal entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: expected {prefix} and a number, such as `{prefix}17`")]
pub struct InvalidEntry {
    text: String,
    what: &'static str,
    prefix: &'static str,
}

macro_rules! entry {
    ($(#[$doc:meta])* $type:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(pub i64);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
        impl FromStr for $type {
            type Err = InvalidEntry;
            fn from_str(text: &str) -> Result<Self, InvalidEntry> {
                text.strip_prefix($prefix)
                    .and_then(|digits| digits.parse().ok())
                    .map(Self)
                    .ok_or_else(|| InvalidEntry { text: text.to_owned(), what: $what, prefix: $prefix })
            }
        }
        impl TryFrom<String> for $type {
            type Error = InvalidEntry;
            fn try_from(text: String) -> Result<Self, InvalidEntry> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(id: $type) -> String {
                id.to_string()
            }
        }
    };
}

entry!(
    /// A message in the inbox of the journal, shown as `m17`. Given on acceptance, never reused.
    InboxId, "m", "message"
);
entry!(
    /// A delivery in the outbox of the journal, shown as `d17`. Given on commit, never reused.
    OutboxId, "d", "delivery"
);
entry!(
    /// An attempt to link a device, shown as `l17`. Never reused.
    LinkId, "l", "attempt to link"
);
entry!(
    /// A device that an account is or was, shown as `dev17`. Never reused.
    DeviceId, "dev", "device"
);

/// The number of a generation of the config: 1 for the first that ran in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenerationNumber(pub u64);

impl fmt::Display for GenerationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// SHA-256 of a component or a text, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(Arc<str>);

impl Digest {
    /// The hash itself is computed where the bytes are; this is only its name.
    pub fn from_hex(hex: impl Into<Arc<str>>) -> Self {
        Self(hex.into())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Twelve digits: enough to tell versions apart in a log line.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "me-on-telegram", "0x", "A_b"] {
            assert!(ChannelName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "a b", "a.b", "ä", &"a".repeat(65)] {
            assert!(ChannelName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn entries_round_trip() {
        assert_eq!("m17".parse::<InboxId>().unwrap().to_string(), "m17");
        assert!("d17".parse::<InboxId>().is_err());
        assert!("m".parse::<InboxId>().is_err());
    }
}
