//! Whether an image is signed as a policy requires: cosign's signatures and attestations, in each form in which they are stored.
//!
//! Nothing that a registry holds is believed. What counts is what a signature covers: the image's digest, and nothing less. Whatever cannot
//! be read, or does not fit, counts for nothing, and is told when something is missing.
//!
//! - [`gather`] looks for what is attached to an image, within bounds;
//! - [`statement`] reads what was signed: the payload of a signature, or an in-toto statement in its envelope;
//! - [`key`] checks signatures of a key, [`identity`] those of a certificate of a short life;
//! - [`judge`] counts what of a requirement is met.

mod gather;
mod identity;
mod judge;
mod key;
mod statement;

use std::path::Path;

use towpath_catalog::{SignatureRequirement, Signer};
use towpath_domain::Digest;

pub use identity::TrustedRoot;

use crate::{RegistryError, RemoteRegistry};
use judge::{Judge, Trust};

/// Something signed that is attached to an image, as a registry gave it.
#[derive(Debug)]
enum Evidence {
    /// A signature of a payload that names the image (cosign's SIGNATURE_SPEC).
    Simple { payload: Vec<u8>, signature: String, certificate: Option<Certificate> },
    /// A statement about the image in an envelope (cosign's ATTESTATION_SPEC).
    Envelope { envelope: Vec<u8>, certificate: Option<Certificate> },
    /// A Sigstore bundle (cosign's BUNDLE_SPEC).
    Bundle { json: Vec<u8> },
}

/// What goes with a signature of a certificate in the older forms: annotations of its layer.
#[derive(Debug)]
struct Certificate {
    /// In PEM.
    certificate: String,
    /// Those that it goes back to, in PEM.
    chain: Option<String>,
    /// What the transparency log said, as JSON.
    log: Option<String>,
}

impl RemoteRegistry {
    /// What is missing for the image `name@digest` to be signed as `required`; nothing, if it is. In words for people.
    ///
    /// # Errors
    /// When it cannot be told now: the registry does not answer, or not as it should.
    pub async fn missing_signature(
        &self,
        name: &str,
        digest: Digest,
        required: &SignatureRequirement,
        trusted_root: Option<&TrustedRoot>,
    ) -> Result<Option<String>, RegistryError> {
        let trust = match &required.signer {
            Signer::Key { pem } => match key::PublicKey::from_pem(pem) {
                Ok(key) => Trust::Key(key),
                Err(why) => return Ok(Some(format!("the key that the policy names cannot be used: {why}"))),
            },
            Signer::Identity { issuer, subject } => match trusted_root {
                Some(root) => Trust::Identity { root, issuer: issuer.to_string(), subject: subject.to_string() },
                None => return Ok(Some(NO_ROOT.to_owned())),
            },
        };
        let manifest = self.image_bytes(name, digest).await?;
        let mut judge = Judge::new(trust, digest, &manifest, &required.attestations);
        self.gather(name, digest, &mut |evidence| {
            judge.look_at(&evidence);
            judge.is_content()
        })
        .await?;
        Ok(judge.missing())
    }
}

/// What is said of an identity when nobody said which certificates to trust.
const NO_ROOT: &str = "the policy requires a signature by an identity, and no trusted root says whose certificates count: \
                       set `trusted_root` under [signatures] in towpath.toml";

impl TrustedRoot {
    /// Reads a trusted root in Sigstore's format (`trusted_root.json`).
    ///
    /// # Errors
    /// [`RegistryError::TrustedRoot`] when it cannot be read or used.
    pub fn read(path: &Path) -> Result<Self, RegistryError> {
        let wrong = |why: String| RegistryError::TrustedRoot { path: path.to_owned(), why };
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }
}
