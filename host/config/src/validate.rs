//! Text becomes a config.

use std::path::Path;

use crate::config::Config;
use crate::error::ConfigErrors;
use crate::sources::Sources;

/// Reads the file and validates it. Blocking.
pub fn load(path: &Path, sources: &Sources<'_>) -> Result<Config, ConfigErrors> {
    match std::fs::read_to_string(path) {
        Ok(text) => validate(&text, path, sources),
        Err(error) => Err(ConfigErrors::unreadable(path, &error)),
    }
}

/// Checks the whole of a config. `path` is where the text came from: other paths in it are relative to its folder.
/// Blocking: plugins are looked up and secret files are read.
pub fn validate(_text: &str, path: &Path, _sources: &Sources<'_>) -> Result<Config, ConfigErrors> {
    Err(ConfigErrors::unreadable(path, &std::io::Error::other("not validated yet")))
}
