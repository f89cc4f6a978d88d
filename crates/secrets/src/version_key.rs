//! Versions of secrets whose store counts none.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use sha2::Sha256;

use crate::contents::Field;

/// The key of this installation's version hashes: 32 random bytes that are made once and kept as the installation's own secret
/// (in a file that only its user may read). With another key every such version looks changed once.
#[derive(Clone)]
pub struct VersionKey(Zeroizing<[u8; 32]>);

impl VersionKey {
    /// The key with these bytes; they must come from the system's source of randomness.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A name for these contents at this path: the same for the same, another for others, and of no use to whoever would like to
    /// guess the contents, as long as the key is unknown.
    pub(crate) fn version_of(&self, path: &str, fields: &BTreeMap<String, Field>) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.0) else { return String::from("none") };
        // Lengths before texts: no two contents make the same input.
        let mut add = |bytes: &[u8]| {
            mac.update(&(bytes.len() as u64).to_be_bytes());
            mac.update(bytes);
        };
        add(b"towpath secret version 1");
        add(path.as_bytes());
        for (name, field) in fields {
            add(name.as_bytes());
            add(field.bytes());
        }
        let digest = mac.finalize().into_bytes();
        digest.iter().take(16).fold(String::from("h-"), |mut text, byte| {
            use fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl fmt::Debug for VersionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VersionKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, Field> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Field::new(value.as_bytes().to_vec()))).collect()
    }

    #[test]
    fn the_version_changes_with_content_path_and_key() {
        let key = VersionKey::new([7; 32]);
        let version = key.version_of("a", &fields(&[("x", "1"), ("y", "2")]));
        assert_eq!(version, key.version_of("a", &fields(&[("y", "2"), ("x", "1")])));
        assert_ne!(version, key.version_of("b", &fields(&[("x", "1"), ("y", "2")])));
        assert_ne!(version, key.version_of("a", &fields(&[("x", "1"), ("y", "3")])));
        assert_ne!(version, key.version_of("a", &fields(&[("x", "1y"), ("", "2")])));
        assert_ne!(version, VersionKey::new([8; 32]).version_of("a", &fields(&[("x", "1"), ("y", "2")])));
        assert_eq!(version.len(), 34);
        assert_eq!(format!("{key:?}"), "VersionKey(hidden)");
    }
}
