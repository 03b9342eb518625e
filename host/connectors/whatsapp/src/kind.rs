//! The keys of `kind = "whatsapp"`, and how a connector is built from them.

use std::sync::{Arc, OnceLock};

use switchhook_core::id::AccountId;
use switchhook_core::kind::{BuildError, Built, ChannelSettings, ConnectorKind, KeySpec, KeyType, KindSpec};
use switchhook_core::person::PersonId;
use switchhook_store::Store;
use whatsapp_rust::http::{HttpClient, UreqHttpClient};

use crate::connector::WhatsApp;
use crate::version::{self, Version};

pub(crate) const KIND: &str = "whatsapp";
pub(crate) const ID_PREFIX: &str = "wa";
const DEVICE_NAME: &str = "Switchhook";

static SPEC: KindSpec = KindSpec {
    kind: KIND,
    id_prefix: ID_PREFIX,
    summary: "A device linked to a WhatsApp account, over an unofficial protocol: WhatsApp may ban the number.",
    keys: &[
        KeySpec {
            name: "number",
            key_type: KeyType::Text,
            required: false,
            identity: true,
            summary: "The phone number to be linked, as `+15551234567`: another phone is refused.",
        },
        KeySpec {
            name: "device_name",
            key_type: KeyType::Text,
            required: false,
            identity: true,
            summary: "What the phone lists this device as, from the next link on. Default: Switchhook",
        },
        KeySpec {
            name: "version",
            key_type: KeyType::Text,
            required: false,
            identity: true,
            summary: "The version of WhatsApp Web to say, as `2.3000.1026131876`. Default: asked for once a day",
        },
        KeySpec {
            name: "ws_url",
            key_type: KeyType::Text,
            required: false,
            identity: true,
            summary: "Where the WebSocket is, for a server of one's own: `ws://…` or `wss://…`. Default: WhatsApp's",
        },
    ],
};

/// What a channel's keys say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) number: Option<PersonId>,
    pub(crate) device_name: String,
    pub(crate) version: Option<Version>,
    pub(crate) ws_url: Option<String>,
}

/// Builds connectors of `kind = "whatsapp"`. Knows their keys at once; builds none before it has a store.
#[derive(Clone)]
pub struct WhatsAppKind {
    store: Arc<OnceLock<Store>>,
    http: Arc<dyn HttpClient>,
}

impl Default for WhatsAppKind {
    fn default() -> Self {
        Self::with_http(Arc::new(UreqHttpClient::new()))
    }
}

impl WhatsAppKind {
    /// With another client for media and for the version of WhatsApp Web.
    pub fn with_http(http: Arc<dyn HttpClient>) -> Self {
        Self { store: Arc::default(), http }
    }
    /// The devices' keys are kept in `store`, sealed. Only the first one counts, for every clone of this kind.
    pub fn open(&self, store: Store) {
        let _ = self.store.set(store);
    }
}

impl ConnectorKind for WhatsAppKind {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }

    /// A channel that is not linked has no number: the account is named after the channel.
    fn account(&self, settings: &ChannelSettings) -> Result<AccountId, BuildError> {
        read(settings).map(|_| AccountId::new(KIND, settings.name.as_str()))
    }

    fn build(&self, settings: ChannelSettings) -> Result<Built, BuildError> {
        let account = self.account(&settings)?;
        let read = read(&settings)?;
        let closed = || BuildError { key: "kind", message: "the data folder is not open yet".to_owned() };
        let store = self.store.get().ok_or_else(closed)?.clone();
        let connector = WhatsApp::new(settings.name, account.clone(), read, store, self.http.clone());
        Ok(Built { account, connector: Arc::new(connector) })
    }
}

fn read(settings: &ChannelSettings) -> Result<Settings, BuildError> {
    let wrong = |key, message: &str| BuildError { key, message: message.to_owned() };
    let number = settings.text("number").map(PersonId::from_number).transpose();
    let number = number.map_err(|error| BuildError { key: "number", message: error.to_string() })?;
    let version = settings.text("version").map(|text| {
        version::parse(text).ok_or_else(|| wrong("version", "three numbers are expected, as in `2.3000.1026131876`"))
    });
    let ws_url = settings.text("ws_url").map(str::to_owned);
    if ws_url.as_deref().is_some_and(|url| !url.starts_with("ws://") && !url.starts_with("wss://")) {
        return Err(wrong("ws_url", "`ws://…` or `wss://…` is expected, as in `ws://127.0.0.1:9000/ws/chat`"));
    }
    let device_name = settings.text("device_name").unwrap_or(DEVICE_NAME).to_owned();
    Ok(Settings { number, device_name, version: version.transpose()?, ws_url })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use switchhook_core::id::ChannelName;
    use switchhook_core::kind::KeyValue;

    use super::*;

    fn check(pairs: &[(&str, &str)]) -> Result<Settings, &'static str> {
        let values = pairs.iter().map(|(key, text)| ((*key).to_owned(), KeyValue::Text((*text).to_owned())));
        let settings = ChannelSettings { name: ChannelName::new("me").unwrap(), values: BTreeMap::from_iter(values) };
        read(&settings).map_err(|error| error.key)
    }

    #[test]
    fn keys_are_read_and_have_defaults() {
        let none = check(&[]).unwrap();
        assert_eq!((none.number, none.device_name.as_str(), none.version), (None, DEVICE_NAME, None));
        let all = [("number", "+1 555 123-4567"), ("version", "2.3000.7"), ("ws_url", "ws://127.0.0.1:1/ws")];
        let all = check(&all).unwrap();
        assert_eq!(all.number.unwrap().as_str(), "+15551234567");
        assert_eq!((all.version, all.ws_url.as_deref()), (Some((2, 3000, 7)), Some("ws://127.0.0.1:1/ws")));
    }

    #[test]
    fn a_wrong_value_names_its_key() {
        for (key, text) in [("number", "15551234567"), ("version", "2.3000"), ("ws_url", "http://127.0.0.1:1")] {
            assert_eq!(check(&[(key, text)]), Err(key));
        }
    }
}
