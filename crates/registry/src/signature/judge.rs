//! What of a requirement is met, and in which words to say what is not.

use std::collections::BTreeSet;

use towpath_domain::Digest;

use super::Evidence;
use super::identity::{Fault, TrustedRoot};
use super::key::PublicKey;
use super::statement::{Content, Envelope, SIGNED, bundle_content, decode, signed_image};

/// Whose signatures count.
pub(super) enum Trust<'a> {
    Key(PublicKey),
    Identity { root: &'a TrustedRoot, issuer: String, subject: String },
}

/// How many reasons are told of what did not count.
const REASONS_MAX: usize = 3;

/// Looks at one piece of evidence after the other.
pub(super) struct Judge<'a> {
    trust: Trust<'a>,
    digest: Digest,
    manifest: &'a [u8],
    wanted: &'a [String],
    is_signed: bool,
    attested: BTreeSet<String>,
    /// Some was signed by somebody else.
    others: usize,
    reasons: BTreeSet<String>,
}

/// Why a piece of evidence does not count.
enum No {
    /// Somebody else signed it.
    Other,
    Reason(String),
}

impl From<String> for No {
    fn from(reason: String) -> Self {
        Self::Reason(reason)
    }
}

impl<'a> Judge<'a> {
    pub(super) fn new(trust: Trust<'a>, digest: Digest, manifest: &'a [u8], wanted: &'a [String]) -> Self {
        Self { trust, digest, manifest, wanted, is_signed: false, attested: BTreeSet::new(), others: 0, reasons: BTreeSet::new() }
    }

    /// Takes one piece of evidence into account.
    pub(super) fn look_at(&mut self, evidence: &Evidence) {
        let said = match evidence {
            Evidence::Simple { .. } => self.simple(evidence).map(|()| SIGNED.to_owned()),
            Evidence::Envelope { envelope, .. } => self.envelope(evidence, envelope),
            Evidence::Bundle { json } => self.bundle(json),
        };
        match said {
            Ok(kind) if kind == SIGNED => self.is_signed = true,
            Ok(kind) => drop(self.wanted.contains(&kind).then(|| self.attested.insert(kind))),
            Err(No::Other) => self.others += 1,
            Err(No::Reason(reason)) if self.reasons.len() < REASONS_MAX => drop(self.reasons.insert(reason)),
            Err(No::Reason(_)) => {}
        }
    }

    /// Whether all that is required was found.
    pub(super) fn is_content(&self) -> bool {
        self.is_signed && self.wanted.iter().all(|kind| self.attested.contains(kind))
    }

    /// What is missing.
    pub(super) fn missing(&self) -> Option<String> {
        if self.is_content() {
            return None;
        }
        let whose = match &self.trust {
            Trust::Key(key) => format!("the key {}…", key.short_name()),
            Trust::Identity { issuer, subject, .. } => format!("{subject} (vouched for by {issuer})"),
        };
        let mut parts = Vec::new();
        if !self.is_signed {
            parts.push(format!("no signature by {whose}"));
        }
        parts.extend(
            self.wanted
                .iter()
                .filter(|kind| !self.attested.contains(*kind))
                .map(|kind| format!("no attestation of type {kind} by {whose}")),
        );
        let mut text = parts.join(", ");
        if self.others > 0 {
            let somebody = if matches!(self.trust, Trust::Key(_)) { "another key" } else { "somebody else" };
            text.push_str(&format!("; what is there is signed by {somebody}"));
        }
        for reason in &self.reasons {
            text.push_str(&format!("; something signed does not count: {reason}"));
        }
        Some(text)
    }

    fn simple(&self, evidence: &Evidence) -> Result<(), No> {
        let Evidence::Simple { payload, signature, certificate } = evidence else { return Err(No::Other) };
        match &self.trust {
            Trust::Key(key) => {
                let signature = decode(signature).ok_or_else(|| "its signature is no base64".to_owned())?;
                if !key.has_signed(payload, &signature) {
                    return Err(No::Other);
                }
            }
            Trust::Identity { root, issuer, subject } => {
                let Some(certificate) = certificate else { return Err(No::Other) };
                root.check_simple(payload, signature, certificate, issuer, subject)?;
            }
        }
        let found = signed_image(payload)?;
        if found == self.digest { Ok(()) } else { Err("it is about another image".to_owned().into()) }
    }

    fn envelope(&self, evidence: &Evidence, json: &[u8]) -> Result<String, No> {
        let envelope = Envelope::parse(json)?;
        match (&self.trust, evidence) {
            (Trust::Key(key), _) => by_key(key, &envelope)?,
            (Trust::Identity { root, issuer, subject }, Evidence::Envelope { certificate: Some(certificate), .. }) => {
                root.check_envelope(json, certificate, self.manifest, issuer, subject)?;
            }
            (Trust::Identity { .. }, _) => return Err(No::Other),
        }
        Ok(envelope.statement_of(self.digest)?)
    }

    fn bundle(&self, json: &[u8]) -> Result<String, No> {
        let content = bundle_content(json)?;
        match (&self.trust, &content) {
            (Trust::Key(key), Content::Statement(envelope)) => by_key(key, envelope)?,
            (Trust::Key(key), Content::Manifest(signature)) if !key.has_signed(self.manifest, signature) => return Err(No::Other),
            (Trust::Key(_), Content::Manifest(_)) => {}
            (Trust::Identity { root, issuer, subject }, _) => root.check_bundle(json, self.manifest, issuer, subject)?,
        }
        match content {
            Content::Statement(envelope) => Ok(envelope.statement_of(self.digest)?),
            Content::Manifest(_) => Ok(SIGNED.to_owned()),
        }
    }
}

fn by_key(key: &PublicKey, envelope: &Envelope) -> Result<(), No> {
    let signed = envelope.signed_bytes();
    if envelope.signatures().iter().any(|signature| key.has_signed(&signed, signature)) { Ok(()) } else { Err(No::Other) }
}

impl From<Fault> for No {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::SomebodyElse => Self::Other,
            Fault::Other(why) => Self::Reason(why),
        }
    }
}
