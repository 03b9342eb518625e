//! The master key: where it lies, and which one opens what.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hkdf::Hkdf;
use rand::TryRngCore;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The file in `keys_dir`.
pub(crate) const FILE: &str = "master.key";

/// Names a master key without giving it away: four bytes derived from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub(crate) [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why there is no master key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    #[error("the master key {} can't be read or made: {reason}", path.display())]
    Io { path: PathBuf, reason: Arc<io::Error> },
    #[error("others may read the master key {path}: run `chmod 600 {path}`", path = path.display())]
    Exposed { path: PathBuf },
    #[error("{} holds no master key: expected 64 hexadecimal digits", path.display())]
    Malformed { path: PathBuf },
}

/// The 32 bytes that everything sealed depends on. Who loses them loses the data.
#[derive(Clone)]
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    /// Asked for with every cell.
    id: KeyId,
}

impl MasterKey {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::new(Zeroizing::new(bytes))
    }
    fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let mut id = [0; 4];
        derive(&bytes, &["key id"], &mut id);
        Self { bytes, id: KeyId(id) }
    }
    /// From 64 hexadecimal digits, as an environment variable or a file holds them.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice()).ok()?;
        Some(Self::new(bytes))
    }
    /// Makes a random key at a path, readable by its owner alone, unless there is something already.
    pub fn make(path: &Path) -> Result<(), KeyError> {
        let failed = |reason| KeyError::Io { path: path.to_owned(), reason: Arc::new(reason) };
        if path.try_exists().map_err(failed)? { Ok(()) } else { create(path).map_err(failed) }
    }
    pub fn id(&self) -> KeyId {
        self.id
    }
    /// Derives a key for one purpose. The parts are told apart by their lengths.
    pub(crate) fn derive(&self, purpose: &[&str], into: &mut [u8]) {
        derive(&self.bytes, purpose, into);
    }
}

fn derive(key: &[u8; 32], purpose: &[&str], into: &mut [u8]) {
    let mut info = b"switchhook store v1".to_vec();
    for part in purpose {
        info.extend((part.len() as u32).to_be_bytes());
        info.extend(part.as_bytes());
    }
    // Fails only for more than 255 blocks of 32 bytes; nobody here asks for more than one.
    Hkdf::<Sha256>::new(None, key).expand(&info, into).expect("a key of at most 32 bytes");
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

/// Writes a random key beside its final place and links it there, so that nobody ever sees half a key, and of two
/// processes that start at once one wins.
fn create(path: &Path) -> io::Result<()> {
    let dir = folder_of(path);
    let name = path.file_name().ok_or_else(|| io::Error::other("it is a folder"))?.display();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut key = Zeroizing::new([0u8; 32]);
    rand::rngs::OsRng.try_fill_bytes(key.as_mut_slice()).map_err(io::Error::other)?;
    let draft = dir.join(format!("{name}.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    let text = Zeroizing::new(hex::encode(key.as_slice()) + "\n");
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder_of(path),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Brings to disk that a file is there, or is called so.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    fs::File::open(folder_of(path))?.sync_all()
}

/// The newest key seals; every key opens.
#[derive(Debug, Clone)]
pub struct Keyring {
    pub current: MasterKey,
    pub old: Vec<MasterKey>,
}

impl Keyring {
    pub(crate) fn find(&self, id: KeyId) -> Option<&MasterKey> {
        std::iter::once(&self.current).chain(&self.old).find(|key| key.id() == id)
    }
    /// The names of all keys, for a message.
    pub(crate) fn names(&self) -> String {
        let names: Vec<_> = std::iter::once(&self.current).chain(&self.old).map(|k| k.id().to_string()).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::KeyFile;

    fn load(keys_dir: &Path) -> Result<MasterKey, KeyError> {
        KeyFile::in_keys_dir(keys_dir).keyring().map(|ring| ring.current)
    }

    #[test]
    fn first_run_makes_a_private_key_and_the_next_finds_it() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("deep/keys");
        let made = load(&keys).unwrap();
        assert_eq!(fs::metadata(keys.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load(&keys).unwrap().id(), made.id());
        assert_eq!(fs::read_dir(&keys).unwrap().count(), 1, "the draft is gone");
        let other = load(&dir.path().join("other")).unwrap();
        assert_ne!(other.id(), made.id());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path()).unwrap();
        let path = dir.path().join(FILE);
        for mode in [0o640, 0o604] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load(dir.path()).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    /// A8: a key file that the config names is made where it is missing, and never made anew.
    #[test]
    fn a_key_is_made_where_the_config_wants_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets/seal.hex");
        MasterKey::make(&path).unwrap();
        let made = fs::read_to_string(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(MasterKey::from_hex(&made).is_some());
        MasterKey::make(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), made);
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(matches!(MasterKey::make(&dir.path().join("file/key")), Err(KeyError::Io { .. })));
    }

    #[test]
    fn half_a_key_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path()).unwrap();
        let path = dir.path().join(FILE);
        fs::write(&path, "abcd").unwrap();
        assert!(matches!(load(dir.path()), Err(KeyError::Malformed { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "abcd");
    }

    #[test]
    fn what_is_printed_of_a_key_is_not_the_key() {
        let key = MasterKey::from_bytes([0xab; 32]);
        assert!(!format!("{key:?}").contains("abab"));
    }
}
