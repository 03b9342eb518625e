//! The world of one case.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::json;
use tempfile::TempDir;

use super::configs::assistant_config;
use super::programs::programs;
use super::{Host, Linked, Model, OWNER, Telegram, WhatsApp, Wire};

/// The bot most cases talk to.
const BOT: i64 = 4242;
/// The bots of the fake Telegram, with their tokens.
const BOTS: [&str; 3] = ["4242:SECRET-one", "4343:SECRET-two", "4444:SECRET-three"];

pub struct World {
    // Processes end before their folder goes.
    pub host: Host,
    pub telegram: Arc<Telegram>,
    pub model: Model,
    whatsapp: OnceLock<WhatsApp>,
    folder: TempDir,
}

impl World {
    /// A world with nothing in its config but where to listen. The host is not started.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let telegram = Arc::new(Telegram::start(folder.path(), &BOTS));
        let model = Model::start(folder.path(), "model");
        std::fs::write(folder.path().join("bot.token"), BOTS[0]).expect("a secret file");
        std::fs::write(folder.path().join("other.token"), BOTS[1]).expect("a secret file");
        let mut host = Host::new(folder.path().join("switchhook.toml"), free_port());
        host.env("SWITCHHOOK_CACHE_DIR", cache_dir().to_str().expect("a plain path"));
        // Whatever the host writes beside its data is looked through as well, and goes with the world.
        let temporary = folder.path().join("tmp");
        std::fs::create_dir(&temporary).expect("a folder");
        host.env("TMPDIR", temporary.to_str().expect("a plain path"));
        Self { host, telegram, model, whatsapp: OnceLock::new(), folder }
    }

    /// A world whose host runs with this config.
    pub async fn with(config: &str) -> Self {
        let mut world = Self::empty();
        world.write_config(config);
        world.host.start().await;
        world
    }

    /// The assistant for some people on one bot: the main job.
    pub async fn assistant(allow_from: &str) -> Self {
        let world = Self::with(&assistant_config(allow_from)).await;
        world.telegram.polled(BOT).await;
        world
    }

    /// Another host with the same config, whose log is its own. It is not started.
    pub fn second_host(&self) -> Host {
        let mut second = Host::new(self.host.config.clone(), self.host.port);
        second.env("SWITCHHOOK_CACHE_DIR", cache_dir().to_str().expect("a plain path"));
        second.log_as("second.log");
        second
    }

    /// The fake WhatsApp, which starts when it is first asked for.
    pub fn whatsapp(&self) -> &WhatsApp {
        self.whatsapp.get_or_init(|| WhatsApp::start(self.folder.path()))
    }

    /// The assistant on a WhatsApp channel `wa` whose device was linked before, and which is connected. Runs the program
    /// that people run: it needs no pairing.
    pub async fn linked(config: &str) -> Self {
        Self::linked_with_keys(config).await.0
    }

    /// The same, with the private keys of the device.
    pub async fn linked_with_keys(config: &str) -> (Self, Vec<Vec<u8>>) {
        Self::empty().seeded(config).await
    }

    /// The same with a wire to WhatsApp that can be cut.
    pub async fn linked_by_wire(config: &str) -> (Self, Wire) {
        let world = Self::empty();
        let wire = Wire::to(&world.whatsapp().url);
        (world.seeded(&config.replace("{WHATSAPP}", wire.url())).await.0, wire)
    }

    async fn seeded(mut self, config: &str) -> (Self, Vec<Vec<u8>>) {
        self.whatsapp().account(OWNER).await;
        self.write_config(config);
        let keys = self.whatsapp().seed(self.folder(), "wa", OWNER);
        self.host.start().await;
        self.whatsapp().ready().await;
        (self, keys)
    }

    /// Links the channel `wa` by QR code, and waits until the device is connected. Only the instrumented program can.
    pub async fn link(&self) -> Linked {
        let mut linking = self.host.link(&["wa"]);
        let qr = linking.qr().await;
        self.whatsapp().post("scan", json!({ "account": OWNER, "qr": qr })).await;
        let linked = linking.end().await;
        assert_eq!(linked.code, Some(0), "{linked:?}");
        self.whatsapp().ready().await;
        linked
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Fills in where the fakes are, and saves as careful editors do: aside, then renamed.
    pub fn write_config(&self, config: &str) {
        let aside = self.path("switchhook.toml.new");
        std::fs::write(&aside, self.filled(config)).expect("the config is written");
        std::fs::rename(aside, &self.host.config).expect("the config is renamed");
    }

    pub fn filled(&self, config: &str) -> String {
        format!("[host]\nlisten = \"127.0.0.1:{}\"\n{config}", self.host.port)
            .replace("{TELEGRAM}", &self.telegram.url)
            .replace("{MODEL}", &self.model.url)
            .replace("{WHATSAPP}", &self.whatsapp_url(config))
    }

    fn whatsapp_url(&self, config: &str) -> String {
        if config.contains("{WHATSAPP}") { self.whatsapp().url.clone() } else { String::new() }
    }

    /// Replaces a part of the config and saves it.
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.host.config).expect("the config is there");
        assert!(text.contains(from), "the config has no {from:?}");
        let aside = self.path("switchhook.toml.new");
        std::fs::write(&aside, text.replace(from, to)).expect("the config is written");
        std::fs::rename(aside, &self.host.config).expect("the config is renamed");
    }
}

/// Compiled plugins are the same for every case: they are kept where the build is.
fn cache_dir() -> PathBuf {
    programs().with_file_name("tmp").join("plugin-cache")
}

/// A port that the host can be told to listen on, also after it was killed: one that systems don't give away to whoever
/// connects or asks for any (32768 and above on Linux, 49152 and above elsewhere), and none that was handed out before.
/// Several programs of tests may run at once, so each begins elsewhere.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u32> = 10_240..32_768;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let offset = std::process::id().wrapping_mul(97);
    let count = PORTS.end - PORTS.start;
    (0..count)
        .map(|_| PORTS.start + offset.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("loopback has a free port")
}
