//! Which config file is meant.

use std::path::{Path, PathBuf};

/// No config file was named, and none is where it is looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no config file; looked for {}", list(.looked))]
pub struct LocateError {
    /// In the order of looking.
    pub looked: Vec<PathBuf>,
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The config file: the one named (`--config`), then `SWITCHHOOK_CONFIG`, then `config/switchhook.toml` below the
/// current folder, then `switchhook/switchhook.toml` in the user's config folder. A file that was named is taken even
/// when it does not exist, so that the error names it.
pub fn locate(explicit: Option<&Path>) -> Result<PathBuf, LocateError> {
    locate_in(explicit, &|name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from))
}

fn locate_in(explicit: Option<&Path>, env: &dyn Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, LocateError> {
    if let Some(path) = explicit.map(Path::to_owned).or_else(|| env("SWITCHHOOK_CONFIG")) {
        return Ok(path);
    }
    let user = env("XDG_CONFIG_HOME").or_else(|| env("HOME").map(|home| home.join(".config")));
    let mut looked = vec![PathBuf::from("config/switchhook.toml")];
    looked.extend(user.map(|folder| folder.join("switchhook/switchhook.toml")));
    match looked.iter().find(|path| path.exists()) {
        Some(path) => Ok(path.clone()),
        None => Err(LocateError { looked }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_wins_then_the_environment() {
        let env = |name: &str| (name == "SWITCHHOOK_CONFIG").then(|| PathBuf::from("/from/env.toml"));
        assert_eq!(locate_in(Some(Path::new("x.toml")), &env), Ok(PathBuf::from("x.toml")));
        assert_eq!(locate_in(None, &env), Ok(PathBuf::from("/from/env.toml")));
    }

    #[test]
    fn the_users_folder_is_found_and_the_error_lists_where_it_looked() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_owned();
        let env = |name: &str| (name == "HOME").then(|| home.clone());
        let file = home.join(".config/switchhook/switchhook.toml");
        let error = locate_in(None, &env).unwrap_err();
        assert_eq!(error.looked, [PathBuf::from("config/switchhook.toml"), file.clone()]);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "").unwrap();
        assert_eq!(locate_in(None, &env), Ok(file));
    }
}
