//! Signatures by a certificate of a short life, which names who signed and who vouched for them.
//!
//! A certificate counts when it goes back to an authority of the trusted root, was in force when a log or a time authority of that root saw the
//! signature, and is in a certificate log of that root, where the root names any. `sigstore-verify` checks all of that; here the older forms
//! are brought into the newer one, a bundle.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore_verify::types::{Bundle, DerCertificate};
use sigstore_verify::{Error, VerificationPolicy, Verifier, trust_root};

use super::Certificate;
use super::statement::decode;

/// The authorities and logs that certificates are checked against.
pub struct TrustedRoot {
    verifier: Verifier,
    /// Whether it names logs of certificates.
    has_certificate_logs: bool,
}

impl std::fmt::Debug for TrustedRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TrustedRoot")
    }
}

/// Why a signature by a certificate does not count.
pub(super) enum Fault {
    /// It is sound, and somebody else's.
    SomebodyElse,
    Other(String),
}

/// How many certificates there may be between one that signs and the root.
const CHAIN_MAX: usize = 8;

impl TrustedRoot {
    pub(super) fn parse(json: &str) -> Result<Self, String> {
        let root = trust_root::TrustedRoot::from_json(json).map_err(|e| e.to_string())?;
        if root.certificate_authorities.is_empty() || root.tlogs.is_empty() {
            return Err("it names no certificate authority, or no transparency log".to_owned());
        }
        let verifier = Verifier::new(&root).map_err(|e| e.to_string())?;
        Ok(Self { verifier, has_certificate_logs: !root.ctlogs.is_empty() })
    }

    /// Checks a bundle about the image with this manifest.
    pub(super) fn check_bundle(&self, json: &[u8], manifest: &[u8], issuer: &str, subject: &str) -> Result<(), Fault> {
        let unreadable = || Fault::Other("its bundle cannot be read".to_owned());
        let text = std::str::from_utf8(json).map_err(|_| unreadable())?;
        let bundle = Bundle::from_json(text).map_err(|_| unreadable())?;
        self.check(&bundle, manifest, issuer, subject)
    }

    /// Checks the signature of a payload in the older form.
    pub(super) fn check_simple(
        &self,
        payload: &[u8],
        signature: &str,
        certificate: &Certificate,
        issuer: &str,
        subject: &str,
    ) -> Result<(), Fault> {
        let digest = STANDARD.encode(Sha256::digest(payload));
        let content = json!({"messageDigest": {"algorithm": "SHA2_256", "digest": digest}, "signature": signature.trim()});
        let bundle = older_form(certificate, "messageSignature", content)?;
        self.check(&bundle, payload, issuer, subject)
    }

    /// Checks a statement in the older form about the image with this manifest.
    pub(super) fn check_envelope(
        &self,
        envelope: &[u8],
        certificate: &Certificate,
        manifest: &[u8],
        issuer: &str,
        subject: &str,
    ) -> Result<(), Fault> {
        let content = serde_json::from_slice(envelope).map_err(|_| Fault::Other("its envelope cannot be read".to_owned()))?;
        let bundle = older_form(certificate, "dsseEnvelope", content)?;
        self.check(&bundle, manifest, issuer, subject)
    }

    fn check(&self, bundle: &Bundle, signed: &[u8], issuer: &str, subject: &str) -> Result<(), Fault> {
        if bundle.signing_certificate().is_none() {
            // By a key, then.
            return Err(Fault::SomebodyElse);
        }
        let policy = VerificationPolicy::new(subject, issuer);
        let policy = if self.has_certificate_logs { policy } else { policy.skip_sct() };
        match self.verifier.verify(signed, bundle, &policy) {
            // Said again, so that no change of a default in the library ever loosens it.
            Ok(done) if done.certificate_verified() && done.tlog_verified() && done.identity_policy_checked() => Ok(()),
            Ok(_) => Err(Fault::Other("not all of it could be checked".to_owned())),
            Err(Error::IdentityMismatch { .. } | Error::IssuerMismatch { .. }) => Err(Fault::SomebodyElse),
            Err(error) => Err(Fault::Other(error.to_string().chars().filter(|c| !c.is_control()).take(200).collect())),
        }
    }
}

/// What the log said, as an annotation of the older form has it.
#[derive(Deserialize)]
struct LogAnswer {
    #[serde(rename = "SignedEntryTimestamp")]
    signed_entry_timestamp: String,
    #[serde(rename = "Payload")]
    payload: LogPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogPayload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogBody {
    api_version: String,
    kind: String,
}

/// A bundle of the first version, which is of the same parts.
fn older_form(certificate: &Certificate, name: &str, content: Value) -> Result<Bundle, Fault> {
    let wrong = |why: &str| Fault::Other(why.to_owned());
    let log = certificate.log.as_deref().ok_or_else(|| wrong("no transparency log saw it"))?;
    let log: LogAnswer = serde_json::from_str(log).map_err(|_| wrong("what the transparency log said cannot be read"))?;
    let body = decode(&log.payload.body).and_then(|body| serde_json::from_slice::<LogBody>(&body).ok());
    let body = body.ok_or_else(|| wrong("the transparency log's entry cannot be read"))?;
    let log_id = from_hex(&log.payload.log_id).ok_or_else(|| wrong("the transparency log's name is no hex"))?;
    let mut chain = certificates(&certificate.certificate).ok_or_else(|| wrong("its certificate cannot be read"))?;
    chain.truncate(1);
    if let Some(above) = &certificate.chain {
        chain.extend(certificates(above).ok_or_else(|| wrong("its certificate's chain cannot be read"))?);
    }
    let chain: Vec<Value> = chain.iter().take(CHAIN_MAX).map(|der| json!({"rawBytes": STANDARD.encode(der)})).collect();
    let entry = json!({
        "logIndex": log.payload.log_index.to_string(),
        "logId": {"keyId": STANDARD.encode(log_id)},
        "kindVersion": {"kind": body.kind, "version": body.api_version},
        "integratedTime": log.payload.integrated_time.to_string(),
        "inclusionPromise": {"signedEntryTimestamp": log.signed_entry_timestamp},
        "canonicalizedBody": log.payload.body,
    });
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "verificationMaterial": {"x509CertificateChain": {"certificates": chain}, "tlogEntries": [entry]},
        name: content,
    });
    Bundle::from_json(&bundle.to_string()).map_err(|_| wrong("its parts make no sense together"))
}

/// The certificates of a text in PEM; none when one of them is broken.
fn certificates(pem: &str) -> Option<Vec<Vec<u8>>> {
    const END: &str = "-----END CERTIFICATE-----";
    let mut found = Vec::new();
    for part in pem.split_inclusive(END).map(str::trim).filter(|part| !part.is_empty()) {
        found.push(DerCertificate::from_pem(part).ok()?.as_bytes().to_vec());
    }
    (!found.is_empty()).then_some(found)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}
