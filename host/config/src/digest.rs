//! SHA-256 over named parts, each with its length, so that no two lists of parts hash alike.

use sha2::{Digest as _, Sha256};
use switchhook_core::id::Digest;

/// Hashes parts in the order given.
#[derive(Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    pub(crate) fn part(&mut self, name: &str, value: &[u8]) -> &mut Self {
        for bytes in [name.as_bytes(), value] {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
        self
    }
    pub(crate) fn finish(self) -> Digest {
        Digest::from_hex(hex::encode(self.0.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(parts: &[(&str, &str)]) -> Digest {
        let mut hasher = Hasher::default();
        for (name, value) in parts {
            hasher.part(name, value.as_bytes());
        }
        hasher.finish()
    }

    #[test]
    fn where_a_part_ends_counts() {
        assert_eq!(digest(&[("a", "bc")]), digest(&[("a", "bc")]));
        assert_ne!(digest(&[("a", "bc")]), digest(&[("ab", "c")]));
        assert_ne!(digest(&[("a", ""), ("b", "")]), digest(&[("a", ""), ("", "b")]));
    }
}
