//! Where a config keeps its files, read before and apart from its validation: a command must find the running host
//! while the config is broken, and the catalogue that validation asks needs its cache.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use switchhook_config::{LogFormat, MasterKeySource};
use switchhook_core::origin::OwnNames;
use toml::de::{DeTable, DeValue};

use crate::failure::Failure;

/// The defaults of `[host]`.
const DATA_DIR: &str = "data";
const KEYS_DIR: &str = "keys";
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 18789);

/// The running host says in this file of its data folder where it really listens.
const ADDRESS_FILE: &str = "api.address";

/// What `[host]` says of places, as far as it can be read. Nothing here is an error: validation tells those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) config: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) keys_dir: PathBuf,
    pub(crate) log: LogFormat,
    /// None for `master.key` in the keys folder.
    pub(crate) master_key: Option<MasterKeySource>,
    listen: SocketAddr,
    hosts: Vec<String>,
}

impl Places {
    pub(crate) fn find(explicit: Option<&Path>) -> Result<Self, Failure> {
        let path = switchhook_config::locate(explicit)?;
        let path = std::path::absolute(&path).map_err(|e| Failure::other("the config's folder can't be found", e))?;
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        Ok(Self::read(path, &text))
    }
    pub(crate) fn read(config: PathBuf, text: &str) -> Self {
        let (document, _) = DeTable::parse_recoverable(text);
        let host = document.get_ref().get("host").and_then(|host| host.get_ref().as_table());
        let key =
            |name: &str| host.and_then(|host| host.get(name)).map(|value| value.get_ref()).and_then(DeValue::as_str);
        let hosts = host.and_then(|host| host.get("hosts")).and_then(|value| value.get_ref().as_array());
        let hosts = hosts.into_iter().flatten().filter_map(|name| name.get_ref().as_str().map(str::to_owned));
        let folder = config.parent().unwrap_or(Path::new("/"));
        Self {
            data_dir: folder.join(key("data_dir").unwrap_or(DATA_DIR)),
            keys_dir: folder.join(key("keys_dir").unwrap_or(KEYS_DIR)),
            master_key: host.and_then(|host| master_key(host, folder)),
            log: if key("log") == Some("json") { LogFormat::Json } else { LogFormat::Pretty },
            listen: key("listen").and_then(|text| text.parse().ok()).unwrap_or(LISTEN),
            hosts: hosts.collect(),
            config,
        }
    }
    /// Where the running host is asked: what it noted itself, since an edit of `listen` waits for the next start.
    pub(crate) fn api_address(&self) -> SocketAddr {
        let noted = std::fs::read_to_string(self.data_dir.join(ADDRESS_FILE)).ok();
        reachable(noted.and_then(|text| text.trim().parse().ok()).unwrap_or(self.listen))
    }
    /// The names that requests may call this host by.
    pub(crate) fn names(&self) -> OwnNames {
        OwnNames::new(self.listen.ip(), &self.hosts)
    }
    pub(crate) fn note_address(&self, address: SocketAddr) -> std::io::Result<()> {
        std::fs::write(self.data_dir.join(ADDRESS_FILE), format!("{address}\n"))
    }
    /// Nobody shall be sent there with a token once somebody else may listen.
    pub(crate) fn forget_address(&self) {
        let _ = std::fs::remove_file(self.data_dir.join(ADDRESS_FILE));
    }
}

fn master_key(host: &DeTable<'_>, folder: &Path) -> Option<MasterKeySource> {
    let table = host.get("master_key")?.get_ref().as_table()?;
    let text = |name: &str| table.get(name).and_then(|value| value.get_ref().as_str());
    let file = text("file").map(|file| MasterKeySource::File(folder.join(file)));
    file.or_else(|| text("env").map(|name| MasterKeySource::Env(name.to_owned())))
}

/// Who listens on every address is reached on loopback.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Places {
        Places::read(PathBuf::from("/box/switchhook.toml"), text)
    }

    #[test]
    fn places_are_relative_to_the_config() {
        let places = read("[host]\ndata_dir = \"d\"\nkeys_dir = \"/k\"\nlisten = \"0.0.0.0:1\"\n");
        assert_eq!(places.data_dir, Path::new("/box/d"));
        assert_eq!(places.keys_dir, Path::new("/k"));
        assert_eq!(places.api_address(), "127.0.0.1:1".parse().unwrap());
        let named = read("[host]\nhosts = [\"chat.example.com\"]\n");
        assert_eq!(named.names().check(Some("chat.example.com"), None), Ok(()));
        assert_eq!(read("").data_dir, Path::new("/box/data"));
        let file = read("[host]\nmaster_key = { file = \"k.hex\" }\n").master_key;
        assert_eq!(file, Some(MasterKeySource::File(PathBuf::from("/box/k.hex"))));
        let env = read("[host]\nmaster_key = { env = \"K\" }\n").master_key;
        assert_eq!(env, Some(MasterKeySource::Env("K".to_owned())));
    }

    #[test]
    fn a_broken_config_still_says_where_its_host_is() {
        let places = read("[host]\nkeys_dir = \"/k\"\nlisten = \"127.0.0.1:9\"\n[plugins.x\nsource = ");
        assert_eq!(places.keys_dir, Path::new("/k"));
        assert_eq!(places.api_address(), "127.0.0.1:9".parse().unwrap());
    }

    #[test]
    fn what_the_host_noted_counts_more_than_the_config() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("switchhook.toml");
        let places = Places::read(config, "[host]\ndata_dir = \".\"\nlisten = \"127.0.0.1:1\"\n");
        places.note_address("0.0.0.0:4242".parse().unwrap()).unwrap();
        assert_eq!(places.api_address(), "127.0.0.1:4242".parse().unwrap());
    }
}
