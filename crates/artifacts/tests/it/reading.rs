//! Reading from a server that checks signatures.

use std::collections::BTreeMap;
use std::sync::Arc;

use towpath_artifacts::{Bucket, BucketErrorKind, Fetched, Keys, Limits};
use towpath_secrets::{Given, Pins, SecretValue, VersionKey};
use towpath_testbed::S3;

use crate::given::{bucket, keys, pods, replace, settings};

async fn fetch(bucket: &Bucket, names: &[&str]) -> Fetched {
    bucket.fetch(&bucket.places("web-stage", "deploy-web-1", &["smoke".to_owned()], &pods(names))).await
}

fn texts(fetched: &Fetched) -> Vec<(String, String)> {
    let text = |content: &[u8]| String::from_utf8_lossy(content).into_owned();
    fetched.files.iter().map(|(_, file)| (file.name.clone(), text(file.content.as_ref().unwrap()))).collect()
}

#[tokio::test]
async fn every_pods_reports_come_from_its_own_bucket_and_other_files_stay_there() {
    let s3 = S3::start();
    s3.put("smoke-a-artifacts", "junit-rbac-sequential.xml", b"<one/>");
    s3.put("smoke-a-artifacts", "deep/er/junit a+b%20ä.xml", b"<two/>");
    s3.put("smoke-a-artifacts", "iqe-rbac-sequential.log", b"log");
    s3.put("smoke-b-artifacts", "TEST-x.xml", b"<three/>");
    s3.put("smoke-c-artifacts", "junit.xml", b"<another pod's/>");
    let (_folder, keys) = keys(s3.access_key, s3.secret_key);
    let fetched = fetch(&bucket(settings(&s3.endpoint, keys)), &["smoke-a", "smoke-b", "smoke-gone"]).await;
    assert_eq!(fetched.trouble, []);
    let found = texts(&fetched);
    let found: Vec<(&str, &str)> = found.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let wanted = [("deep/er/junit a+b%20ä.xml", "<two/>"), ("junit-rbac-sequential.xml", "<one/>"), ("TEST-x.xml", "<three/>")];
    assert_eq!(found, wanted);
    let missing: Vec<String> = fetched.missing.iter().map(ToString::to_string).collect();
    assert_eq!(missing, ["bucket smoke-gone-artifacts"]);
}

#[tokio::test]
async fn a_prefix_of_the_runs_own_is_all_that_is_looked_at_page_by_page() {
    let s3 = S3::start();
    for number in 0..1005 {
        s3.put("reports", &format!("web-stage/deploy-web-1/smoke/{number:04}.png"), b"x");
    }
    s3.put("reports", "web-stage/deploy-web-1/smoke/junit.xml", b"<mine/>");
    s3.put("reports", "web-stage/deploy-web-10/smoke/junit.xml", b"<another's/>");
    let (_folder, keys) = keys(s3.access_key, s3.secret_key);
    let mut settings = settings(&s3.endpoint, keys);
    settings.bucket = "reports".parse().unwrap();
    settings.prefix = "{namespace}/{run}/{job}/".parse().unwrap();
    let fetched = fetch(&bucket(settings), &["smoke-a", "smoke-b"]).await;
    assert_eq!(fetched.trouble, []);
    assert_eq!(texts(&fetched), [("web-stage/deploy-web-1/smoke/junit.xml".to_owned(), "<mine/>".to_owned())]);
}

#[tokio::test]
async fn a_wrong_secret_is_refused_by_the_server_and_told_without_it() {
    let s3 = S3::start();
    s3.put("smoke-a-artifacts", "junit.xml", b"<one/>");
    let (folder, keys) = keys(s3.access_key, "hunter2-hunter2");
    let bucket = bucket(settings(&s3.endpoint, keys));
    let refused = fetch(&bucket, &["smoke-a"]).await;
    assert_eq!(refused.files, []);
    let [error] = &refused.trouble[..] else { panic!("{refused:?}") };
    assert_eq!(error.kind(), BucketErrorKind::Refused);
    let told = error.to_string();
    assert!(told.contains("bucket smoke-a-artifacts at http://127.0.0.1:") && told.contains("SignatureDoesNotMatch"), "{told}");
    assert!(told.contains("correct the access key"), "{told}");
    for secret in ["hunter2", s3.access_key, "X-Amz"] {
        assert!(!told.contains(secret) && !format!("{refused:?}{bucket:?}").contains(secret), "{told}");
    }
    // The right one counts as soon as it is in the file.
    replace(folder.path(), "secret", s3.secret_key);
    assert_eq!(texts(&fetch(&bucket, &["smoke-a"]).await).len(), 1);
}

#[tokio::test]
async fn keys_come_from_a_secret_too_and_those_that_are_not_there_are_told() {
    let s3 = S3::start();
    s3.put("smoke-a-artifacts", "junit.xml", b"<one/>");
    let fields = [("accessKey", s3.access_key), ("secretKey", s3.secret_key)];
    let fields: BTreeMap<String, SecretValue> = fields.map(|(name, value)| (name.to_owned(), SecretValue::new(value))).into();
    let secrets = BTreeMap::from([("web-stage/env-web-stage-minio".to_owned(), fields)]);
    let store = Arc::new(Given::new(secrets, Pins::Refuse, VersionKey::new([1; 32])));
    let stored = |path: &str| Keys::Stored {
        store: store.clone(),
        path: path.to_owned(),
        access: "accessKey".to_owned(),
        secret: "secretKey".to_owned(),
    };
    let there = bucket(settings(&s3.endpoint, stored("web-stage/env-web-stage-minio")));
    assert_eq!(texts(&fetch(&there, &["smoke-a"]).await).len(), 1);
    let gone = bucket(settings(&s3.endpoint, stored("web-stage/other")));
    let absent = Keys::Files { access: "/no/such/file".into(), secret: "/no/such/file".into() };
    for (bucket, words) in [(gone, "no such secret"), (bucket(settings(&s3.endpoint, absent)), "/no/such/file")] {
        let fetched = fetch(&bucket, &["smoke-a"]).await;
        assert_eq!(fetched.trouble[0].kind(), BucketErrorKind::Keys);
        assert!(fetched.trouble[0].to_string().contains(words), "{}", fetched.trouble[0]);
    }
}

#[tokio::test]
async fn what_is_more_than_is_taken_is_told_and_the_rest_is_taken() {
    let s3 = S3::start();
    s3.put("smoke-a-artifacts", "junit-1.xml", b"<one/>");
    s3.put("smoke-a-artifacts", "junit-2.xml", &vec![b' '; 4096]);
    s3.put("smoke-a-artifacts", "junit-3.xml", b"<three/>");
    let (_folder, keys) = keys(s3.access_key, s3.secret_key);
    let with = |limits: Limits| {
        let usual = settings(&s3.endpoint, keys.clone());
        bucket(towpath_artifacts::BucketSettings { limits, ..usual })
    };
    let fetched = fetch(&with(Limits { bytes: 1000, ..Limits::default() }), &["smoke-a"]).await;
    let kinds: Vec<_> = fetched.files.iter().map(|(_, file)| file.content.as_ref().map(Vec::len).map_err(|error| error.kind())).collect();
    assert_eq!(kinds, [Ok(6), Err(BucketErrorKind::TooMuch), Ok(8)]);
    let fetched = fetch(&with(Limits { files: 2, ..Limits::default() }), &["smoke-a"]).await;
    assert_eq!((fetched.files.len(), fetched.trouble[0].kind()), (2, BucketErrorKind::TooMuch));
    let fetched = fetch(&with(Limits { listed: 2, ..Limits::default() }), &["smoke-a"]).await;
    assert_eq!((fetched.files.len(), fetched.trouble[0].kind()), (0, BucketErrorKind::TooMuch));
    let fetched = fetch(&with(Limits { places: 1, ..Limits::default() }), &["smoke-b", "smoke-a"]).await;
    assert_eq!((fetched.files.len(), fetched.missing.len()), (0, 1));
}

#[tokio::test]
async fn a_pod_whose_name_makes_no_bucket_is_told() {
    let s3 = S3::start();
    let (_folder, keys) = keys(s3.access_key, s3.secret_key);
    let long = "x".repeat(60);
    let fetched = fetch(&bucket(settings(&s3.endpoint, keys)), &[&long]).await;
    assert_eq!(fetched.trouble[0].kind(), BucketErrorKind::Name, "{fetched:?}");
}
