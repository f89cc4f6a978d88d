//! Reports of tests that lie elsewhere than in the log, on the embedded runtime: in a bucket.

use towpath_testbed::S3;

use crate::installation::{Installation, PRODUCTION, STAGE, TESTS};

pub const GOOD: &str = "<testsuite name=\"smoke\"><testcase name=\"front page\"/></testsuite>\n";
pub const BAD: &str = "<testsuite name=\"smoke\"><testcase name=\"front page\"/><testcase name=\"checkout\"><failure message=\"no such button\">x</failure></testcase></testsuite>\n";

/// Lets the test carry `report.xml` of the source in its image, and leave it by `command`.
pub fn leaves(it: &Installation, command: &str) {
    it.replace_in("web/deploy/smoke.yaml", "cat verdict; grep -q good verdict", command);
    it.replace("web/source.yml", "{from: built", "{from: report.xml, to: /report.xml}, {from: built");
    it.commit("config", "A report");
}

/// The part of `towpath.toml` that says where the server's buckets are.
pub fn told(it: &Installation, s3: &S3, more: &str) {
    it.write("keys/access", s3.access_key);
    it.write("keys/secret", s3.secret_key);
    let config = it.read("towpath.toml");
    let s3 = format!(
        "[clusters.laptop.artifacts]\n{more}\n[clusters.laptop.artifacts.s3]\nendpoint = \"{}\"\nplain_http = true\n\
         bucket = \"{{pod}}-artifacts\"\naccess_key_file = \"keys/access\"\nsecret_key_file = \"keys/secret\"\n",
        s3.endpoint
    );
    it.write("towpath.toml", &format!("{config}{s3}"));
}

/// An installation on the embedded runtime whose pods upload, by writing where the server keeps its buckets.
fn uploading(s3: &S3, more: &str) -> Installation {
    let it = Installation::new();
    let config = it.read("towpath.toml");
    it.write("towpath.toml", &format!("{config}[clusters.laptop]\nembedded = true\n"));
    let buckets = s3.folder().display();
    leaves(&it, &format!("mkdir {buckets}/$POD_NAME-artifacts && cp report.xml {buckets}/$POD_NAME-artifacts/junit-smoke-sequential.xml"));
    told(&it, s3, more);
    it
}

/// The log of the test's last run.
fn log(it: &Installation) -> String {
    let run = it.runs(TESTS)[0]["id"].as_str().unwrap().to_owned();
    it.ok(&["logs", &run])
}

#[test]
fn a_report_in_the_pods_bucket_judges_the_test_whatever_its_exit_code() {
    let s3 = S3::start();
    let mut it = uploading(&s3, "required = true");
    it.write("web/report.xml", BAD);
    it.release("first", true);
    it.start(None);
    let held = it.until_held(TESTS, "failed");
    assert!(held.contains("checkout") && held.contains("no such button"), "{held}");
    let log_of_bad = log(&it);
    assert!(log_of_bad.contains("-artifacts: 1 reports") && log_of_bad.contains("failed: checkout (no such button)"), "{log_of_bad}");
    assert_eq!(it.current(PRODUCTION), None);

    it.write("web/report.xml", GOOD);
    let second = it.release("second", true);
    it.until_at(PRODUCTION, &second);
    assert!(log(&it).contains("tests: 1 passed"), "{}", log(&it));
    // Neither key is in anything that Towpath keeps or says.
    it.stop();
    for secret in [s3.access_key, s3.secret_key, "X-Amz-Signature"] {
        let found = std::process::Command::new("grep").args(["-rlaF", secret, ".towpath", "server.log"]).current_dir(it.path(".")).output();
        let found = found.unwrap().stdout;
        assert!(found.is_empty(), "{secret} is in {}", String::from_utf8_lossy(&found));
    }
}

#[test]
fn a_required_report_that_is_missing_holds_production_and_one_that_is_not_required_is_only_noted() {
    let s3 = S3::start();
    let mut it = uploading(&s3, "");
    it.replace_in("web/deploy/smoke.yaml", "-artifacts && cp", "-artifacts && true");
    it.write("web/report.xml", GOOD);
    let first = it.release("first", true);
    it.start(None);
    it.until_at(PRODUCTION, &first);
    assert!(log(&it).contains("tests: no report was found in the log, bucket smoke-"), "{}", log(&it));

    // A test may ask more of itself than the installation does.
    it.replace_in(
        "web/deploy/smoke.yaml",
        "name: 'smoke-${IMAGE_TAG}'",
        "name: 'smoke-${IMAGE_TAG}', annotations: {towpath.dev/reports: required}",
    );
    let second = it.release("second", true);
    it.until_at(STAGE, &second);
    let told = it.until("an inconclusive test", |it| {
        let run = it.runs(TESTS).first()?.clone();
        let text = run.to_string();
        text.contains("inconclusive: the test left no report").then_some(text)
    });
    assert!(told.contains("environment"), "{told}");
    assert_eq!(it.current(PRODUCTION), Some(first));
}

#[test]
fn an_annotation_that_nobody_could_follow_stops_the_test_before_it_starts() {
    let mut it = Installation::new();
    it.replace_in(
        "web/deploy/smoke.yaml",
        "name: 'smoke-${IMAGE_TAG}'",
        "name: 'smoke-${IMAGE_TAG}', annotations: {towpath.dev/reports-volume: smoke-reports/junit}",
    );
    it.release("first", true);
    it.start(None);
    let held = it.until_held(TESTS, "failed");
    assert!(held.contains("towpath.toml has no [clusters.laptop.artifacts.volumes]"), "{held}");
    assert!(!log(&it).contains("created"), "{}", log(&it));
    it.replace_in("web/deploy/smoke.yaml", "smoke-reports/junit", "../etc");
    it.release("second", true);
    let held = it.until("another refusal", |it| {
        let target = it.target(TESTS)?.to_string();
        target.contains("is no PersistentVolumeClaim with a folder").then_some(target)
    });
    assert!(held.contains("metadata.annotations.towpath.dev/reports-volume"), "{held}");
}
