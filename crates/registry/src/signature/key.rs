//! Signatures of a key that a policy names.

use sha2::{Digest as _, Sha256};
use sigstore_verify::crypto::{KeyAlgorithm, SigningScheme, verify_signature};
use sigstore_verify::types::{DerPublicKey, SignatureBytes};

/// A public key, and how its owner may have signed.
#[derive(Debug, Clone)]
pub(super) struct PublicKey {
    der: DerPublicKey,
    schemes: &'static [SigningScheme],
}

impl PublicKey {
    /// The key in `pem` (SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn from_pem(pem: &str) -> Result<Self, String> {
        let lines: Vec<&str> = pem.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let der = DerPublicKey::from_pem(&lines.join("\n")).map_err(|_| "it is no public key in PEM".to_owned())?;
        let schemes: &[SigningScheme] = match KeyAlgorithm::from_spki(&der) {
            Ok(KeyAlgorithm::EcdsaP256) => &[SigningScheme::EcdsaP256Sha256],
            // cosign signs with SHA-256 whatever the key, and with SHA-384 in newer versions.
            Ok(KeyAlgorithm::EcdsaP384) => &[SigningScheme::EcdsaP384Sha384, SigningScheme::EcdsaP384Sha256],
            Ok(KeyAlgorithm::Ed25519) => &[SigningScheme::Ed25519],
            Ok(KeyAlgorithm::Rsa) => &[SigningScheme::RsaPkcs1Sha256],
            _ => return Err("it is of a kind that is not supported; ECDSA P-256 and P-384, Ed25519 and RSA are".to_owned()),
        };
        Ok(Self { der, schemes })
    }

    /// Whether its owner signed `message`.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = SignatureBytes::new(signature.to_vec());
        self.schemes.iter().any(|scheme| verify_signature(&self.der, message, &signature, *scheme).is_ok())
    }

    /// What people may call it: the beginning of its SHA-256, as `openssl pkey -pubin -outform DER | sha256sum` shows it.
    pub(super) fn short_name(&self) -> String {
        Sha256::digest(self.der.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}
