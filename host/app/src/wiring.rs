//! The one place that knows every kind of connector, and what they are given.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use switchhook_config::Kinds;
use switchhook_core::kind::ConnectorKind;
use switchhook_core::origin::OwnNames;
use switchhook_plugin::{Compiler, HostOptions, PluginHost};
use switchhook_store::Store;
use switchhook_telegram::TelegramKind;
use switchhook_web::{Hub, HubOptions, WebKind};

use crate::failure::Failure;
use crate::places::Places;
use crate::web_log::WebLog;

/// Compiled plugins, below the data folder.
const COMPILED: &str = "compiled";
/// The environment's word for another place.
const CACHE_DIR: &str = "SWITCHHOOK_CACHE_DIR";

/// Every kind of connector in this build.
pub(crate) struct Connectors {
    pub(crate) kinds: Kinds,
    pub(crate) hub: Arc<Hub>,
    log: Arc<WebLog>,
    #[cfg(feature = "whatsapp")]
    whatsapp: switchhook_whatsapp::WhatsAppKind,
}

impl Connectors {
    pub(crate) fn new(cookie_key: [u8; 32], names: OwnNames) -> Self {
        let log = Arc::new(WebLog::default());
        let hub = Hub::new(HubOptions { cookie_key, log: log.clone(), names });
        #[cfg(feature = "whatsapp")]
        let whatsapp = switchhook_whatsapp::WhatsAppKind::default();
        let built: Vec<Arc<dyn ConnectorKind>> = vec![
            Arc::new(TelegramKind::default()),
            Arc::new(WebKind::new(Arc::clone(&hub))),
            #[cfg(feature = "whatsapp")]
            Arc::new(whatsapp.clone()),
        ];
        let kinds = Kinds::new(built);
        #[cfg(not(feature = "whatsapp"))]
        let kinds = kinds.left_out("whatsapp", "it was built without the cargo feature `whatsapp`");
        Self {
            kinds,
            hub,
            log,
            #[cfg(feature = "whatsapp")]
            whatsapp,
        }
    }

    /// For commands that start no connector.
    pub(crate) fn for_checking() -> Self {
        Self::new([0; 32], OwnNames::new(Ipv4Addr::LOCALHOST.into(), &[]))
    }

    /// Kinds are needed for reading the config, and the config for opening the store: who keeps something there gets it
    /// only now.
    pub(crate) fn open(&self, store: &Store) {
        self.log.open(store.clone());
        #[cfg(feature = "whatsapp")]
        self.whatsapp.open(store.clone());
    }
}

/// The plugin host of a host that runs for long: what compiles is a child, which can be killed.
pub(crate) fn plugins(places: &Places) -> Result<PluginHost, Failure> {
    let exe = own_program().map_err(|error| Failure::other("the path of this program can't be found", error))?;
    let compiler = Compiler::Child { exe, args: vec!["compile".to_owned()] };
    open(HostOptions { compiler, ..HostOptions::new(compiled(places)) })
}

/// Compiled plugins are mapped as code: a data folder mounted `noexec` needs them elsewhere.
fn compiled(places: &Places) -> PathBuf {
    variable(CACHE_DIR).unwrap_or_else(|| places.data_dir.join(COMPILED))
}

/// The plugin host of a command that ends soon anyway, and may run where no host ever has, or as somebody else.
pub(crate) fn short_lived_plugins(places: Option<&Places>) -> Result<PluginHost, Failure> {
    let shared = places.map(compiled).filter(|folder| folder.exists());
    open(HostOptions::new(shared.unwrap_or_else(|| user_cache().join("switchhook").join(COMPILED))))
}

fn user_cache() -> PathBuf {
    let home = || variable("HOME").map(|home| home.join(".cache"));
    variable("XDG_CACHE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir)
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn open(options: HostOptions) -> Result<PluginHost, Failure> {
    PluginHost::new(options).map_err(|error| Failure::other("the plugin host did not start", error))
}

/// On Linux by a name that stays right when the file is replaced while it runs.
fn own_program() -> std::io::Result<PathBuf> {
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() { Ok(link) } else { std::env::current_exe() }
}
