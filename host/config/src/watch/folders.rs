//! The folders in which a change can mean that a file has another content: that of the file, and that of every link on
//! the way to it. A watch on the file itself would end with the first rename over it.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows.
const MOST_LINKS: usize = 40;

/// The folders of an absolute path. Where the path ends in nothing, the last folder that exists is among them.
pub(super) fn of(file: &Path) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    let mut here = PathBuf::from("/");
    let mut ahead = steps(file);
    let mut links = 0;
    while let Some(step) = ahead.pop_front() {
        if step == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&step);
        let Ok(metadata) = next.symlink_metadata() else {
            folders.insert(here);
            break;
        };
        if metadata.is_symlink() && links < MOST_LINKS {
            links += 1;
            let Ok(target) = next.read_link() else { break };
            folders.insert(here.clone());
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            let mut further = steps(&target);
            further.append(&mut ahead);
            ahead = further;
            continue;
        }
        if ahead.is_empty() {
            folders.insert(here.clone());
        }
        here = next;
    }
    folders
}

fn steps(path: &Path) -> VecDeque<OsString> {
    let step = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_link_on_the_way_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("mount/..1")).unwrap();
        std::fs::write(root.join("mount/..1/a.toml"), "").unwrap();
        symlink("..1", root.join("mount/..data")).unwrap();
        symlink("..data/a.toml", root.join("mount/a.toml")).unwrap();
        std::fs::create_dir(root.join("own")).unwrap();
        symlink(root.join("mount/a.toml"), root.join("own/b.toml")).unwrap();
        let expect = BTreeSet::from([root.join("own"), root.join("mount"), root.join("mount/..1")]);
        assert_eq!(of(&root.join("own/b.toml")), expect);
    }

    #[test]
    fn of_what_is_missing_the_nearest_folder_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        assert_eq!(of(&root.join("no/such/file")), BTreeSet::from([root.clone()]));
        assert_eq!(of(&root.join("x/../y")), BTreeSet::from([root]));
    }

    #[test]
    fn links_in_a_circle_end() {
        let root = tempfile::tempdir().unwrap();
        symlink("b", root.path().join("a")).unwrap();
        symlink("a", root.path().join("b")).unwrap();
        assert!(!of(&root.path().join("a")).is_empty());
    }
}
