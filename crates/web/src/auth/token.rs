//! Secrets that are shown to get in: 256 random bits, of which only a hash is kept.

use std::fmt;

use sha2::{Digest, Sha256};

/// What each begins with, so that those who look for leaked secrets find it.
pub const PREFIX: &str = "towpath_";

const RANDOM_BYTES: usize = 32;
const CHECK_BYTES: usize = 4;
/// 32 bytes in base32.
const RANDOM_CHARS: usize = 52;
/// 4 bytes in base32.
const CHECK_CHARS: usize = 7;

/// RFC 4648, in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The system gives no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes: nothing is made that could be guessed")]
pub struct NoRandomness;

/// Random bytes of the system's.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A secret: `towpath_`, 52 characters of 256 random bits, and 7 of their checksum, by which a wrong one of another kind, or one that was cut
/// short, is told apart without a look at anything. It is shown by nothing but [`Secret::text`].
#[derive(Clone)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn make() -> Result<Self, NoRandomness> {
        let random = base32(&random::<RANDOM_BYTES>()?);
        Ok(Self(format!("{PREFIX}{random}{}", check(&random))))
    }

    /// The secret of this text, if it is one in form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        if rest.len() != RANDOM_CHARS + CHECK_CHARS || !rest.bytes().all(|b| ALPHABET.contains(&b)) {
            return None;
        }
        let (random, said) = rest.split_at(RANDOM_CHARS);
        (check(random) == said).then(|| Self(text.to_owned()))
    }

    /// The secret, to be shown to nobody but whoever it is made for.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// SHA-256 of it, in hex: what is kept. Looking it up tells whoever measures time something of the hash, and nothing of the secret.
    #[must_use]
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }

    /// Whether it is this text; it takes as long wherever they differ.
    pub(crate) fn is(&self, text: &str) -> bool {
        Sha256::digest(text.as_bytes()) == Sha256::digest(self.0.as_bytes())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut held, mut bits) = (0_u32, 0);
    let mut push = |value: u32| text.push(char::from(ALPHABET[(value & 31) as usize]));
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(held >> bits);
        }
    }
    if bits > 0 {
        push(held << (5 - bits));
    }
    text
}

/// CRC-32 of the characters, as characters.
fn check(random: &str) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(random.as_bytes());
    let bytes: [u8; CHECK_BYTES] = crc.sum().to_be_bytes();
    base32(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_it_was_made_and_is_never_shown_by_accident() {
        let secret = Secret::make().unwrap();
        assert_eq!(secret.text().len(), 8 + 52 + 7);
        let read = Secret::parse(secret.text()).unwrap();
        assert_eq!(read.hash(), secret.hash());
        assert_eq!(secret.hash().len(), 64);
        assert!(!secret.hash().contains(secret.text()) && !format!("{secret:?}").contains(&secret.text()[8..]));
        assert_ne!(Secret::make().unwrap().text(), secret.text());
        assert!(secret.is(secret.text()) && !secret.is("") && !secret.is(Secret::make().unwrap().text()));
    }

    #[test]
    fn what_is_cut_short_mistyped_or_of_another_kind_is_no_secret() {
        let text = Secret::make().unwrap().text().to_owned();
        let last = text.chars().last().unwrap();
        let other = if last == 'b' { 'c' } else { 'b' };
        for bad in [
            String::new(),
            text[..66].to_owned(),
            format!("{text}a"),
            text.to_uppercase(),
            text.replacen("towpath_", "", 1),
            text.replacen(|c: char| c != last, &other.to_string(), 9),
            format!("towpath_{}", "a".repeat(59)),
            "ghp_0123456789".to_owned(),
            format!("towpath_{}", "ä".repeat(29)),
        ] {
            assert!(Secret::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn base32_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"), ("fooba", "mzxw6ytb")] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
        assert_eq!(base32(&[0; 32]).len(), RANDOM_CHARS);
        assert_eq!(base32(&[0; 4]).len(), CHECK_CHARS);
    }
}
