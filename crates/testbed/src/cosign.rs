//! Signs images as cosign does, byte for byte, with keys of `openssl`.

use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::registry::Registry;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A private key that signs.
pub struct SigningKey {
    /// The private key, in PEM.
    pub file: PathBuf,
    kind: &'static str,
    dir: TempDir,
}

impl SigningKey {
    /// A new key: `P-256`, `P-384`, `ED25519` or `RSA`.
    #[must_use]
    pub fn new(kind: &'static str) -> SigningKey {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let file = dir.path().join("key.pem");
        let curve = format!("ec_paramgen_curve:{kind}");
        let arguments: &[&str] = match kind {
            "RSA" => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "ED25519" => &["-algorithm", "ED25519"],
            _ => &["-algorithm", "EC", "-pkeyopt", &curve],
        };
        openssl(&[&["genpkey", "-out", &file.display().to_string()], arguments].concat());
        SigningKey { file, kind, dir }
    }

    /// The public key, as policies name it.
    #[must_use]
    pub fn public_pem(&self) -> String {
        String::from_utf8(openssl(&["pkey", "-in", &self.file.display().to_string(), "-pubout"])).expect("PEM is text")
    }

    /// The public key's bytes.
    #[must_use]
    pub fn public_der(&self) -> Vec<u8> {
        openssl(&["pkey", "-in", &self.file.display().to_string(), "-pubout", "-outform", "DER"])
    }

    /// A signature, in base64.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> String {
        let file = self.dir.path().join("message");
        std::fs::write(&file, message).expect("a file can be written");
        let (key, message) = (self.file.display().to_string(), file.display().to_string());
        let signature = if self.kind == "ED25519" {
            openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", &key, "-in", &message])
        } else {
            openssl(&["dgst", "-sha256", "-sign", &key, &message])
        };
        STANDARD.encode(signature)
    }

    /// The layer of a signature of `payload`.
    #[must_use]
    pub fn signature(&self, payload: &str) -> Attachment {
        Attachment {
            media_type: "application/vnd.dev.cosign.simplesigning.v1+json".to_owned(),
            annotations: json!({"dev.cosignproject.cosign/signature": self.sign(payload.as_bytes())}),
            content: payload.as_bytes().to_vec(),
        }
    }

    /// A statement in its envelope.
    #[must_use]
    pub fn envelope(&self, statement: &str) -> Value {
        let signed = [format!("DSSEv1 {} {IN_TOTO} {} ", IN_TOTO.len(), statement.len()).as_bytes(), statement.as_bytes()].concat();
        json!({
            "payloadType": IN_TOTO,
            "payload": STANDARD.encode(statement),
            "signatures": [{"keyid": "", "sig": self.sign(&signed)}],
        })
    }
}

/// Something that goes into a registry beside an image.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// What it is.
    pub media_type: String,
    /// What else is said of it.
    pub annotations: Value,
    /// It itself.
    pub content: Vec<u8>,
}

impl Attachment {
    /// An envelope, as `cosign attest` leaves it.
    #[must_use]
    pub fn envelope(envelope: &Value) -> Attachment {
        Attachment {
            media_type: "application/vnd.dsse.envelope.v1+json".to_owned(),
            annotations: json!({"dev.cosignproject.cosign/signature": "", "predicateType": "x"}),
            content: envelope.to_string().into_bytes(),
        }
    }

    /// A bundle with this content, by a key.
    #[must_use]
    pub fn bundle(name: &str, content: &Value) -> Attachment {
        let bundle = json!({"mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": []}, name: content});
        Attachment { media_type: BUNDLE.to_owned(), annotations: json!({}), content: bundle.to_string().into_bytes() }
    }
}

/// What a signature of the image `digest` is of.
#[must_use]
pub fn payload_of(digest: &str) -> String {
    let critical = json!({
        "identity": {"docker-reference": "registry.example.com/team/web"},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    });
    json!({"critical": critical, "optional": null}).to_string()
}

/// A statement of `kind` about the image `digest`.
#[must_use]
pub fn statement_of(digest: &str, kind: &str) -> String {
    let subject = json!([{"name": "registry.example.com/team/web", "digest": {"sha256": digest.trim_start_matches("sha256:")}}]);
    json!({"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": kind, "predicate": {}}).to_string()
}

impl Registry {
    /// Signs an image as `cosign sign --key` does.
    #[track_caller]
    pub fn sign(&self, repository: &str, digest: &str, key: &SigningKey) {
        self.attach(repository, digest, "sig", &[key.signature(&payload_of(digest))]);
    }

    /// Attaches to an image under the tag that ends in `.sig` or `.att`; what was there goes.
    #[track_caller]
    pub fn attach(&self, repository: &str, digest: &str, ending: &str, attachments: &[Attachment]) {
        let layers: Vec<Value> = attachments.iter().map(|attachment| self.layer(repository, attachment)).collect();
        let config = json!({"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}).to_string();
        let config_digest = self.put_blob(repository, config.as_bytes());
        let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(), "digest": config_digest});
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}).to_string();
        self.put_manifest(repository, Some(&format!("{}.{ending}", digest.replace(':', "-"))), MANIFEST, &manifest);
    }

    /// Attaches to an image as what refers to it, listed under a tag, since this registry lists nothing itself.
    #[track_caller]
    pub fn refer(&self, repository: &str, digest: &str, attachments: &[Attachment]) {
        let empty = self.put_blob(repository, b"{}");
        let mut referrers = Vec::new();
        for attachment in attachments {
            let manifest = json!({
                "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": attachment.media_type,
                "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
                "layers": [self.layer(repository, attachment)],
                "subject": {"mediaType": MANIFEST, "digest": digest, "size": 1},
            })
            .to_string();
            let own = self.put_manifest(repository, None, MANIFEST, &manifest);
            referrers.push(json!({"mediaType": MANIFEST, "digest": own, "size": manifest.len(), "artifactType": attachment.media_type}));
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": referrers}).to_string();
        self.put_manifest(repository, Some(&digest.replace(':', "-")), INDEX, &index);
    }

    fn layer(&self, repository: &str, attachment: &Attachment) -> Value {
        let digest = self.put_blob(repository, &attachment.content);
        json!({
            "mediaType": attachment.media_type, "size": attachment.content.len(), "digest": digest, "annotations": attachment.annotations,
        })
    }
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let out = Command::new("openssl").args(arguments).output().expect("openssl can be started");
    assert!(out.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}
