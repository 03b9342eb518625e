//! Who may write.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

type People = Arc<RwLock<HashSet<i64>>>;

pub(crate) struct Allowlist {
    people: People,
    /// Watches for as long as the list is there.
    _watcher: Option<RecommendedWatcher>,
}

impl Allowlist {
    pub(crate) fn fixed(text: &str) -> anyhow::Result<Self> {
        Ok(Self { people: Arc::new(RwLock::new(parse(text)?)), _watcher: None })
    }

    /// The list in a file, read again whenever something in its folder was written or renamed.
    pub(crate) fn watched(path: &Path) -> anyhow::Result<Self> {
        let path = path.canonicalize().with_context(|| format!("{} can't be found", path.display()))?;
        let mut list = Self { people: People::default(), _watcher: None };
        let (people, file) = (Arc::clone(&list.people), path.clone());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading the file is an event, too: it must not lead to another reading.
            let changed = event.is_ok_and(|event| matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_)));
            if changed && let Ok(read) = read(&file) {
                *people.write().unwrap_or_else(PoisonError::into_inner) = read;
            }
        })?;
        let folder = path.parent().context("the file has no folder")?;
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        // What was saved before the watch began.
        *list.people.write().unwrap_or_else(PoisonError::into_inner) = read(&path)?;
        list._watcher = Some(watcher);
        Ok(list)
    }

    pub(crate) fn has(&self, person: i64) -> bool {
        self.people.read().unwrap_or_else(PoisonError::into_inner).contains(&person)
    }
}

fn read(path: &Path) -> anyhow::Result<HashSet<i64>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))?;
    parse(&text)
}

/// `7,1001-1050`: ids and ranges, both ends included.
fn parse(text: &str) -> anyhow::Result<HashSet<i64>> {
    let mut people = HashSet::new();
    for part in text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let id = |id: &str| id.trim().parse::<i64>().with_context(|| format!("\"{part}\" is no id and no range"));
        people.extend(id(first)?..=id(last)?);
    }
    Ok(people)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_ranges_are_read() {
        let mut people: Vec<i64> = parse("7, 10-12\n9\n").unwrap().into_iter().collect();
        people.sort_unstable();
        assert_eq!(people, [7, 9, 10, 11, 12]);
        assert!(parse("").unwrap().is_empty());
        assert!(parse("7,x").is_err());
    }

    #[test]
    fn a_file_renamed_into_place_takes_effect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow.txt");
        std::fs::write(&path, "1").unwrap();
        let list = Allowlist::watched(&path).unwrap();
        assert!(list.has(1) && !list.has(2));
        std::fs::write(folder.path().join("aside"), "2").unwrap();
        std::fs::rename(folder.path().join("aside"), &path).unwrap();
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !list.has(2) {
            assert!(std::time::Instant::now() < patience, "the new list was never read");
            std::thread::yield_now();
        }
        assert!(!list.has(1));
    }
}
