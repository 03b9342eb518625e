//! Whether a page of ours can be swapped out, which decides how instances are reset.

use std::path::{Path, PathBuf};

/// Where the kernel tells of swap. Tests put their own files in these places.
#[derive(Debug, Clone)]
pub struct SwapFiles {
    /// The list of active swap areas.
    pub areas: PathBuf,
    /// The cgroup this process is in.
    pub cgroup: PathBuf,
    /// Where the unified hierarchy is mounted.
    pub hierarchy: PathBuf,
}

impl Default for SwapFiles {
    fn default() -> Self {
        Self { areas: "/proc/swaps".into(), cgroup: "/proc/self/cgroup".into(), hierarchy: "/sys/fs/cgroup".into() }
    }
}

impl SwapFiles {
    /// Why a page may be swapped out; none where it can't be. What can't be told counts as yes.
    pub(crate) fn danger(&self) -> Option<String> {
        match std::fs::read_to_string(&self.areas) {
            // The first line is the heading.
            Ok(text) if text.lines().skip(1).all(|line| line.trim().is_empty()) => None,
            Ok(_) if self.forbidden() => None,
            Ok(_) => Some("swap is active, and a swapped-out page would be missed".to_owned()),
            Err(error) => Some(format!("whether swap is active can't be told: {}: {error}", self.areas.display())),
        }
    }

    /// Whether our cgroup, or one that it is in, may swap nothing. Only the unified hierarchy has that limit: the older
    /// one bounds memory and swap together. Locked memory is no answer: what is mapped later need not be locked.
    fn forbidden(&self) -> bool {
        let Ok(text) = std::fs::read_to_string(&self.cgroup) else { return false };
        let Some(own) = text.lines().find_map(|line| line.strip_prefix("0::/")) else { return false };
        let own = Path::new(own);
        let plain = own.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        plain && own.ancestors().any(|group| is_zero(&self.hierarchy.join(group).join("memory.swap.max")))
    }
}

fn is_zero(file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| text.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "Filename\tType\tSize\tUsed\tPriority\n";

    /// A machine with one swap area, and this process in `/outer/inner`.
    fn swapping(folder: &Path) -> SwapFiles {
        let files = SwapFiles {
            areas: folder.join("swaps"),
            cgroup: folder.join("cgroup"),
            hierarchy: folder.join("hierarchy"),
        };
        std::fs::write(&files.areas, format!("{HEADING}/swapfile file 1 0 -2\n")).unwrap();
        std::fs::write(&files.cgroup, "0::/outer/inner\n").unwrap();
        std::fs::create_dir_all(files.hierarchy.join("outer/inner")).unwrap();
        files
    }

    /// F4
    #[test]
    fn an_active_swap_is_a_danger() {
        let folder = tempfile::tempdir().unwrap();
        let files = swapping(folder.path());
        assert!(files.danger().unwrap().contains("swap is active"));
        std::fs::write(&files.areas, HEADING).unwrap();
        assert_eq!(files.danger(), None);
        std::fs::remove_file(&files.areas).unwrap();
        assert!(files.danger().unwrap().contains("can't be told"));
    }

    /// F4: the limit of any group on the way counts, and only the limit of nothing at all.
    #[test]
    fn a_group_that_may_not_swap_is_safe() {
        for group in ["outer/inner", "outer", ""] {
            let folder = tempfile::tempdir().unwrap();
            let files = swapping(folder.path());
            let limit = files.hierarchy.join(group).join("memory.swap.max");
            for (text, safe) in [("max\n", false), ("4096\n", false), ("", false), ("0\n", true)] {
                std::fs::write(&limit, text).unwrap();
                assert_eq!(files.danger().is_none(), safe, "{group} {text:?}");
            }
        }
    }

    #[test]
    fn the_limit_of_another_group_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let files = swapping(folder.path());
        for (group, cgroup) in [("other", "0::/outer/inner\n"), ("", "0::/../elsewhere\n"), ("", "4:memory:/outer\n")] {
            std::fs::create_dir_all(files.hierarchy.join(group)).unwrap();
            let limit = files.hierarchy.join(group).join("memory.swap.max");
            std::fs::write(&limit, "0\n").unwrap();
            std::fs::write(&files.cgroup, cgroup).unwrap();
            assert!(files.danger().is_some(), "{cgroup}");
            std::fs::remove_file(&limit).unwrap();
        }
    }
}
