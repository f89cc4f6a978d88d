//! What the tests start from.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use towpath_artifacts::{Bucket, BucketSettings, FileNames, Keys, Limits};

/// Settings that wait for nobody longer than a test can.
pub fn settings(endpoint: &str, keys: Keys) -> BucketSettings {
    BucketSettings {
        endpoint: endpoint.parse().unwrap(),
        region: "us-east-1".to_owned(),
        virtual_host: false,
        ca_file: None,
        bucket: "{pod}-artifacts".parse().unwrap(),
        prefix: "".parse().unwrap(),
        files: FileNames::default(),
        keys,
        limits: Limits { pause: Duration::from_millis(1), silence: Duration::from_millis(500), ..Limits::default() },
    }
}

pub fn bucket(settings: BucketSettings) -> Bucket {
    towpath_testbed::init();
    Bucket::new(settings).unwrap()
}

/// Files that hold these, with the line break that editors put at their end.
pub fn keys(access: &str, secret: &str) -> (TempDir, Keys) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, format!("{text}\n")).unwrap();
        file
    };
    let keys = Keys::Files { access: file("access", access), secret: file("secret", secret) };
    (folder, keys)
}

pub fn pods(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub fn replace(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}
