//! The local token: who can read its file may use the API.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The name of the token's file in the keys folder.
const FILE: &str = "api.token";

/// Why there is no token to be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the API token {path} can't be {action}: {source}")]
    File { path: PathBuf, action: &'static str, source: io::Error },
    #[error("{path} holds no API token: delete it, and the next start of the host makes another")]
    Malformed { path: PathBuf },
    #[error("this machine gives no random numbers: {0}")]
    Random(rand::rand_core::OsError),
}

/// 256 random bits in hexadecimal, kept in `api.token` in the keys folder, readable by its owner alone.
#[derive(Debug, Clone)]
pub struct LocalToken(SecretString);

impl LocalToken {
    /// Reads the token, or makes one where there is none.
    pub fn open_or_make(keys_dir: &Path) -> Result<Self, TokenError> {
        let path = keys_dir.join(FILE);
        if path.exists() {
            warn_if_exposed(&path);
            return Self::read(keys_dir);
        }
        let mut bits = [0_u8; 32];
        OsRng.try_fill_bytes(&mut bits).map_err(TokenError::Random)?;
        let token = hex::encode(bits);
        write_private(keys_dir, &path, &token).map_err(|source| TokenError::File { path, action: "made", source })?;
        Ok(Self(token.into()))
    }
    /// Reads the token of a host that has run here before.
    pub fn read(keys_dir: &Path) -> Result<Self, TokenError> {
        let path = keys_dir.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) if is_token(text.trim()) => Ok(Self(text.trim().into())),
            Ok(_) => Err(TokenError::Malformed { path }),
            Err(source) => Err(TokenError::File { path, action: "read", source }),
        }
    }
    /// What the host keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.expose_secret()).into())
    }
    /// For the `Authorization` header of a client.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// SHA-256 of the token: enough to recognise it, useless to whoever reads the host's memory.
#[derive(Debug, Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Takes the same time whatever is presented.
    pub(crate) fn matches(&self, presented: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(presented).into();
        hash.ct_eq(&self.0).into()
    }
}

fn is_token(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn write_private(folder: &Path, path: &Path, token: &str) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()
}

/// Some file systems know no owners (a mounted share), so this is no reason to refuse.
fn warn_if_exposed(path: &Path) {
    if let Ok(meta) = fs::metadata(path)
        && meta.permissions().mode() & 0o077 != 0
    {
        tracing::warn!(path = %path.display(), "others can read the API token: `chmod 600` it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let made = LocalToken::open_or_make(&keys).unwrap();
        let again = LocalToken::open_or_make(&keys).unwrap();
        assert_eq!(made.secret().expose_secret(), again.secret().expose_secret());
        let mode = fs::metadata(keys.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(made.hash().matches(again.secret().expose_secret()));
        assert!(!made.hash().matches("0000"));
    }

    #[test]
    fn what_is_no_token_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "\n").unwrap();
        let error = LocalToken::open_or_make(folder.path()).unwrap_err().to_string();
        assert!(error.contains(FILE) && error.contains("delete it"), "{error}");
    }

    #[test]
    fn debug_prints_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let token = LocalToken::open_or_make(folder.path()).unwrap();
        assert!(!format!("{token:?}").contains(token.secret().expose_secret()));
    }
}
