//! What was signed: which image it is about, and what it says.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use towpath_domain::Digest;

/// The statement by which newer versions of cosign sign an image.
pub(super) const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

/// What `critical.type` says in a signature's payload.
const SIGNATURE_TYPE: &str = "cosign container image signature";

const IN_TOTO: &str = "application/vnd.in-toto+json";

/// How many signatures of one envelope are tried, and how many images one statement may be about.
const SIGNATURES_MAX: usize = 16;
const SUBJECTS_MAX: usize = 10_000;

const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.trim()).ok()
}

/// Which image a signature's payload is about (cosign's SIGNATURE_SPEC, "Simple Signing"). The name in it is the signer's own and
/// decides nothing: the same bits may have many names.
pub(super) fn signed_image(payload: &[u8]) -> Result<Digest, String> {
    #[derive(Deserialize)]
    struct Payload {
        critical: Critical,
    }
    #[derive(Deserialize)]
    struct Critical {
        image: Image,
        #[serde(rename = "type")]
        kind: String,
    }
    #[derive(Deserialize)]
    struct Image {
        #[serde(rename = "docker-manifest-digest")]
        digest: Digest,
    }
    let payload: Payload = serde_json::from_slice(payload).map_err(|_| "its payload cannot be read".to_owned())?;
    if payload.critical.kind != SIGNATURE_TYPE {
        return Err("its payload is no signature of an image".to_owned());
    }
    Ok(payload.critical.image.digest)
}

/// A statement that was signed as a whole (in-toto, in a DSSE envelope).
#[derive(Debug)]
pub(super) struct Envelope {
    payload: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
struct RawEnvelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<RawSignature>,
}

#[derive(Deserialize)]
struct RawSignature {
    sig: String,
}

impl Envelope {
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let raw: RawEnvelope = serde_json::from_slice(json).map_err(|_| "its envelope cannot be read".to_owned())?;
        Self::from_raw(&raw)
    }

    fn from_raw(raw: &RawEnvelope) -> Result<Self, String> {
        if raw.payload_type != IN_TOTO {
            return Err("its envelope holds no in-toto statement".to_owned());
        }
        let payload = decode(&raw.payload).ok_or("its envelope's payload is no base64")?;
        let signatures = raw.signatures.iter().take(SIGNATURES_MAX).filter_map(|signature| decode(&signature.sig)).collect();
        Ok(Self { payload, signatures })
    }

    /// What a signature is of: type and payload, each with its length before it, so that neither can be taken for the other.
    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        let head = format!("DSSEv1 {} {IN_TOTO} {} ", IN_TOTO.len(), self.payload.len());
        [head.as_bytes(), &self.payload].concat()
    }

    pub(super) fn signatures(&self) -> &[Vec<u8>] {
        &self.signatures
    }

    /// What the statement says of the image, by its type.
    pub(super) fn statement_of(&self, digest: Digest) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Statement {
            #[serde(rename = "_type")]
            kind: String,
            subject: Vec<Subject>,
            #[serde(rename = "predicateType")]
            predicate_type: String,
        }
        #[derive(Deserialize)]
        struct Subject {
            digest: Digests,
        }
        #[derive(Deserialize)]
        struct Digests {
            #[serde(default)]
            sha256: Option<String>,
        }
        let statement: Statement = serde_json::from_slice(&self.payload).map_err(|_| "its statement cannot be read".to_owned())?;
        if !statement.kind.starts_with("https://in-toto.io/Statement/") {
            return Err("its statement is none of in-toto".to_owned());
        }
        let hex = digest.hex();
        let is_it = |subject: &Subject| subject.digest.sha256.as_deref() == Some(hex.as_str());
        if !statement.subject.iter().take(SUBJECTS_MAX).any(is_it) {
            return Err("it is about another image".to_owned());
        }
        Ok(statement.predicate_type)
    }
}

/// What of a Sigstore bundle is signed.
#[derive(Debug)]
pub(super) enum Content {
    /// A statement.
    Statement(Envelope),
    /// The image's manifest itself, by this signature.
    Manifest(Vec<u8>),
}

/// The content of a bundle, whoever signed it.
pub(super) fn bundle_content(json: &[u8]) -> Result<Content, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Bundle {
        #[serde(default)]
        dsse_envelope: Option<RawEnvelope>,
        #[serde(default)]
        message_signature: Option<Message>,
    }
    #[derive(Deserialize)]
    struct Message {
        signature: String,
    }
    let bundle: Bundle = serde_json::from_slice(json).map_err(|_| "its bundle cannot be read".to_owned())?;
    match (bundle.dsse_envelope, bundle.message_signature) {
        (Some(envelope), None) => Envelope::from_raw(&envelope).map(Content::Statement),
        (None, Some(message)) => Ok(Content::Manifest(decode(&message.signature).ok_or("its signature is no base64")?)),
        _ => Err("its bundle holds not exactly one thing that is signed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_names_its_image_and_nothing_else_is_taken_for_one() {
        let digest = Digest::from_bytes([7; 32]);
        let payload = |kind: &str, key: &str| {
            format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"x"}},"image":{{"{key}":"{digest}"}},"type":"{kind}"}},"optional":null}}"#
            )
        };
        assert_eq!(signed_image(payload(SIGNATURE_TYPE, "docker-manifest-digest").as_bytes()), Ok(digest));
        assert!(signed_image(payload("atomic container signature", "docker-manifest-digest").as_bytes()).is_err());
        assert!(signed_image(payload(SIGNATURE_TYPE, "other").as_bytes()).is_err());
        let twice = r#"{"critical":{"image":{"docker-manifest-digest":"A","docker-manifest-digest":"B"},"type":"x"}}"#;
        assert!(signed_image(twice.as_bytes()).is_err(), "two readers must not see two digests");
    }

    #[test]
    fn what_is_signed_of_a_statement_is_as_the_specification_has_it() {
        let json =
            r#"{"payloadType":"application/vnd.in-toto+json","payload":"aGVsbG8gd29ybGQ=","signatures":[{"sig":"AA=="},{"sig":"?"}]}"#;
        let envelope = Envelope::parse(json.as_bytes()).unwrap();
        assert_eq!(envelope.signed_bytes(), b"DSSEv1 28 application/vnd.in-toto+json 11 hello world");
        assert_eq!(envelope.signatures(), [vec![0]]);
        assert!(Envelope::parse(json.replace("in-toto+json", "other").as_bytes()).is_err());
    }
}
