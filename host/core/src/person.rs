//! How a config names people, and how the ids a message carries are matched against those names.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{GroupName, InvalidName};

/// Why a text names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPerson {
    #[error("an empty text names nobody")]
    Empty,
    #[error("`{0}` is no phone number: write `+` and 7 to 15 digits, as in `+15551234567`")]
    Number(String),
    #[error("`{0}` names nobody: write `tg:12345`, `wa:15557654321`, `+15551234567`, `web:alice` or `group:family`")]
    Form(String),
    #[error(transparent)]
    Group(#[from] InvalidName),
}

/// A person's id in canonical form: `tg:12345`, `tg:@alice`, `wa:15557654321`, `web:alice` or `+15551234567`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonId(String);

impl PersonId {
    /// From a prefix such as `tg` and the provider's own id. User names (`@alice`) are folded to lower case.
    pub fn new(prefix: &str, own: &str) -> Self {
        if own.starts_with('@') {
            Self(format!("{prefix}:{}", own.to_lowercase()))
        } else {
            Self(format!("{prefix}:{own}"))
        }
    }
    /// From a phone number; separators are dropped.
    pub fn from_number(text: &str) -> Result<Self, InvalidPerson> {
        let digits: String = text.chars().filter(|c| c.is_ascii_digit()).collect();
        let legal = |c: char| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '(' | ')' | '.');
        // E.164: at most 15 digits; the shortest numbers with a country code in use have 7.
        if text.starts_with('+') && text.chars().all(legal) && (7..=15).contains(&digits.len()) {
            Ok(Self(format!("+{digits}")))
        } else {
            Err(InvalidPerson::Number(text.to_owned()))
        }
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An entry of a list of people in the config.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Member {
    Person(PersonId),
    Group(GroupName),
}

impl Member {
    /// Reads an entry. `bare_prefix` is the id prefix of the channel's own kind, which a bare id belongs to; a group
    /// that is not a channel's has none, and a bare id there is an error.
    pub fn parse(text: &str, bare_prefix: Option<&str>) -> Result<Self, InvalidPerson> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidPerson::Empty);
        }
        if text.starts_with('+') {
            return PersonId::from_number(text).map(Self::Person);
        }
        match text.split_once(':') {
            Some(("group", name)) => Ok(Self::Group(GroupName::new(name)?)),
            Some((prefix, own)) if is_prefix(prefix) && is_own(own) => Ok(Self::Person(PersonId::new(prefix, own))),
            None if is_own(text) => match bare_prefix {
                Some(prefix) => Ok(Self::Person(PersonId::new(prefix, text))),
                None => Err(InvalidPerson::Form(text.to_owned())),
            },
            _ => Err(InvalidPerson::Form(text.to_owned())),
        }
    }
}

fn is_prefix(text: &str) -> bool {
    !text.is_empty() && text.len() <= 16 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn is_own(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
}

/// A set of people. Looking somebody up costs the same in a set of ten and of 100,000.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People(HashSet<PersonId>);

impl People {
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn contains(&self, id: &PersonId) -> bool {
        self.0.contains(id)
    }
    pub fn iter(&self) -> impl Iterator<Item = &PersonId> {
        self.0.iter()
    }
}

impl FromIterator<PersonId> for People {
    fn from_iter<I: IntoIterator<Item = PersonId>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        match Member::parse(text, Some("tg")) {
            Ok(Member::Person(id)) => assert_eq!(id.as_str(), expect),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn people_are_read_in_every_form() {
        check("tg:12345", "tg:12345");
        check("12345", "tg:12345");
        check("@Alice", "tg:@alice");
        check("tg:@Alice", "tg:@alice");
        check("+1 (555) 123-4567", "+15551234567");
        check("web:alice", "web:alice");
        assert_eq!(Member::parse("group:family", None), Ok(Member::Group(GroupName::new("family").unwrap())));
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for bad in ["", "+12", "+1555x234567", "tg:", "TG:1", "group:a b", "a b"] {
            assert!(Member::parse(bad, Some("tg")).is_err(), "{bad}");
        }
        assert!(Member::parse("12345", None).is_err());
    }
}
