//! Images and their digests.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A SHA-256 content digest, written `sha256:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a digest (sha256: and 64 lower-case hex digits)")]
pub struct DigestError {
    text: String,
}

impl Digest {
    /// A digest from its 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 64 hex digits without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl FromStr for Digest {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let nonsense = || DigestError { text: text.chars().take(100).collect() };
        let hex = text.strip_prefix("sha256:").ok_or_else(nonsense)?;
        if hex.len() != 64 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(nonsense());
        }
        let mut bytes = [0; 32];
        for (slot, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *slot = u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| nonsense())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}…", &self.hex()[..12])
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;
    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// An image as a template names it: `registry/repository[:tag][@digest]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef {
    name: Arc<str>,
    tag: Option<Arc<str>>,
    digest: Option<Digest>,
}

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an image reference: {why}")]
pub struct ImageRefError {
    text: String,
    why: &'static str,
}

impl ImageRef {
    /// The image `name` at `tag`.
    ///
    /// # Errors
    /// [`ImageRefError`] when either is not what the OCI distribution specification allows.
    pub fn tagged(name: &str, tag: &str) -> Result<Self, ImageRefError> {
        format!("{name}:{tag}").parse()
    }

    /// Registry and repository, without tag and digest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tag, if one is named. Nobody guesses `latest` here.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one is named.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same image, pinned to `digest`.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { name: self.name.clone(), tag: self.tag.clone(), digest: Some(digest) }
    }
}

impl FromStr for ImageRef {
    type Err = ImageRefError;
    fn from_str(text: &str) -> Result<Self, ImageRefError> {
        let bad = |why| ImageRefError { text: text.chars().take(200).collect(), why };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| bad("its digest is not sha256: and 64 hex digits"))?)),
            None => (text, None),
        };
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[slash..].find(':') {
            Some(colon) => (&rest[..slash + colon], Some(&rest[slash + colon + 1..])),
            None => (rest, None),
        };
        if name.is_empty() {
            return Err(bad("it has no name"));
        }
        let good_part = |part: &str| {
            !part.is_empty() && part != "." && part != ".." && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        let mut parts = name.split('/');
        let host = parts.next().unwrap_or_default();
        let good_host = host.split(':').all(good_part) && host.matches(':').count() <= 1;
        if !good_host || !parts.all(good_part) || name.len() > 255 {
            return Err(bad("its name holds what a registry does not allow"));
        }
        if let Some(tag) = tag {
            let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if tag.is_empty() || tag.len() > 128 || tag.starts_with(['.', '-']) || !tag.chars().all(good) {
                return Err(bad("its tag is not 1 to 128 letters, digits, dots, dashes and underscores"));
            }
        }
        Ok(Self { name: Arc::from(name), tag: tag.map(Arc::from), digest })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for ImageRef {
    type Error = ImageRefError;
    fn try_from(text: String) -> Result<Self, ImageRefError> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> String {
        image.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_taken_apart_and_put_together() {
        for text in ["quay.io/org/app:5f8f0e1", "localhost:5000/app", "app", "localhost:5000/a/b:t"] {
            assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), text);
        }
        let image: ImageRef = "localhost:5000/a/b:t".parse().unwrap();
        assert_eq!((image.name(), image.tag()), ("localhost:5000/a/b", Some("t")));
        let digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        assert_eq!(image.pinned(digest).to_string(), format!("localhost:5000/a/b:t@{digest}"));
    }

    #[test]
    fn an_image_never_leaves_its_folder() {
        for bad in ["", ":tag", "a/../b", "../b", "/etc/passwd", "a//b", "a:", "a:t/../x", "a b", "a@sha256:12", "a:b:c"] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad:?}");
        }
    }
}
