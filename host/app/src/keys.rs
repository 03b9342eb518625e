//! Keys the host makes for itself on its first run, readable by its owner alone.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rand::TryRngCore;
use rand::rngs::OsRng;
use switchhook_config::MasterKeySource;
use switchhook_runtime::KeySource;
use switchhook_store::{KeyFile, Keyring, MasterKey, StoreError};

use crate::failure::Failure;
use crate::places::Places;

/// Signs the cookies of web visitors.
const COOKIE_KEY: &str = "web-cookie.key";

/// The folders everything is kept in, made where they are missing.
pub(crate) fn make_folders(places: &Places) -> Result<(), Failure> {
    for folder in [&places.data_dir, &places.keys_dir] {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| Failure::other(&format!("the folder {} can't be made", folder.display()), error))?;
    }
    Ok(())
}

/// Where the config says that the master key is, or else in the keys folder.
pub(crate) fn source(places: &Places, configured: Option<&MasterKeySource>) -> KeySource {
    match configured {
        None => KeySource::File(KeyFile::in_keys_dir(&places.keys_dir)),
        Some(MasterKeySource::File(path)) => KeySource::File(KeyFile::named(path)),
        Some(MasterKeySource::Env(name)) => KeySource::Env(name.clone()),
    }
}

/// The master key, and while a rotation is under way the one before. A file that is missing is made on the first run.
pub(crate) fn keyring(source: &KeySource) -> Result<Keyring, Failure> {
    match source {
        KeySource::File(file) => file.keyring().map_err(|error| Failure::other("there is no master key", error)),
        KeySource::Env(name) => Ok(Keyring { current: in_env(name)?, old: Vec::new() }),
    }
}

pub(crate) fn in_env(name: &str) -> Result<MasterKey, Failure> {
    MasterKey::from_hex(&std::env::var(name).unwrap_or_default()).ok_or_else(|| Failure::Other {
        what: format!("the environment variable {name} holds no master key"),
        help: Some("it takes 64 hexadecimal digits, as `openssl rand -hex 32` prints them".to_owned()),
    })
}

/// Why the store does not open; where the key is the reason, with the place it is from and what to do.
pub(crate) fn store_failure(error: StoreError, source: &KeySource) -> Failure {
    let (code, what) = (error.code(), error.to_string());
    let StoreError::WrongKey { wanted, .. } = &error else { return Failure::Store { code, what, help: None } };
    let help = match source {
        KeySource::Env(name) => format!("give the environment variable {name} the key {wanted}"),
        KeySource::File(file) => match file.kept(*wanted) {
            Some(kept) => {
                format!("that key is kept as {}: put it in the place of {}", kept.display(), file.path().display())
            }
            None => format!("put the key {wanted} in the place of {}", file.path().display()),
        },
    };
    Failure::Store { code, what, help: Some(format!("{help}, or start with an empty `data_dir`")) }
}

/// The key that signs cookies. The same over restarts, or guests of the web chat would lose their names.
pub(crate) fn cookie_key(places: &Places) -> Result<[u8; 32], Failure> {
    let path = places.keys_dir.join(COOKIE_KEY);
    let key = match fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|_| io::Error::other("it has not 32 bytes: delete it")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path),
        Err(error) => Err(error),
    };
    key.map_err(|error| Failure::other(&format!("the key {} can't be used", path.display()), error))
}

fn make(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0_u8; 32];
    OsRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&key)?;
    file.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_cookie_key_is_private_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::read(folder.path().join("switchhook.toml"), "");
        make_folders(&places).unwrap();
        let key = cookie_key(&places).unwrap();
        assert_eq!(cookie_key(&places).unwrap(), key);
        let mode = fs::metadata(places.keys_dir.join(COOKIE_KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::metadata(&places.keys_dir).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_cut_off_key_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::read(folder.path().join("switchhook.toml"), "");
        make_folders(&places).unwrap();
        fs::write(places.keys_dir.join(COOKIE_KEY), "short").unwrap();
        let error = cookie_key(&places).unwrap_err().to_string();
        assert!(error.contains(COOKIE_KEY) && error.contains("delete it"), "{error}");
    }
}
