//! Signatures by a certificate of a short life, with an authority and a transparency log of the test's own.

use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use towpath_catalog::{SignatureRequirement, Signer};
use towpath_registry::{RegistryError, TrustedRoot};
use towpath_testbed::{Attachment, SigningKey, payload_of, statement_of};

use super::{Given, required};

const ISSUER: &str = "https://token.example.com";
const SUBJECT: &str = "https://git.example.com/team/web/.ci/build.yml@refs/heads/main";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

/// Who gives certificates to whom, and who keeps the log.
struct Authority {
    key: SigningKey,
    log: SigningKey,
    dir: tempfile::TempDir,
}

/// A key and the certificate that was given to its owner.
struct Holder {
    key: SigningKey,
    certificate: String,
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let out = Command::new("openssl").args(arguments).output().unwrap();
    assert!(out.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn der(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

impl Authority {
    fn new() -> Authority {
        let (key, log, dir) = (SigningKey::new("P-256"), SigningKey::new("P-256"), tempfile::tempdir().unwrap());
        let (file, out) = (key.file.display().to_string(), dir.path().join("ca.pem").display().to_string());
        openssl(&[
            "req",
            "-x509",
            "-key",
            &file,
            "-days",
            "2",
            "-subj",
            "/O=test/CN=authority",
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-out",
            &out,
        ]);
        Authority { key, log, dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn certificate(&self) -> String {
        std::fs::read_to_string(self.file("ca.pem")).unwrap()
    }

    fn log_id(&self) -> Vec<u8> {
        Sha256::digest(self.log.public_der()).to_vec()
    }

    fn root(&self) -> Value {
        let since = json!({"start": "2020-01-01T00:00:00Z"});
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [{
                "baseUrl": "https://log.example.com", "hashAlgorithm": "SHA2_256", "logId": {"keyId": STANDARD.encode(self.log_id())},
                "publicKey": {
                    "rawBytes": STANDARD.encode(self.log.public_der()), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": since,
                },
            }],
            "certificateAuthorities": [{
                "subject": {"organization": "test", "commonName": "authority"}, "uri": "https://authority.example.com",
                "certChain": {"certificates": [{"rawBytes": der(&self.certificate())}]}, "validFor": since,
            }],
            "ctlogs": [], "timestampAuthorities": [],
        })
    }

    fn trusted(&self) -> TrustedRoot {
        read_root(&self.file("root.json"), &self.root()).unwrap()
    }

    fn issue(&self, issuer: &str, subject: &str) -> Holder {
        let key = SigningKey::new("P-256");
        let at = |name: &str| self.file(name).display().to_string();
        openssl(&["req", "-new", "-key", &key.file.display().to_string(), "-subj", "/", "-out", &at("request.pem")]);
        let extensions = format!(
            "subjectAltName=critical,URI:{subject}\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n\
             basicConstraints=critical,CA:FALSE\n1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:{issuer}\n"
        );
        std::fs::write(self.file("extensions"), extensions).unwrap();
        openssl(&[
            "x509",
            "-req",
            "-in",
            &at("request.pem"),
            "-CA",
            &at("ca.pem"),
            "-CAkey",
            &self.key.file.display().to_string(),
            "-CAcreateserial",
            "-days",
            "1",
            "-extfile",
            &at("extensions"),
            "-out",
            &at("leaf.pem"),
        ]);
        Holder { key, certificate: std::fs::read_to_string(self.file("leaf.pem")).unwrap() }
    }

    /// What the log says of an entry that it took in at `time`.
    fn promise(&self, body: &str, time: u64) -> String {
        let text =
            format!(r#"{{"body":"{}","integratedTime":{time},"logID":"{}","logIndex":0}}"#, STANDARD.encode(body), hex(&self.log_id()));
        self.log.sign(text.as_bytes())
    }

    /// A signature in the older form.
    fn simple(&self, holder: &Holder, payload: &str, time: u64) -> Attachment {
        let mut attachment = holder.key.signature(payload);
        let body = json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hex(&Sha256::digest(payload))}},
            "signature": {
                "content": attachment.annotations["dev.cosignproject.cosign/signature"],
                "publicKey": {"content": STANDARD.encode(&holder.certificate)},
            },
        }})
        .to_string();
        let log = json!({"SignedEntryTimestamp": self.promise(&body, time), "Payload": {
            "body": STANDARD.encode(&body), "integratedTime": time, "logIndex": 0, "logID": hex(&self.log_id()),
        }});
        attachment.annotations["dev.sigstore.cosign/certificate"] = holder.certificate.clone().into();
        attachment.annotations["dev.sigstore.cosign/chain"] = self.certificate().into();
        attachment.annotations["dev.sigstore.cosign/bundle"] = log.to_string().into();
        attachment
    }

    /// A statement in a bundle.
    fn bundle(&self, holder: &Holder, statement: &str, time: u64) -> Attachment {
        let envelope = holder.key.envelope(statement);
        let body = json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
            "envelopeHash": {"algorithm": "sha256", "value": hex(&Sha256::digest(envelope.to_string()))},
            "payloadHash": {"algorithm": "sha256", "value": hex(&Sha256::digest(statement))},
            "signatures": [{"signature": envelope["signatures"][0]["sig"], "verifier": STANDARD.encode(&holder.certificate)}],
        }})
        .to_string();
        // A log of one entry: its root is the entry's own hash.
        let root = STANDARD.encode(Sha256::digest([&[0], body.as_bytes()].concat()));
        let note = format!("log.example.com - 1\n1\n{root}\n");
        let signature = STANDARD.decode(self.log.sign(note.as_bytes())).unwrap();
        let signature = STANDARD.encode([&self.log_id()[..4], &signature].concat());
        let proof = json!({
            "logIndex": "0", "rootHash": root, "treeSize": "1", "hashes": [],
            "checkpoint": {"envelope": format!("{note}\n\u{2014} log.example.com {signature}\n")},
        });
        let entry = json!({
            "logIndex": "0", "logId": {"keyId": STANDARD.encode(self.log_id())}, "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": time.to_string(), "inclusionPromise": {"signedEntryTimestamp": self.promise(&body, time)},
            "inclusionProof": proof, "canonicalizedBody": STANDARD.encode(&body),
        });
        let mut attachment = Attachment::bundle("dsseEnvelope", &envelope);
        change(&mut attachment, |bundle| {
            bundle["verificationMaterial"] = json!({"certificate": {"rawBytes": der(&holder.certificate)}, "tlogEntries": [entry]});
        });
        attachment
    }
}

fn change(attachment: &mut Attachment, how: impl FnOnce(&mut Value)) {
    let mut bundle: Value = serde_json::from_slice(&attachment.content).unwrap();
    how(&mut bundle);
    attachment.content = bundle.to_string().into_bytes();
}

fn read_root(file: &std::path::Path, root: &Value) -> Result<TrustedRoot, RegistryError> {
    std::fs::write(file, root.to_string()).unwrap();
    TrustedRoot::read(file)
}

fn by(issuer: &str, subject: &str, attestations: &[&str]) -> SignatureRequirement {
    required(Signer::Identity { issuer: issuer.into(), subject: subject.into() }, attestations)
}

#[tokio::test]
async fn an_identity_signs_in_the_older_form_and_nobody_else_does_in_its_place() {
    let Some(it) = Given::new().await else { return };
    let (authority, strange) = (Authority::new(), Authority::new());
    let (root, mine) = (authority.trusted(), by(ISSUER, SUBJECT, &[]));
    let payload = payload_of(&it.digest());
    let of_another = payload_of(&it.other.to_string());
    let holder = authority.issue(ISSUER, SUBJECT);

    it.registry.attach("web", &it.digest(), "sig", &[authority.simple(&holder, &payload, now())]);
    assert_eq!(it.missing(&mine, Some(&root)).await, None);

    let without_log = |mut attachment: Attachment| {
        attachment.annotations.as_object_mut().unwrap().remove("dev.sigstore.cosign/bundle");
        attachment
    };
    let mut of_other_log = authority.simple(&holder, &payload, now());
    of_other_log.annotations["dev.sigstore.cosign/bundle"] =
        strange.simple(&holder, &payload, now()).annotations["dev.sigstore.cosign/bundle"].clone();
    let mut borrowed = authority.simple(&holder, &payload, now());
    borrowed.annotations["dev.sigstore.cosign/bundle"] =
        authority.simple(&holder, &of_another, now()).annotations["dev.sigstore.cosign/bundle"].clone();
    let cases = [
        ("another subject", authority.simple(&authority.issue(ISSUER, &format!("{SUBJECT}2")), &payload, now()), "signed by somebody else"),
        (
            "another issuer",
            authority.simple(&authority.issue("https://evil.example.com", SUBJECT), &payload, now()),
            "signed by somebody else",
        ),
        ("an authority that is not trusted", strange.simple(&strange.issue(ISSUER, SUBJECT), &payload, now()), "does not count"),
        (
            "a certificate of an authority that is not trusted",
            authority.simple(&strange.issue(ISSUER, SUBJECT), &payload, now()),
            "does not count",
        ),
        ("before the certificate was in force", authority.simple(&holder, &payload, now() - 3600), "does not count"),
        ("in time to come", authority.simple(&holder, &payload, now() + 3600), "does not count"),
        ("in no log", without_log(authority.simple(&holder, &payload, now())), "no transparency log saw it"),
        ("in another log", of_other_log, "does not count"),
        ("another entry of the log", borrowed, "does not count"),
        ("another image", authority.simple(&holder, &of_another, now()), "about another image"),
        (
            "changed",
            Attachment { content: of_another.clone().into_bytes(), ..authority.simple(&holder, &payload, now()) },
            "does not count",
        ),
        ("by a key alone", holder.key.signature(&payload), "signed by somebody else"),
    ];
    for (what, attachment, told) in cases {
        it.registry.attach("web", &it.digest(), "sig", &[attachment]);
        let text = it.missing(&mine, Some(&root)).await.unwrap_or_else(|| panic!("{what} counts"));
        assert!(text.starts_with(&format!("no signature by {SUBJECT} (vouched for by {ISSUER})")) && text.contains(told), "{what}: {text}");
    }
}

#[tokio::test]
async fn an_identity_signs_and_attests_by_bundles() {
    let Some(it) = Given::new().await else { return };
    let (authority, strange) = (Authority::new(), Authority::new());
    let (root, mine) = (authority.trusted(), by(ISSUER, SUBJECT, &[PROVENANCE]));
    let holder = authority.issue(ISSUER, SUBJECT);
    let statement = |kind: &str| statement_of(&it.digest(), kind);
    let signed = authority.bundle(&holder, &statement(SIGNED), now());
    it.registry.refer("web", &it.digest(), &[signed.clone(), authority.bundle(&holder, &statement(PROVENANCE), now())]);
    assert_eq!(it.missing(&mine, Some(&root)).await, None);

    let mut swapped = authority.bundle(&holder, &statement(PROVENANCE), now());
    change(&mut swapped, |bundle| bundle["dsseEnvelope"] = holder.key.envelope(&statement(&format!("{PROVENANCE}2"))));
    let mut unproven = authority.bundle(&holder, &statement(PROVENANCE), now());
    change(&mut unproven, |bundle| {
        let root = STANDARD.encode([9; 32]);
        bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["rootHash"] = root.into();
    });
    let mut unlogged = authority.bundle(&holder, &statement(PROVENANCE), now());
    change(&mut unlogged, |bundle| bundle["verificationMaterial"]["tlogEntries"] = json!([]));
    let of_another = statement_of(&it.other.to_string(), PROVENANCE);
    let cases = [
        ("another subject", authority.bundle(&authority.issue(ISSUER, "https://git.example.com/fork"), &statement(PROVENANCE), now())),
        ("another authority", strange.bundle(&strange.issue(ISSUER, SUBJECT), &statement(PROVENANCE), now())),
        ("another image", authority.bundle(&holder, &of_another, now())),
        ("another type", authority.bundle(&holder, &statement("https://example.com/other/v1"), now())),
        ("a key alone", Attachment::bundle("dsseEnvelope", &holder.key.envelope(&statement(PROVENANCE)))),
        ("another statement than the log has", swapped),
        ("a log that cannot prove it", unproven),
        ("no log", unlogged),
    ];
    for (what, attachment) in cases {
        it.registry.refer("web", &it.digest(), &[signed.clone(), attachment]);
        let text = it.missing(&mine, Some(&root)).await.unwrap_or_else(|| panic!("{what} counts"));
        assert!(text.starts_with("no attestation of type https://slsa.dev/provenance/v1 by"), "{what}: {text}");
    }
}

#[tokio::test]
async fn without_a_trusted_root_no_identity_signs_and_the_text_says_how_to_name_one() {
    let Some(it) = Given::new().await else { return };
    let authority = Authority::new();
    let holder = authority.issue(ISSUER, SUBJECT);
    it.registry.attach("web", &it.digest(), "sig", &[authority.simple(&holder, &payload_of(&it.digest()), now())]);
    let text = it.missing(&by(ISSUER, SUBJECT, &[]), None).await.unwrap();
    assert!(text.contains("trusted_root") && text.contains("[signatures]"), "{text}");
}

#[tokio::test]
async fn certificates_must_be_logged_where_the_root_names_a_log_of_them() {
    let Some(it) = Given::new().await else { return };
    let authority = Authority::new();
    let holder = authority.issue(ISSUER, SUBJECT);
    it.registry.attach("web", &it.digest(), "sig", &[authority.simple(&holder, &payload_of(&it.digest()), now())]);
    let mut strict = authority.root();
    strict["ctlogs"] = strict["tlogs"].clone();
    let root = read_root(&authority.file("strict.json"), &strict).unwrap();
    let text = it.missing(&by(ISSUER, SUBJECT, &[]), Some(&root)).await.unwrap();
    assert!(text.contains("does not count"), "{text}");
}

#[test]
fn a_trusted_root_that_is_none_is_refused_by_its_file() {
    let authority = Authority::new();
    let mut without_log = authority.root();
    without_log["tlogs"] = json!([]);
    let mut without_authority = authority.root();
    without_authority["certificateAuthorities"] = json!([]);
    for root in [json!({}), json!("x"), without_log, without_authority] {
        let error = read_root(&authority.file("bad.json"), &root).unwrap_err();
        assert!(matches!(error, RegistryError::TrustedRoot { .. }) && error.to_string().contains("bad.json"), "{error}");
    }
    assert!(TrustedRoot::read(&authority.file("nowhere.json")).is_err());
}
