//! The keys of `kind = "telegram"`, and how a connector is built from them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use switchhook_core::id::AccountId;
use switchhook_core::kind::{BuildError, Built, ChannelSettings, ConnectorKind, KeySpec, KeyType, KindSpec};
use switchhook_http::Clients;

use crate::api::{self, Bot};
use crate::connector::TelegramConnector;

pub(crate) const KIND: &str = "telegram";
pub(crate) const ID_PREFIX: &str = "tg";
const DEFAULT_API_URL: &str = "https://api.telegram.org";
const DEFAULT_POLL_TIMEOUT: Duration = Duration::from_secs(25);
/// The Bot API holds a long poll for no longer than this.
const MAX_POLL_TIMEOUT: Duration = Duration::from_secs(50);

static SPEC: KindSpec = KindSpec {
    kind: KIND,
    id_prefix: ID_PREFIX,
    summary: "A Telegram bot, by long polling: no inbound port is needed.",
    keys: &[
        KeySpec {
            name: "token",
            key_type: KeyType::Secret,
            required: true,
            identity: true,
            summary: "The bot's token, as @BotFather gave it: `4242:AAE…`.",
        },
        KeySpec {
            name: "api_url",
            key_type: KeyType::Url,
            required: false,
            identity: true,
            summary: "Where the Bot API is, for a server of one's own. Default: https://api.telegram.org",
        },
        KeySpec {
            name: "poll_timeout",
            key_type: KeyType::Duration,
            required: false,
            identity: false,
            summary: "How long one request waits for something new, at most 50s. Default: 25s",
        },
    ],
};

/// Builds connectors of `kind = "telegram"`.
#[derive(Debug, Default)]
pub struct TelegramKind {
    /// Of all bots, made with the first.
    http: OnceLock<Arc<Clients>>,
}

impl TelegramKind {
    fn http(&self) -> Result<Arc<Clients>, String> {
        if let Some(http) = self.http.get() {
            return Ok(http.clone());
        }
        let http = Arc::new(api::clients()?);
        Ok(self.http.get_or_init(|| http).clone())
    }
}

impl ConnectorKind for TelegramKind {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }

    fn account(&self, settings: &ChannelSettings) -> Result<AccountId, BuildError> {
        let (id, _) = token(settings)?;
        Ok(AccountId::new(KIND, &id))
    }

    fn build(&self, settings: ChannelSettings) -> Result<Built, BuildError> {
        let (id, token) = token(&settings)?;
        let account = AccountId::new(KIND, &id);
        let api_url = settings.text("api_url").unwrap_or(DEFAULT_API_URL);
        let bot = self.http().and_then(|http| Bot::new(http, api_url, token));
        let bot = bot.map_err(|message| BuildError { key: "api_url", message })?;
        let poll_timeout = poll_timeout(&settings)?;
        let connector = TelegramConnector::new(settings.name, account.clone(), bot, poll_timeout);
        Ok(Built { account, connector: Arc::new(connector) })
    }
}

/// The bot's id and the whole token. The form is the one @BotFather gives: digits, a colon, and what is secret.
fn token(settings: &ChannelSettings) -> Result<(String, SecretString), BuildError> {
    let wrong = |message: &str| BuildError { key: "token", message: message.to_owned() };
    let token = settings.secret("token").ok_or_else(|| wrong("a bot needs one: ask @BotFather"))?;
    // A file's last line break is no part of it.
    let text = token.expose_secret().trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match text.split_once(':') {
        Some((id, secret))
            if !id.is_empty()
                && id.len() <= 20
                && id.chars().all(|c| c.is_ascii_digit())
                && !secret.is_empty()
                && secret.chars().all(legal) =>
        {
            Ok((id.to_owned(), SecretString::from(text)))
        }
        _ => Err(wrong("a bot's token is digits, a colon, then letters, digits, `-` or `_`, as in `4242:AAE…`")),
    }
}

/// How long a request may wait for news.
pub(crate) fn poll_timeout(settings: &ChannelSettings) -> Result<Duration, BuildError> {
    let wait = settings.duration("poll_timeout").unwrap_or(DEFAULT_POLL_TIMEOUT);
    if wait > MAX_POLL_TIMEOUT || wait < Duration::from_secs(1) {
        return Err(BuildError {
            key: "poll_timeout",
            message: format!("{wait:?} is out of range: from 1s to {MAX_POLL_TIMEOUT:?}"),
        });
    }
    Ok(wait)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use switchhook_core::id::ChannelName;
    use switchhook_core::kind::KeyValue;

    use super::*;

    fn settings(token: &str, poll: Option<Duration>) -> ChannelSettings {
        let mut values = BTreeMap::from([("token".to_owned(), KeyValue::Secret(token.into()))]);
        values.extend(poll.map(|p| ("poll_timeout".to_owned(), KeyValue::Duration(p))));
        ChannelSettings { name: ChannelName::new("me").unwrap(), values }
    }

    #[test]
    fn the_account_is_the_bot_and_no_secret() {
        let built = TelegramKind::default().build(settings("4242:AAE-x_1\n", None)).ok().unwrap();
        assert_eq!(built.account.as_str(), "telegram:4242");
    }

    #[test]
    fn a_malformed_token_is_refused_without_showing_it() {
        for bad in ["", "4242", "x:AAE", "4242:", ":AAE", "4242:A AE", "4242:SECRET/../x"] {
            let error = TelegramKind::default().account(&settings(bad, None)).unwrap_err();
            assert_eq!(error.key, "token", "{bad}");
            assert!(error.message.contains("4242:AAE…"), "{}", error.message);
            assert!(!error.message.contains("SECRET"));
        }
    }

    #[test]
    fn a_poll_longer_than_telegram_holds_one_is_refused() {
        assert!(TelegramKind::default().build(settings("4242:A", Some(Duration::from_secs(50)))).is_ok());
        let error = TelegramKind::default().build(settings("4242:A", Some(Duration::from_secs(51)))).err().unwrap();
        assert_eq!(error.key, "poll_timeout");
    }
}
