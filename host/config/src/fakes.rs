//! A catalogue, kinds of connectors and secrets for tests. The builtin plugins have their real schemas, so that the
//! examples in `config/` are checked against what they are for.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use switchhook_core::catalogue::{
    Capability, Catalogue, CatalogueError, Description, HookKind, Limits, PluginSource, SettingsProblem,
};
use switchhook_core::id::{AccountId, Digest, GroupName};
use switchhook_core::kind::{BuildError, Built, ChannelSettings, ConnectorKind, KeySpec, KeyType, KindSpec};
use switchhook_core::message::ContentKind;

use crate::{Config, ConfigErrors, Kinds, SecretSource, Sources, validate};

/// The config file of every test; it need not exist.
pub(crate) const PATH: &str = "/etc/switchhook/switchhook.toml";

/// The world a config is validated in.
pub(crate) struct World {
    pub(crate) catalogue: FakeCatalogue,
    pub(crate) secrets: FakeSecrets,
    kinds: Kinds,
}

impl World {
    pub(crate) fn new() -> Self {
        let kinds = Kinds::new(vec![Arc::new(Telegram), Arc::new(Web), Arc::new(WhatsApp)]);
        Self { catalogue: FakeCatalogue::new(), secrets: FakeSecrets::default(), kinds }
    }
    pub(crate) fn validate(&self, text: &str) -> Result<Config, ConfigErrors> {
        let sources = Sources { catalogue: &self.catalogue, kinds: &self.kinds, secrets: &self.secrets };
        validate(text, Path::new(PATH), &sources)
    }
    /// The config, which must be sound.
    pub(crate) fn config(&self, text: &str) -> Config {
        self.validate(text).unwrap_or_else(|errors| panic!("{}", errors.render(crate::Color::Never)))
    }
    /// The errors, of which there must be some.
    pub(crate) fn errors(&self, text: &str) -> ConfigErrors {
        self.validate(text).expect_err("the config must be refused")
    }
    pub(crate) fn kinds(&self) -> &Kinds {
        &self.kinds
    }
}

#[derive(Default)]
pub(crate) struct FakeSecrets {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl FakeSecrets {
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }
}

impl SecretSource for FakeSecrets {
    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }
    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = path.to_str().and_then(|path| self.files.get(path));
        found.cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "No such file or directory"))
    }
}

pub(crate) struct FakeCatalogue {
    pub(crate) plugins: BTreeMap<String, Result<Description, CatalogueError>>,
    /// The settings each plugin was asked to take.
    pub(crate) asked: Mutex<Vec<(String, Value)>>,
}

fn described(name: &str, kind: HookKind, schema: &str) -> Description {
    Description {
        digest: Digest::from_hex(format!("{name}{}", "0".repeat(64 - name.len()))),
        kind,
        contract: "0.1".to_owned(),
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        summary: String::new(),
        settings_schema: (!schema.is_empty()).then(|| serde_json::from_str(schema).expect("a schema")),
        content: BTreeSet::from([ContentKind::Text]),
        groups: Vec::new(),
        capabilities: BTreeSet::new(),
    }
}

impl FakeCatalogue {
    fn new() -> Self {
        let allow_from = vec![GroupName::new("allow_from").expect("a name")];
        let allowlist = include_str!("../../../plugins/allowlist/src/settings.schema.json");
        let guide = include_str!("../../../plugins/guide/src/settings.schema.json");
        let builtins = [
            Description { groups: allow_from, ..described("allowlist", HookKind::Policy, allowlist) },
            described("router", HookKind::Policy, include_str!("../../../plugins/router/src/settings.schema.json")),
            described("commands", HookKind::Reply, include_str!("../../../plugins/commands/src/settings.schema.json")),
            Description {
                capabilities: BTreeSet::from([Capability::Kv]),
                ..described("guide", HookKind::Reply, guide)
            },
            Description {
                capabilities: BTreeSet::from([Capability::History]),
                ..described(
                    "assistant",
                    HookKind::Prompt,
                    include_str!("../../../plugins/assistant/src/settings.schema.json"),
                )
            },
        ];
        let plugins = builtins.into_iter().map(|d| (format!("builtin:{}", d.name), Ok(d))).collect();
        Self { plugins, asked: Mutex::default() }
    }

    pub(crate) fn add(&mut self, source: &str, description: Description) {
        self.plugins.insert(source.to_owned(), Ok(description));
    }

    pub(crate) fn policy(name: &str) -> Description {
        described(name, HookKind::Policy, "")
    }

    pub(crate) fn with_schema(name: &str, schema: &Value) -> Description {
        described(name, HookKind::Policy, &schema.to_string())
    }

    pub(crate) fn edit(&mut self, source: &str, change: impl FnOnce(&mut Description)) {
        change(self.plugins.get_mut(source).and_then(|d| d.as_mut().ok()).expect("a plugin of that source"));
    }

    pub(crate) fn fail(&mut self, source: &str, error: CatalogueError) {
        self.plugins.insert(source.to_owned(), Err(error));
    }
}

impl Catalogue for FakeCatalogue {
    fn describe(&self, source: &PluginSource) -> Result<Description, CatalogueError> {
        let known = "allowlist, assistant, commands, guide, router".to_owned();
        let missing = match source {
            PluginSource::Builtin(name) => CatalogueError::NoSuchBuiltin { name: name.clone(), known },
            PluginSource::File(path) => CatalogueError::Unreadable {
                path: path.display().to_string(),
                reason: "No such file or directory".to_owned(),
            },
        };
        self.plugins.get(&source.to_string()).cloned().unwrap_or(Err(missing))
    }

    /// Refuses a `system` text that says "refused", as a plugin would whose schema can't say so.
    fn configure(
        &self,
        source: &PluginSource,
        settings: &Value,
        _: &Limits,
    ) -> Result<Vec<SettingsProblem>, CatalogueError> {
        self.asked.lock().expect("a lock").push((source.to_string(), settings.clone()));
        let refused = settings.get("system").and_then(Value::as_str).is_some_and(|text| text.contains("refused"));
        let problem = || SettingsProblem { path: "/system".to_owned(), message: "this text is refused".to_owned() };
        Ok(refused.then(problem).into_iter().collect())
    }
}

const fn key(name: &'static str, key_type: KeyType, identity: bool) -> KeySpec {
    KeySpec { name, key_type, required: false, identity, summary: "A key of a test." }
}

struct Telegram;

static TELEGRAM: KindSpec = KindSpec {
    kind: "telegram",
    id_prefix: "tg",
    summary: "A fake of Telegram.",
    keys: &[
        KeySpec { required: true, ..key("token", KeyType::Secret, true) },
        key("api_url", KeyType::Url, true),
        key("poll_timeout", KeyType::Duration, false),
        key("retries", KeyType::Number { min: 0, max: 9 }, false),
        key("quiet", KeyType::Flag, false),
    ],
};

impl ConnectorKind for Telegram {
    fn spec(&self) -> &'static KindSpec {
        &TELEGRAM
    }
    fn account(&self, settings: &ChannelSettings) -> Result<AccountId, BuildError> {
        let token = settings.secret("token").map(ExposeSecret::expose_secret).unwrap_or_default();
        let bad = || BuildError { key: "token", message: "it must be the bot's number, a colon and a key".to_owned() };
        let (id, _) = token.split_once(':').ok_or_else(bad)?;
        Ok(AccountId::new("telegram", id))
    }
    fn build(&self, _: ChannelSettings) -> Result<Built, BuildError> {
        Err(BuildError { key: "token", message: "nothing is built while a config is read".to_owned() })
    }
}

struct Web;

static WEB: KindSpec = KindSpec {
    kind: "web",
    id_prefix: "web",
    summary: "A fake of the chat page.",
    keys: &[key("title", KeyType::Text, false), key("visitors", KeyType::SecretTable, false)],
};

impl ConnectorKind for Web {
    fn spec(&self) -> &'static KindSpec {
        &WEB
    }
    fn account(&self, settings: &ChannelSettings) -> Result<AccountId, BuildError> {
        Ok(AccountId::new("web", settings.name.as_str()))
    }
    fn build(&self, _: ChannelSettings) -> Result<Built, BuildError> {
        Err(BuildError { key: "title", message: "nothing is built while a config is read".to_owned() })
    }
}

struct WhatsApp;

static WHATSAPP: KindSpec = KindSpec {
    kind: "whatsapp",
    id_prefix: "wa",
    summary: "A fake of WhatsApp.",
    keys: &[key("number", KeyType::Text, true), key("device_name", KeyType::Text, true)],
};

impl ConnectorKind for WhatsApp {
    fn spec(&self) -> &'static KindSpec {
        &WHATSAPP
    }
    fn account(&self, settings: &ChannelSettings) -> Result<AccountId, BuildError> {
        Ok(AccountId::new("whatsapp", settings.name.as_str()))
    }
    fn build(&self, _: ChannelSettings) -> Result<Built, BuildError> {
        Err(BuildError { key: "number", message: "nothing is built while a config is read".to_owned() })
    }
}

/// A config with one of everything, sound in a world with `TOKEN` set to a bot's token.
pub(crate) const WHOLE: &str = r#"
[host]
data_dir = "data"

[plugins.allowlist]
source = "builtin:allowlist"

[plugins.assistant]
source = "builtin:assistant"
settings = { system = "Be kind.", history = 20 }

[groups.family]
members = ["+15551234567", "tg:1"]

[models.main]
base_url = "http://127.0.0.1:11434/v1"
model = "llama3.2"

[routes.personal]
policies = ["allowlist"]
replies = ["commands"]
prompt = "assistant"
model = "main"

[channels.me]
kind = "telegram"
token = { env = "TOKEN" }
route = "personal"
allow_from = ["12345", "group:family"]
settings = { assistant = { history = 50 } }
"#;

/// The world of [`WHOLE`].
pub(crate) fn world() -> World {
    let mut world = World::new();
    world.secrets.set("TOKEN", "42:abc");
    world
}

/// A schema that asks for one thing.
pub(crate) fn requiring(name: &str) -> Value {
    json!({"type": "object", "required": [name], "properties": {name: {"type": "integer"}}})
}
