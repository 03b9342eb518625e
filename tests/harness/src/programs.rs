//! Where the programs of this build are.

use std::path::PathBuf;

/// The folder of the programs that were built together with the one that runs.
pub(crate) fn programs() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let folder = own.parent().expect("it lies in a folder");
    // Cargo puts test programs one folder below the others.
    if folder.ends_with("deps") { folder.parent().expect("of the profile").to_owned() } else { folder.to_owned() }
}

/// Names the host that is tested, where it is not the one of this build: a release build, for instance.
const OTHER: &str = "SWITCHHOOK_PROGRAM";

/// The host that people run.
pub(crate) fn host() -> PathBuf {
    let Some(other) = std::env::var_os(OTHER) else { return program("switchhook") };
    let other = PathBuf::from(other);
    // The host runs elsewhere than this process.
    other.canonicalize().unwrap_or_else(|error| panic!("{OTHER} is {}: {error}", other.display()))
}

/// A program of the workspace.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = programs().join(name);
    assert!(path.exists(), "{} is missing: run `cargo test --workspace` or `cargo build --workspace`", path.display());
    path
}
