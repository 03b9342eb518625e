//! What a kind of connector adds to the config, and how one is built from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use crate::connector::Connector;
use crate::id::{AccountId, ChannelName};

/// The type of a key that a kind adds to `[channels.X]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    Text,
    Url,
    Flag,
    /// A whole number from `min` to `max`.
    Number {
        min: i64,
        max: i64,
    },
    /// A length of time such as `"30s"`.
    Duration,
    Secret,
    /// A table from names to secrets, such as the web chat's `visitors`.
    SecretTable,
}

/// A key that a kind adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySpec {
    pub name: &'static str,
    pub key_type: KeyType,
    pub required: bool,
    /// Whether a change of it makes another connection necessary. What is not identity is handed over by
    /// [`Connector::update`].
    pub identity: bool,
    pub summary: &'static str,
}

/// A kind of connector, such as `telegram`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindSpec {
    pub kind: &'static str,
    /// The prefix of people's ids, such as `tg`.
    pub id_prefix: &'static str,
    pub summary: &'static str,
    pub keys: &'static [KeySpec],
}

/// The value of a key, read and checked.
#[derive(Debug, Clone)]
pub enum KeyValue {
    Text(String),
    Flag(bool),
    Number(i64),
    Duration(std::time::Duration),
    Secret(SecretString),
    Secrets(BTreeMap<String, SecretString>),
}

/// What a connector is built from. Keys that the config leaves out are absent: defaults are the kind's.
#[derive(Debug, Clone)]
pub struct ChannelSettings {
    pub name: ChannelName,
    pub values: BTreeMap<String, KeyValue>,
}

impl ChannelSettings {
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key) {
            Some(KeyValue::Text(text)) => Some(text),
            _ => None,
        }
    }
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.values.get(key) {
            Some(KeyValue::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }
    pub fn number(&self, key: &str) -> Option<i64> {
        match self.values.get(key) {
            Some(KeyValue::Number(number)) => Some(*number),
            _ => None,
        }
    }
    pub fn duration(&self, key: &str) -> Option<std::time::Duration> {
        match self.values.get(key) {
            Some(KeyValue::Duration(duration)) => Some(*duration),
            _ => None,
        }
    }
    pub fn secret(&self, key: &str) -> Option<&SecretString> {
        match self.values.get(key) {
            Some(KeyValue::Secret(secret)) => Some(secret),
            _ => None,
        }
    }
    pub fn secrets(&self, key: &str) -> Option<&BTreeMap<String, SecretString>> {
        match self.values.get(key) {
            Some(KeyValue::Secrets(secrets)) => Some(secrets),
            _ => None,
        }
    }
}

/// Why a connector can't be built: a value that is well-formed but means nothing to the provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {message}")]
pub struct BuildError {
    pub key: &'static str,
    pub message: String,
}

/// A connector that is ready to run and has not touched the network.
pub struct Built {
    pub account: AccountId,
    pub connector: Arc<dyn Connector>,
}

/// Builds connectors of one kind. Building starts nothing.
pub trait ConnectorKind: Send + Sync + 'static {
    fn spec(&self) -> &'static KindSpec;
    /// The account a channel with these settings belongs to, known without asking the provider.
    fn account(&self, settings: &ChannelSettings) -> Result<AccountId, BuildError>;
    fn build(&self, settings: ChannelSettings) -> Result<Built, BuildError>;
}
