//! Looking for what must not be readable in what the host leaves lying about.

use std::path::{Path, PathBuf};

use crate::harness::World;

/// A form of less than this would be found by chance in what is sealed.
const LEAST: usize = 5;

/// Looks for each of these, in every form that it would be written in, in every file of the data folder and of the folder
/// for temporary files, and in those that the host has open and that have no name any more.
pub(crate) fn search(world: &World, secrets: &[impl AsRef<[u8]>]) {
    let mut files = Vec::new();
    for folder in ["data", "tmp"] {
        collect(&world.folder().join(folder), &mut files);
    }
    assert!(!files.is_empty(), "there is something to look at");
    files.extend(nameless(world));
    let secrets = secrets.iter().map(AsRef::as_ref);
    let forms: Vec<Form> = secrets.flat_map(forms).collect();
    for file in files {
        // A file may go between the listing and the reading: SQLite's own.
        let Ok(bytes) = std::fs::read(&file) else { continue };
        if let Some(form) = forms.iter().find(|form| has(&bytes, &form.bytes)) {
            panic!("{} has {:?} as {}", file.display(), String::from_utf8_lossy(&form.secret), form.name);
        }
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// Files that were deleted while the host has them open. Machine code in memory has such a name, too, and is no file.
fn nameless(world: &World) -> Vec<PathBuf> {
    let Some(pid) = world.host.running() else { return Vec::new() };
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let is_nameless = |path: &PathBuf| {
        let target = std::fs::read_link(path).unwrap_or_default().to_string_lossy().into_owned();
        target.ends_with(" (deleted)") && !target.starts_with("/memfd:") && !target.starts_with("/dev/")
    };
    open.map(|entry| entry.path()).filter(is_nameless).collect()
}

struct Form {
    secret: Vec<u8>,
    name: &'static str,
    bytes: Vec<u8>,
}

/// How a secret would look: as it is, as text of two bytes a character, in hexadecimal digits and in base64, where it may
/// begin at any of three places.
pub(crate) fn looks(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut looks = vec![
        ("itself", secret.to_vec()),
        ("hexadecimal", hex.clone().into()),
        ("HEXADECIMAL", hex.to_uppercase().into()),
    ];
    if let Ok(text) = std::str::from_utf8(secret) {
        looks.push(("UTF-16, low byte first", text.encode_utf16().flat_map(u16::to_le_bytes).collect()));
        looks.push(("UTF-16, high byte first", text.encode_utf16().flat_map(u16::to_be_bytes).collect()));
    }
    for skipped in 0..3 {
        let base64 = base64(secret, skipped);
        let url = base64.replace('+', "-").replace('/', "_");
        looks.extend([("base64", base64.into_bytes()), ("base64 of URLs", url.into_bytes())]);
    }
    looks.retain(|(name, bytes)| *name == "itself" || bytes.len() >= LEAST);
    looks
}

fn forms(secret: &[u8]) -> Vec<Form> {
    let form = |(name, bytes)| Form { secret: secret.to_vec(), name, bytes };
    looks(secret).into_iter().map(form).collect()
}

/// The digits that are the same whatever stands before and after, where so many bytes of the first three are another's.
fn base64(secret: &[u8], skipped: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = secret.get((3 - skipped) % 3..).unwrap_or_default();
    let digits = |three: &[u8]| {
        let bits = three.iter().fold(0_usize, |bits, byte| (bits << 8) | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[(bits >> shift) & 63]))
    };
    whole.chunks_exact(3).flat_map(digits).collect()
}

fn has(bytes: &[u8], form: &[u8]) -> bool {
    let (first, rest) = form.split_first().expect("no secret is empty");
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|byte| byte == first) {
        at += next + 1;
        if bytes[at..].starts_with(rest) {
            return true;
        }
    }
    false
}

/// What looks for something must find it.
#[test]
fn every_form_is_known() {
    let secret = b"+15550001111";
    let cases: [&[u8]; 7] = [
        b"call +15550001111 now",
        b"{\"n\":\"2b3135353530303031313131\"}",
        b"2B3135353530303031313131",
        b"+\x001\x005\x005\x005\x000\x000\x000\x001\x001\x001\x001\x00",
        b"KzE1NTUwMDAxMTEx",
        b"YSsxNTU1MDAwMTExMQ==",
        b"YWErMTU1NTAwMDExMTE=",
    ];
    for bytes in cases {
        assert!(forms(secret).iter().any(|form| has(bytes, &form.bytes)), "{}", String::from_utf8_lossy(bytes));
    }
    assert!(!forms(secret).iter().any(|form| has(b"call +15550001112 now", &form.bytes)));
}
