//! The components under test, built from `tests/guests` once for each run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use wit_component::ComponentEncoder;

/// The bytes of a guest.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    read(FOLDER.get_or_init(|| build(&["--examples"], "wasm32-wasip2")), name)
}

/// The one that is built without WASI, as the plugins are that the host brings.
pub(crate) fn bare() -> Vec<u8> {
    let module = read(&build(&["--example", "bare"], "wasm32-unknown-unknown"), "bare");
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Builds them, and says where they are.
fn build(what: &[&str], for_target: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--release", "--target", for_target])
        .args(what)
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the guests were not built; do they lack `rustup target add {for_target}`?");
    target.join(for_target).join("release/examples")
}

/// Replaces a text by another of the same length, wherever it stands.
pub(crate) fn patched(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut at = 0;
    let mut count = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
        at += found;
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        count += 1;
    }
    assert!(count > 0, "`{from}` is not in there");
    bytes
}

/// The same component with another digest: a custom section of one byte is appended.
pub(crate) fn version(mut bytes: Vec<u8>, number: u8) -> Vec<u8> {
    bytes.extend_from_slice(&[0, 6, 4]);
    bytes.extend_from_slice(b"note");
    bytes.push(number);
    bytes
}
