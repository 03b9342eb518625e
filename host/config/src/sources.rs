//! What validation looks things up in. All of it is given, so that a test can give something else.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use switchhook_core::catalogue::Catalogue;
use switchhook_core::kind::ConnectorKind;

/// What a config is checked against.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    pub catalogue: &'a dyn Catalogue,
    pub kinds: &'a Kinds,
    pub secrets: &'a dyn SecretSource,
}

/// The kinds of connectors in this build, by name.
#[derive(Clone, Default)]
pub struct Kinds {
    built: BTreeMap<&'static str, Arc<dyn ConnectorKind>>,
    /// Kinds that exist elsewhere, with the reason why not here.
    left_out: BTreeMap<&'static str, &'static str>,
}

impl Kinds {
    /// Of two kinds with the same name the later one counts.
    pub fn new(kinds: Vec<Arc<dyn ConnectorKind>>) -> Self {
        let built = kinds.into_iter().map(|kind| (kind.spec().kind, kind)).collect();
        Self { built, left_out: BTreeMap::new() }
    }
    /// Names a kind that this build could have had: who asks for it is told `why` it has not.
    pub fn left_out(mut self, kind: &'static str, why: &'static str) -> Self {
        self.left_out.insert(kind, why);
        self
    }
    pub(crate) fn why_not(&self, kind: &str) -> Option<&'static str> {
        self.left_out.get(kind).copied()
    }
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn ConnectorKind>> {
        self.built.get(kind)
    }
    /// In alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.built.keys().copied()
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn ConnectorKind>> {
        self.built.values()
    }
}

/// Where secrets come from.
pub trait SecretSource: Send + Sync {
    /// The value of an environment variable; none where it is not set or is no text.
    fn env(&self, name: &str) -> Option<String>;
    /// The content of a secret file, without the newline that editors put at its end.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The environment of this process, and the files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessSecrets;

impl SecretSource for ProcessSecrets {
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = std::fs::read(path)?;
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_loses_one_newline() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        for (written, read) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a ", "a ")] {
            std::fs::write(&file, written).unwrap();
            assert_eq!(ProcessSecrets.file(&file).unwrap(), read.as_bytes(), "{written:?}");
        }
        assert!(ProcessSecrets.file(&folder.path().join("none")).is_err());
        assert_eq!(ProcessSecrets.env("SWITCHHOOK_NO_SUCH_VARIABLE"), None);
    }
}
