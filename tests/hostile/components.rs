// The attacking plugins as components, built the first time somebody asks. Shared by the tests of the plugin host and
// the end-to-end cases, which include this file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Kept below the target folder: built again only where something changed.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/hostile")
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn build(args: &[&str]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--release"])
        .args(args)
        .arg("--manifest-path")
        .arg(folder().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target())
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo starts");
    assert!(status.success(), "not built: {args:?}; is `rustup target add wasm32-wasip2` missing?");
}

/// A plugin of `rust/examples`.
pub(crate) fn rust(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| build(&["--package", "hostile-plugins", "--examples", "--target", "wasm32-wasip2"]));
    read(&target().join(format!("wasm32-wasip2/release/examples/{name}.wasm")))
}

/// A policy of `wat`.
pub(crate) fn text(name: &str) -> Vec<u8> {
    woven(name, "policy")
}

/// A plugin of `wat` with this hook.
pub(crate) fn woven(name: &str, hook: &str) -> Vec<u8> {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| build(&["--package", "weave"]));
    // A name of its own: tests of one program run side by side.
    let out = target().join(format!("{name}-{}-{:?}.wasm", std::process::id(), std::thread::current().id()));
    let status = Command::new(target().join("release/weave"))
        .arg(folder().join("../../wit/v0.1"))
        .arg(format!("{hook}-plugin"))
        .args([&folder().join(format!("wat/{name}.wat")), &out])
        .status()
        .expect("weave starts");
    assert!(status.success(), "{name} is no plugin");
    let bytes = read(&out);
    std::fs::remove_file(&out).expect("it was there");
    bytes
}
