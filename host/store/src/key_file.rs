//! A master key that lies in a file, the one that is to take its place, and those that it took the place of.
//!
//! Beside `master.key` lie `master.key.next` while a rotation is under way, and `master.key.<name>.old` after it, which
//! opens backups from before. Each step is a link or a rename: nobody ever sees half a key, and a key is never gone
//! before everything that it sealed is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::failpoint::edge;
use crate::keys::{self, KeyError, KeyId, Keyring, MasterKey};

/// Who may read the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    Owner,
    /// Whoever mounted it decides.
    Anybody,
}

/// Where a master key lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    path: PathBuf,
    readers: Readers,
}

impl KeyFile {
    /// `master.key` in a folder of keys; refused where others may read it.
    pub fn in_keys_dir(keys_dir: &Path) -> Self {
        Self { path: keys_dir.join(keys::FILE), readers: Readers::Owner }
    }
    /// A file that the config names.
    pub fn named(path: &Path) -> Self {
        Self { path: path.to_owned(), readers: Readers::Anybody }
    }
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// The keys to open a store with. Makes a key where there is none; one that is to take its place counts as newer.
    pub fn keyring(&self) -> Result<Keyring, KeyError> {
        MasterKey::make(&self.path)?;
        let current = self.read(&self.path)?;
        match self.next()? {
            Some(next) => Ok(Keyring { current: next, old: vec![current] }),
            None => Ok(Keyring { current, old: Vec::new() }),
        }
    }
    /// The key that is to take the place of this one; none where no rotation is under way.
    pub fn next(&self) -> Result<Option<MasterKey>, KeyError> {
        let path = self.next_path();
        if path.try_exists().map_err(|reason| failed(&path, reason))? { self.read(&path).map(Some) } else { Ok(None) }
    }
    /// Makes that key, on disk before anything is sealed with it.
    pub fn draw_next(&self) -> Result<MasterKey, KeyError> {
        let path = self.next_path();
        MasterKey::make(&path)?;
        edge("key.drawn");
        self.read(&path)
    }
    /// Puts it in its place and keeps the key before under another name, which is given back. Once nothing is sealed with
    /// the key before.
    pub fn promote(&self) -> Result<PathBuf, KeyError> {
        let next = self.next_path();
        let kept = self.kept_path(self.read(&self.path)?.id());
        if !kept.try_exists().map_err(|reason| failed(&kept, reason))? {
            fs::hard_link(&self.path, &kept).map_err(|reason| failed(&kept, reason))?;
        }
        edge("key.kept");
        fs::rename(&next, &self.path).map_err(|reason| failed(&self.path, reason))?;
        edge("key.renamed");
        keys::sync_folder_of(&self.path).map_err(|reason| failed(&self.path, reason))?;
        Ok(kept)
    }
    /// Where a key is kept that was here before; none where it is not.
    pub fn kept(&self, id: KeyId) -> Option<PathBuf> {
        Some(self.kept_path(id)).filter(|path| path.exists())
    }
    fn kept_path(&self, id: KeyId) -> PathBuf {
        self.beside(&format!("{id}.old"))
    }
    fn next_path(&self) -> PathBuf {
        self.beside("next")
    }
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{suffix}"));
        name.into()
    }
    fn read(&self, path: &Path) -> Result<MasterKey, KeyError> {
        let mode = fs::metadata(path).map_err(|reason| failed(path, reason))?.permissions().mode();
        if self.readers == Readers::Owner && mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned() });
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(|reason| failed(path, reason))?);
        MasterKey::from_hex(&text).ok_or_else(|| KeyError::Malformed { path: path.to_owned() })
    }
}

fn failed(path: &Path, reason: std::io::Error) -> KeyError {
    KeyError::Io { path: path.to_owned(), reason: Arc::new(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// B8: the next key is on disk, private, before it is used; in its place it leaves the one before under its name.
    #[test]
    fn a_key_takes_the_place_of_another_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::in_keys_dir(dir.path());
        let first = file.keyring().unwrap().current;
        assert!(file.next().unwrap().is_none());
        let next = file.draw_next().unwrap();
        assert_eq!(file.draw_next().unwrap().id(), next.id(), "asked again, it is the same");
        let mode = fs::metadata(dir.path().join("master.key.next")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let ring = file.keyring().unwrap();
        assert_eq!((ring.current.id(), ring.old[0].id()), (next.id(), first.id()));
        let kept = file.promote().unwrap();
        assert_eq!(names(dir.path()), ["master.key".to_owned(), format!("master.key.{}.old", first.id())]);
        assert_eq!(MasterKey::from_hex(&fs::read_to_string(kept).unwrap()).unwrap().id(), first.id());
        let ring = file.keyring().unwrap();
        assert_eq!((ring.current.id(), ring.old.len()), (next.id(), 0));
    }

    /// Killed between keeping the old key and putting the new one in its place, the next run does the rest.
    #[test]
    fn a_half_done_change_is_done_by_the_next_run() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::in_keys_dir(dir.path());
        let first = file.keyring().unwrap().current.id();
        let next = file.draw_next().unwrap().id();
        fs::hard_link(file.path(), dir.path().join(format!("master.key.{first}.old"))).unwrap();
        file.promote().unwrap();
        assert_eq!(file.keyring().unwrap().current.id(), next);
    }

    #[test]
    fn a_next_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::in_keys_dir(dir.path());
        file.keyring().unwrap();
        file.draw_next().unwrap();
        fs::set_permissions(dir.path().join("master.key.next"), fs::Permissions::from_mode(0o644)).unwrap();
        let error = file.keyring().unwrap_err().to_string();
        assert!(error.contains("chmod 600") && error.contains("master.key.next"), "{error}");
    }
}
