//! What must be signed, and by whom.

use std::fmt::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::diagnostic::Place;

/// Signatures that every image must carry which comes to a target that the policy selects (`requireSigned`).
///
/// Signatures and attestations are those of cosign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureRequirement {
    /// Who must have signed.
    pub signer: Signer,
    /// Types of statements that the signer must have attested, as URIs such as `https://slsa.dev/provenance/v1`. Sorted.
    pub attestations: Vec<String>,
    /// Stands for `signer` and `attestations`: equal requirements have equal hashes, in every process and version. 32 hex digits.
    pub hash: Arc<str>,
    /// Where it is written.
    pub place: Place,
}

/// Who signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signer", rename_all = "kebab-case")]
pub enum Signer {
    /// Whoever has the private key of this public key.
    Key {
        /// The public key in PEM: `-----BEGIN PUBLIC KEY-----` and so on.
        pem: Arc<str>,
    },
    /// Whoever a certificate of a short life was given to.
    Identity {
        /// Who vouched for the signer: the URL of an OpenID Connect issuer.
        issuer: Arc<str>,
        /// Who signed, as the certificate names them: an address, or a workflow's URL.
        subject: Arc<str>,
    },
}

impl SignatureRequirement {
    /// A requirement, with its hash worked out.
    #[must_use]
    pub fn new(signer: Signer, mut attestations: Vec<String>, place: Place) -> Self {
        attestations.sort_unstable();
        attestations.dedup();
        let hash = hash(&signer, &attestations);
        Self { signer, attestations, hash, place }
    }
}

/// The first word is the form's version: whoever changes the form changes it, and knows that every image is looked at again.
fn hash(signer: &Signer, attestations: &[String]) -> Arc<str> {
    let mut hasher = Sha256::new();
    let mut part = |text: &str| {
        // With its length before it, so that none runs into the next.
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    };
    part("towpath-signed-1");
    match signer {
        // Line ends and blanks are no part of a key.
        Signer::Key { pem } => pem.split_whitespace().for_each(&mut part),
        Signer::Identity { issuer, subject } => [&**issuer, &**subject].into_iter().for_each(&mut part),
    }
    part(if matches!(signer, Signer::Key { .. }) { "key" } else { "identity" });
    attestations.iter().for_each(|attestation| part(attestation));
    let mut hex = String::with_capacity(32);
    for byte in hasher.finalize().iter().take(16) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex.into()
}

/// What is wrong with `text` as a public key in PEM; nothing, if it looks like one. Whether the key is any good is for whoever
/// checks signatures with it to say.
pub(crate) fn fault_of_public_key(text: &str) -> Option<&'static str> {
    if text.contains("PRIVATE KEY") {
        return Some("it is a private key, which belongs in no repository: write the public one, and make a new pair");
    }
    if text.contains("BEGIN CERTIFICATE") {
        return Some("it is a certificate: write the public key alone");
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    if lines.next() != Some("-----BEGIN PUBLIC KEY-----") || lines.next_back() != Some("-----END PUBLIC KEY-----") {
        return Some("it does not go from `-----BEGIN PUBLIC KEY-----` to `-----END PUBLIC KEY-----`");
    }
    let body: String = lines.collect();
    let digits = body.trim_end_matches('=');
    let base64 = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    // Every public key is an ASN.1 sequence, which begins with an M, and takes more than thirty bytes.
    let sound = base64 && body.len().is_multiple_of(4) && body.len() - digits.len() <= 2 && digits.len() > 40 && digits.starts_with('M');
    (!sound).then_some("what stands between its first and last line is no public key in base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdlHnXVQaCITOXOhj1CBWvi2cma7Q
E+ybUoSr0ZpdV3+oR/aCyslaew7fwpBBezfWwHFI49qyTeRQ1KJyO4UsLQ==
-----END PUBLIC KEY-----
";

    fn of_key(pem: &str, attestations: &[&str]) -> SignatureRequirement {
        let place = Place { file: Arc::from("data/p.yml"), line: 1, column: 1, start: 0, end: 0 };
        SignatureRequirement::new(Signer::Key { pem: pem.into() }, attestations.iter().map(|&text| text.to_owned()).collect(), place)
    }

    #[test]
    fn a_hash_stands_for_what_is_required_however_it_is_written() {
        let usual = of_key(KEY, &["https://a", "https://b"]);
        assert_eq!(usual.hash, of_key(&KEY.replace('\n', "\r\n  "), &["https://b", "https://a", "https://a"]).hash);
        assert_eq!(usual.hash.len(), 32);
        for other in [
            of_key(KEY, &["https://a"]),
            of_key(KEY, &["https://ahttps://b"]),
            of_key(&KEY.replace("MFkw", "MFkx"), &["https://a", "https://b"]),
        ] {
            assert_ne!(usual.hash, other.hash);
        }
        // What is in ledgers must be found there again.
        assert_eq!(&*of_key("x", &[]).hash, "680caa9f68e446b675fd4b93995c2390");
    }

    #[test]
    fn a_public_key_is_told_from_what_is_none() {
        assert_eq!(fault_of_public_key(KEY), None);
        assert_eq!(fault_of_public_key(&KEY.replace('\n', "\r\n")), None);
        for (bad, told) in [
            (KEY.replace("PUBLIC", "PRIVATE"), "private key"),
            (KEY.replace("PUBLIC KEY", "CERTIFICATE"), "certificate"),
            (KEY.replace("-----END PUBLIC KEY-----\n", ""), "does not go from"),
            (KEY.replace("MFkw", "M?kw"), "base64"),
            (KEY.replace("MFkw", "MFk"), "base64"),
            ("cosign.pub".to_owned(), "does not go from"),
            (String::new(), "does not go from"),
            ("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----".to_owned(), "base64"),
        ] {
            assert!(fault_of_public_key(&bad).is_some_and(|fault| fault.contains(told)), "{bad}");
        }
    }
}
