//! Reading a component, whole and once, and naming it by its digest.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use switchhook_core::catalogue::{CatalogueError, PluginSource};
use switchhook_core::id::Digest;

/// The largest component, in bytes. CPython, the largest interpreter known to be used, is 18 MiB.
pub(crate) const MAX_COMPONENT: usize = 64 << 20;
/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 5;

/// What every WebAssembly binary starts with, and what makes it a component or a module.
const MAGIC: &[u8] = b"\0asm";
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];
const MODULE: &[u8] = &[1, 0, 0, 0];

pub(crate) struct Bytes {
    pub(crate) bytes: Cow<'static, [u8]>,
    pub(crate) digest: Digest,
}

pub(crate) fn read(source: &PluginSource) -> Result<Bytes, CatalogueError> {
    let bytes = match source {
        PluginSource::Builtin(name) => Cow::Borrowed(builtin(name)?),
        PluginSource::File(path) => Cow::Owned(read_file(path)?),
    };
    check_header(&bytes).map_err(|reason| CatalogueError::NotAPlugin { source_name: source.to_string(), reason })?;
    let digest = Digest::from_hex(hex::encode(Sha256::digest(&bytes)));
    Ok(Bytes { bytes, digest })
}

fn builtin(name: &str) -> Result<&'static [u8], CatalogueError> {
    switchhook_builtin::component(name).ok_or_else(|| CatalogueError::NoSuchBuiltin {
        name: name.to_owned(),
        known: switchhook_builtin::names().join(", "),
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, CatalogueError> {
    let unreadable = |reason: String| CatalogueError::Unreadable { path: path.display().to_string(), reason };
    for _ in 0..ATTEMPTS {
        if let Some(bytes) = read_still(path).map_err(|error| unreadable(error.to_string()))? {
            if bytes.len() > MAX_COMPONENT {
                return Err(unreadable(format!("it is larger than {} MiB", MAX_COMPONENT >> 20)));
            }
            return Ok(bytes);
        }
    }
    Err(unreadable("it is being written to; try again when it is complete".to_owned()))
}

/// Reads the file; none where it changed meanwhile, since what was read may then be half old and half new. A rename
/// does no harm: the open file stays the old one.
fn read_still(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    // Before opening it: opening a pipe waits for somebody to write.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut file = File::open(path)?;
    let before = stamp(&file)?;
    let mut bytes = Vec::with_capacity((before.0 as usize).min(MAX_COMPONENT + 1));
    (&mut file).take(MAX_COMPONENT as u64 + 1).read_to_end(&mut bytes)?;
    Ok((before == stamp(&file)?).then_some(bytes))
}

fn stamp(file: &File) -> std::io::Result<(u64, SystemTime)> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified()?))
}

/// Says what the bytes are if they are no component. What is inside is checked when it is compiled.
fn check_header(bytes: &[u8]) -> Result<(), String> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(match bytes {
            [] => "the file is empty".to_owned(),
            [0x7f, b'E', b'L', b'F', ..] => "it is a compiled file; give the component it was made from".to_owned(),
            _ => "it is no WebAssembly binary".to_owned(),
        });
    };
    match rest.get(..4) {
        Some(COMPONENT) => Ok(()),
        Some(MODULE) => Err("it is a core module, not a component; build it with `--target wasm32-wasip2` or wrap it \
                             with `wasm-tools component new`"
            .to_owned()),
        Some(_) => Err("it is a component of a version unknown to this host".to_owned()),
        None => Err("it is truncated".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F3
    #[test]
    fn what_is_no_component_is_named() {
        for (bytes, expect) in [
            (&b""[..], "empty"),
            (b"hello", "no WebAssembly binary"),
            (b"\x7fELF....", "compiled file"),
            (b"\0asm\x01\0\0\0", "core module"),
            (b"\0asm\x0d", "truncated"),
            (b"\0asm\x0e\0\x01\0", "version unknown"),
        ] {
            let reason = check_header(bytes).unwrap_err();
            assert!(reason.contains(expect), "{reason}");
        }
        assert_eq!(check_header(b"\0asm\x0d\0\x01\0"), Ok(()));
    }

    #[test]
    fn what_is_no_file_or_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_file(folder.path()).unwrap_err().to_string().contains("not a file"));
        let large = folder.path().join("large.wasm");
        File::create(&large).unwrap().set_len(MAX_COMPONENT as u64 + 1).unwrap();
        assert!(read_file(&large).unwrap_err().to_string().contains("larger than 64 MiB"));
    }
}
