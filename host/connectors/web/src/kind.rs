//! What the `web` kind adds to the config.

use std::sync::Arc;

use switchhook_core::id::AccountId;
use switchhook_core::kind::{BuildError, Built, ChannelSettings, ConnectorKind, KeySpec, KeyType, KindSpec};

use crate::connector::WebConnector;
use crate::hub::Hub;
use crate::settings::Settings;

pub(crate) const KIND: &str = "web";

static SPEC: KindSpec = KindSpec {
    kind: KIND,
    id_prefix: KIND,
    summary: "A chat page served by the host itself; visitors are `web:NAME`.",
    keys: &[
        KeySpec {
            name: "title",
            key_type: KeyType::Text,
            required: false,
            identity: false,
            summary: "What stands at the top of the page. Default: the channel's name.",
        },
        KeySpec {
            name: "visitors",
            key_type: KeyType::SecretTable,
            required: false,
            identity: false,
            summary: "People who can prove their name, each with the secret of their link `/chat/CHANNEL/login/SECRET` \
                      (16 characters or more). Everybody else is `web:guest-…`.",
        },
        KeySpec {
            name: "secret",
            key_type: KeyType::Secret,
            required: false,
            identity: false,
            summary: "Signs the visitors' cookies (16 characters or more). Default: a key made by the host.",
        },
    ],
};

/// Builds web channels. All of them are served by one [`Hub`].
pub struct WebKind {
    hub: Arc<Hub>,
}

impl WebKind {
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }
}

impl ConnectorKind for WebKind {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn account(&self, settings: &ChannelSettings) -> Result<AccountId, BuildError> {
        Settings::read(settings, self.hub.cookie_key())?;
        Ok(account_of(settings))
    }
    fn build(&self, settings: ChannelSettings) -> Result<Built, BuildError> {
        let account = account_of(&settings);
        let read = Settings::read(&settings, self.hub.cookie_key())?;
        let connector = WebConnector::new(Arc::clone(&self.hub), settings.name, account.clone(), read);
        Ok(Built { account, connector: Arc::new(connector) })
    }
}

fn account_of(settings: &ChannelSettings) -> AccountId {
    AccountId::new(KIND, settings.name.as_str())
}
