//! Signatures and attestations of a key.

use serde_json::json;
use towpath_registry::{Registries, RegistryError};
use towpath_testbed::{Attachment, Fate, Proxy, SigningKey, payload_of, statement_of};

use super::{Given, by_key};
use crate::remote::{blob_file, remote, settings};

const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

#[tokio::test]
async fn an_image_is_signed_once_its_key_signed_it_whatever_kind_of_key() {
    let Some(it) = Given::new().await else { return };
    for kind in ["P-256", "P-384", "ED25519", "RSA"] {
        let (key, other) = (SigningKey::new(kind), SigningKey::new(kind));
        it.registry.sign("web", &it.digest(), &other);
        let text = it.missing_of_key(&key, &[]).await.unwrap();
        assert!(text.starts_with("no signature by the key ") && text.contains("signed by another key"), "{kind}: {text}");
        it.registry.sign("web", &it.digest(), &key);
        assert_eq!(it.missing_of_key(&key, &[]).await, None, "{kind}");
    }
}

#[tokio::test]
async fn an_image_without_any_signature_is_told_as_that() {
    let Some(it) = Given::new().await else { return };
    let key = SigningKey::new("P-256");
    let text = it.missing_of_key(&key, &[PROVENANCE]).await.unwrap();
    assert!(
        text.contains("no signature by the key") && text.contains("no attestation of type https://slsa.dev/provenance/v1 by"),
        "{text}"
    );
    assert!(!text.contains("another"), "{text}");
    // What is signed is the image, not its name.
    it.registry.sign("web", &it.other.to_string(), &key);
    assert!(it.missing_of_key(&key, &[]).await.is_some());
}

#[tokio::test]
async fn one_good_signature_among_bad_ones_is_enough() {
    let Some(it) = Given::new().await else { return };
    let (key, other) = (SigningKey::new("P-256"), SigningKey::new("P-256"));
    let payload = payload_of(&it.digest());
    let garbage = Attachment { content: b"garbage".to_vec(), ..key.signature(&payload) };
    let attached = [other.signature(&payload), garbage, key.signature(&payload)];
    it.registry.attach("web", &it.digest(), "sig", &attached);
    assert_eq!(it.missing_of_key(&key, &[]).await, None);
}

#[tokio::test]
async fn a_signature_that_is_not_of_this_image_does_not_count() {
    let Some(it) = Given::new().await else { return };
    let key = SigningKey::new("P-256");
    let payload = payload_of(&it.digest());
    let with = |content: &str, signed: &str| Attachment { content: content.as_bytes().to_vec(), ..key.signature(signed) };
    let of_another = payload_of(&it.other.to_string());
    let another_kind = payload.replace("cosign container image signature", "atomic container signature");
    let bare = Attachment { annotations: json!({}), ..key.signature(&payload) };
    let no_base64 = Attachment { annotations: json!({"dev.cosignproject.cosign/signature": "%%%"}), ..key.signature(&payload) };
    let large = format!("{payload}{}", " ".repeat(70 << 10));
    let cases = [
        ("of another image", with(&of_another, &of_another), "about another image"),
        ("of another image, changed to this one", with(&payload, &of_another), "another key"),
        ("of another kind", with(&another_kind, &another_kind), "no signature of an image"),
        ("no payload at all", with("rubbish", "rubbish"), "cannot be read"),
        ("no signature at all", bare, "no signature by"),
        ("a signature that is none", no_base64, "base64"),
        ("too large", with(&large, &large), "no signature by"),
    ];
    for (what, attachment, told) in cases {
        it.registry.attach("web", &it.digest(), "sig", &[attachment]);
        let text = it.missing_of_key(&key, &[]).await.unwrap_or_else(|| panic!("{what} counts"));
        assert!(text.contains(told), "{what}: {text}");
    }
}

#[tokio::test]
async fn an_attestation_counts_by_its_type_its_image_and_its_key() {
    let Some(it) = Given::new().await else { return };
    let (key, other) = (SigningKey::new("P-256"), SigningKey::new("P-256"));
    it.registry.sign("web", &it.digest(), &key);
    let mine = |kind: &str| statement_of(&it.digest(), kind);
    let mut moved = key.envelope(&mine(PROVENANCE));
    moved["payload"] = other.envelope(&mine("https://example.com/changed/v1"))["payload"].clone();
    let mut renamed = key.envelope(&mine(PROVENANCE));
    renamed["payloadType"] = "text/plain".into();
    let no_statement = key.envelope(&mine(PROVENANCE).replace("in-toto.io/Statement", "example.com/Other"));
    let cases = [
        ("of another key", other.envelope(&mine(PROVENANCE)), "another key"),
        ("of another image", key.envelope(&statement_of(&it.other.to_string(), PROVENANCE)), "about another image"),
        (
            "of another type",
            key.envelope(&mine("https://slsa.dev/provenance/v0.2")),
            "no attestation of type https://slsa.dev/provenance/v1",
        ),
        ("changed", moved, "another key"),
        ("of another payload type", renamed, "no in-toto statement"),
        ("no statement", no_statement, "none of in-toto"),
        ("garbage", json!({"payload": 7}), "cannot be read"),
    ];
    for (what, envelope, told) in cases {
        it.registry.attach("web", &it.digest(), "att", &[Attachment::envelope(&envelope)]);
        let text = it.missing_of_key(&key, &[PROVENANCE]).await.unwrap_or_else(|| panic!("{what} counts"));
        assert!(text.contains(told) && text.starts_with("no attestation"), "{what}: {text}");
    }
    let both = [other.envelope(&mine(PROVENANCE)), key.envelope(&mine(PROVENANCE))];
    it.registry.attach("web", &it.digest(), "att", &both.map(|envelope| Attachment::envelope(&envelope)));
    assert_eq!(it.missing_of_key(&key, &[PROVENANCE]).await, None);
    // Of two types, both.
    let text = it.missing_of_key(&key, &[PROVENANCE, "https://cyclonedx.org/bom"]).await.unwrap();
    assert!(text.starts_with("no attestation of type https://cyclonedx.org/bom"), "{text}");
}

#[tokio::test]
async fn an_attestation_is_no_signature() {
    let Some(it) = Given::new().await else { return };
    let key = SigningKey::new("P-256");
    it.registry.attach("web", &it.digest(), "att", &[Attachment::envelope(&key.envelope(&statement_of(&it.digest(), PROVENANCE)))]);
    let text = it.missing_of_key(&key, &[PROVENANCE]).await.unwrap();
    assert!(text.starts_with("no signature") && !text.contains("attestation"), "{text}");
}

#[tokio::test]
async fn bundles_that_refer_to_an_image_count_signatures_and_attestations() {
    let Some(it) = Given::new().await else { return };
    let (key, other) = (SigningKey::new("P-256"), SigningKey::new("P-256"));
    let bundle =
        |key: &SigningKey, digest: &str, kind: &str| Attachment::bundle("dsseEnvelope", &key.envelope(&statement_of(digest, kind)));
    let (mine, others) = (it.digest(), it.other.to_string());
    it.registry.refer("web", &mine, &[bundle(&other, &mine, SIGNED), bundle(&key, &others, SIGNED), bundle(&key, &mine, PROVENANCE)]);
    let text = it.missing_of_key(&key, &[PROVENANCE]).await.unwrap();
    assert!(text.starts_with("no signature") && text.contains("another key") && text.contains("another image"), "{text}");
    it.registry.refer("web", &mine, &[bundle(&key, &mine, SIGNED), bundle(&key, &mine, PROVENANCE)]);
    assert_eq!(it.missing_of_key(&key, &[PROVENANCE]).await, None);
    assert!(it.missing_of_key(&other, &[]).await.is_some());
}

#[tokio::test]
async fn a_signature_of_the_manifest_itself_counts() {
    let Some(it) = Given::new().await else { return };
    let key = SigningKey::new("P-256");
    let manifest = std::fs::read(blob_file(&it.world.registry, &it.name, it.image)).unwrap();
    let signed = |bytes: &[u8]| Attachment::bundle("messageSignature", &json!({"signature": key.sign(bytes)}));
    it.registry.refer("web", &it.digest(), &[signed(b"something else")]);
    assert!(it.missing_of_key(&key, &[]).await.unwrap().contains("another key"));
    it.registry.refer("web", &it.digest(), &[signed(&manifest)]);
    assert_eq!(it.missing_of_key(&key, &[]).await, None);
}

#[tokio::test]
async fn a_registry_that_lists_what_refers_to_an_image_is_asked_for_that() {
    let Some(it) = Given::new().await else { return };
    let key = SigningKey::new("P-256");
    it.registry.refer("web", &it.digest(), &[Attachment::bundle("dsseEnvelope", &key.envelope(&statement_of(&it.digest(), SIGNED)))]);
    // Debian's registry does not list; one in its place does, and what it lists is the same.
    let tag = format!("/v2/web/manifests/{}", it.digest().replace(':', "-"));
    let listed = std::process::Command::new("curl")
        .args(["-sS", "-H", "accept: application/vnd.oci.image.index.v1+json"])
        .arg(format!("http://{}{tag}", it.registry.host))
        .output()
        .unwrap()
        .stdout;
    let lists = Proxy::start(&it.registry.host, move |head| {
        if head.path.contains("/referrers/") {
            Fate::Answer { status: "200 OK".to_owned(), headers: Vec::new(), body: listed.clone() }
        } else if head.path == tag {
            Fate::status("404 Not Found", &[])
        } else {
            Fate::Pass
        }
    });
    let remote = remote(settings(&lists.host));
    let name = format!("{}/web", lists.host);
    assert_eq!(remote.missing_signature(&name, it.image, &by_key(&key.public_pem(), &[]), None).await.unwrap(), None);
}

#[tokio::test]
async fn a_crowd_of_signatures_is_looked_through_only_so_far() {
    let Some(it) = Given::new().await else { return };
    let (key, other) = (SigningKey::new("P-256"), SigningKey::new("P-256"));
    let payload = payload_of(&it.digest());
    let mut crowd = vec![other.signature(&payload); 200];
    crowd.push(key.signature(&payload));
    it.registry.attach("web", &it.digest(), "sig", &crowd);
    let counting = Proxy::start(&it.registry.host, |_| Fate::Pass);
    let remote = remote(settings(&counting.host));
    let name = format!("{}/web", counting.host);
    assert!(remote.missing_signature(&name, it.image, &by_key(&key.public_pem(), &[]), None).await.unwrap().is_some());
    assert!(counting.heads().len() < 150, "{}", counting.heads().len());
}

#[tokio::test]
async fn a_registry_that_is_away_is_no_verdict() {
    let Some(it) = Given::new().await else { return };
    let key = SigningKey::new("P-256");
    it.registry.sign("web", &it.digest(), &key);
    // It goes away in the middle of it.
    let half = Proxy::start(&it.registry.host, |head| {
        if head.path.contains(".sig") { Fate::status("503 Service Unavailable", &[("retry-after", "0")]) } else { Fate::Pass }
    });
    let remote = remote(settings(&half.host));
    let required = by_key(&key.public_pem(), &[]);
    let error = remote.missing_signature(&format!("{}/web", half.host), it.image, &required, None).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_key_that_is_none_and_an_image_of_the_embedded_registry_are_told() {
    let Some(it) = Given::new().await else { return };
    let pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAAAAAAAAAAAAAAAAAAAA\n-----END PUBLIC KEY-----\n";
    let text = it.missing(&by_key(pem, &[]), None).await.unwrap();
    assert!(text.contains("cannot be used"), "{text}");
    let registries = Registries::new(it.world.registry.clone(), Vec::new()).unwrap();
    let key = SigningKey::new("P-256").public_pem();
    let text = registries.missing_signature("web", it.image, &by_key(&key, &[])).await.unwrap().unwrap();
    assert!(text.contains("embedded registry"), "{text}");
}
