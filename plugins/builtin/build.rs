//! Compiles the first-party plugins to components with a cargo of their own, and writes the list of them for `lib.rs`.
//!
//! The inner cargo has its own target folder, so it never waits for the outer one's lock, and an environment without the
//! outer build's flags, so that a component is the same whatever built the host.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use wit_component::ComponentEncoder;

const PLUGINS: [&str; 5] = ["allowlist", "router", "commands", "guide", "assistant"];
/// Without WASI, which every instance would have and none would ask: see `plugins/runtime`.
const TARGET: &str = "wasm32-unknown-unknown";

/// Small before fast: what a guest costs is its call, and that is mostly copying pages.
const PROFILE: [(&str, &str); 6] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "none"),
    ("CARGO_PROFILE_RELEASE_STRIP", "symbols"),
];

/// Variables of the outer build that would change, or break, the inner one. A name ending in `_` stands for all that
/// start with it. `RUSTC`, `CARGO_HOME`, the registry's settings and the job server stay.
const NOT_INHERITED: [&str; 17] = [
    "RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_LINKER",
    "CLIPPY_ARGS",
    "TARGET",
    "OUT_DIR",
    "CARGO_BUILD_",
    "CARGO_CFG_",
    "CARGO_FEATURE_",
    "CARGO_INCREMENTAL",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PROFILE_",
    "CARGO_RESOLVER_",
    "CARGO_TARGET_",
    "CARGO_UNSTABLE_",
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let root = workspace_root()?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    watch(&root);
    require_target()?;
    let guests = out.join("guests");
    compile(&root, &guests)?;
    // What the linker of a target with WASI does by itself.
    for name in PLUGINS {
        let file = format!("{name}.wasm");
        let module = fs::read(guests.join(TARGET).join("release").join(&file))?;
        let component = ComponentEncoder::default().validate(true).module(&module).and_then(|mut made| made.encode());
        fs::write(out.join(&file), component.map_err(|error| format!("{name} is no component: {error:#}"))?)?;
    }
    fs::write(out.join("embedded.rs"), listing(&out)?)?;
    Ok(())
}

fn workspace_root() -> Result<PathBuf, Box<dyn Error>> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    Ok(here.ancestors().nth(2).ok_or("plugins/builtin is not two folders below the workspace")?.to_owned())
}

fn variable(name: &str) -> Result<OsString, Box<dyn Error>> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}").into())
}

fn watch(root: &Path) {
    let crates = PLUGINS.iter().chain(&["runtime"]);
    let sources = crates.flat_map(|name| [format!("plugins/{name}/src"), format!("plugins/{name}/Cargo.toml")]);
    for path in sources.chain(["wit/v0.1", "Cargo.lock", "plugins/builtin/build.rs"].map(str::to_owned)) {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
}

/// Asked before compiling, because the compiler's own error ("can't find crate for `core`") names no remedy here.
fn require_target() -> Result<(), Box<dyn Error>> {
    let rustc = variable("RUSTC")?;
    let answer = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output()?;
    let folder = PathBuf::from(String::from_utf8(answer.stdout)?.trim());
    if answer.status.success() && folder.is_dir() {
        return Ok(());
    }
    Err(format!(
        "the plugins need the target {TARGET}: run `rustup toolchain install` (rust-toolchain.toml lists the target) \
         or `rustup target add {TARGET}`"
    )
    .into())
}

fn compile(root: &Path, guests: &Path) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.args(["build", "--release", "--locked", "--target", TARGET]);
    cargo.arg("--manifest-path").arg(root.join("Cargo.toml")).arg("--target-dir").arg(guests);
    cargo.args(PLUGINS.iter().flat_map(|name| ["-p", name]));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_not_inherited) {
            cargo.env_remove(name);
        }
    }
    cargo.envs(PROFILE).env("CARGO_ENCODED_RUSTFLAGS", rustflags(root));
    let status = cargo.status()?;
    if status.success() { Ok(()) } else { Err(format!("the plugins do not compile ({status}); see above").into()) }
}

fn is_not_inherited(name: &str) -> bool {
    NOT_INHERITED.iter().any(|known| name == *known || (known.ends_with('_') && name.starts_with(known)))
}

/// Keeps the builder's folders out of the panic messages inside a component: nobody needs them, and without them the
/// digest does not depend on where it was built. Set even where empty, since it also overrides flags from config files.
fn rustflags(root: &Path) -> String {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let flags = [Some(remap(root, "/switchhook")), cargo_home.map(|home| remap(&home, "/cargo"))];
    flags.into_iter().flatten().collect::<Vec<_>>().join("\u{1f}")
}

fn listing(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("&[\n");
    for name in PLUGINS {
        let path = folder.join(format!("{name}.wasm"));
        let path = path.to_str().ok_or("the target folder's path is not UTF-8")?;
        writeln!(text, "    ({name:?}, include_bytes!({path:?})),")?;
    }
    text.push_str("]\n");
    Ok(text)
}
