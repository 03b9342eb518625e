//! The master key: where it lies, and which one opens what.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

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
    Io { path: PathBuf, reason: Arc<std::io::Error> },
    #[error("the master key {} may be read by others: run `chmod 600 {}`", path.display(), path.display())]
    Exposed { path: PathBuf },
    #[error("{} holds no master key: expected 64 hexadecimal digits", path.display())]
    Malformed { path: PathBuf },
}

/// The 32 bytes that everything sealed depends on. Who loses them loses the data.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
    /// From 64 hexadecimal digits, as an environment variable or a file holds them.
    pub fn from_hex(_text: &str) -> Option<Self> {
        todo!()
    }
    /// Reads `keys_dir/master.key`; makes a random one, readable by its owner alone, where there is none.
    pub fn load_or_create(_keys_dir: &Path) -> Result<Self, KeyError> {
        todo!()
    }
    pub fn id(&self) -> KeyId {
        todo!()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

/// The newest key seals; every key opens.
#[derive(Debug, Clone)]
pub struct Keyring {
    pub current: MasterKey,
    pub old: Vec<MasterKey>,
}
