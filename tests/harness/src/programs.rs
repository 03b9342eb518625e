//! Where the programs of this build are.

use std::path::PathBuf;

/// The folder of the programs that were built together with the one that runs.
pub(crate) fn programs() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let folder = own.parent().expect("it lies in a folder");
    // Cargo puts test programs one folder below the others.
    if folder.ends_with("deps") { folder.parent().expect("of the profile").to_owned() } else { folder.to_owned() }
}

/// A program of the workspace.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = programs().join(name);
    assert!(path.exists(), "{} is missing: run `cargo test --workspace` or `cargo build --workspace`", path.display());
    path
}
