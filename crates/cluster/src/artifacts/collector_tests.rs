use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use towpath_domain::{NamespaceName, RunId};

use super::*;
use crate::api::ObjectKey;
use crate::artifacts::Claim;

fn settings() -> VolumeSettings {
    VolumeSettings { image: "registry.example.com/busybox:1".parse().unwrap(), pull_secret: None, run_as_user: None }
}

fn test_job() -> Value {
    json!({"metadata": {"name": "smoke", "uid": "u-1", "creationTimestamp": "2026-11-20T10:00:00Z"}})
}

fn made(claim: &str, files: &[&str], user: &PodUser, settings: &VolumeSettings) -> Value {
    let claim: Claim = claim.parse().unwrap();
    let test: ObjectKey = "Job.batch/smoke".parse().unwrap();
    let files: Vec<String> = files.iter().map(|name| (*name).to_owned()).collect();
    let (namespace, run) = (NamespaceName::new("web-stage").unwrap(), RunId::new("deploy-web-1").unwrap());
    let asked = Asked { namespace: &namespace, run: &run, test: &test, claim: &claim, files: &files, user };
    job("reports-smoke-1", &asked, settings, Some(&test_job()))
}

#[test]
fn the_job_may_do_nothing_but_read_the_volume() {
    let job = made("smoke-reports/junit", &["junit*.xml", "TEST-*.xml"], &PodUser::default(), &settings());
    let pod = &job["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["volumes"], json!([{"name": "reports", "persistentVolumeClaim": {"claimName": "smoke-reports"}}]));
    assert_eq!(container["volumeMounts"], json!([{"name": "reports", "mountPath": "/reports", "readOnly": true}]));
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
    assert_eq!(job["spec"]["activeDeadlineSeconds"], 300);
    assert_eq!(job["spec"]["backoffLimit"], 0);
    // It goes with the test's own job, and is known as this run's.
    assert_eq!(job["metadata"]["ownerReferences"], json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "smoke", "uid": "u-1"}]));
    assert_eq!(job["metadata"]["annotations"]["towpath.dev/run"], "deploy-web-1");
}

#[test]
fn nothing_of_a_test_is_part_of_the_command() {
    let job = made("smoke-reports/odd folder", &["junit*.xml", "TEST-*.xml"], &PodUser::default(), &settings());
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], json!(["sh", "-c", SCRIPT, COLLECTOR, "-name", "junit*.xml", "-o", "-name", "TEST-*.xml"]));
    // 2026-11-20T10:00:00Z, less what clocks may differ.
    assert!(container["env"].as_array().unwrap().contains(&json!({"name": "TOWPATH_SINCE", "value": "1795168795"})));
    assert!(container["env"].as_array().unwrap().contains(&json!({"name": "TOWPATH_FOLDER", "value": "odd folder"})));
    // Kubernetes makes one dollar of two, and replaces the names of variables in round brackets.
    assert!(!SCRIPT.contains("$$") && !SCRIPT.contains("$(TOWPATH"));
}

#[test]
fn it_reads_as_the_user_that_wrote() {
    let security = json!({"runAsUser": 1001, "runAsGroup": 0, "fsGroup": 2000, "supplementalGroups": [5], "seLinuxOptions": {}});
    let user = PodUser::of(&json!({"spec": {"template": {"spec": {"securityContext": security}}}}));
    let context = |settings: &VolumeSettings| made("a", &["a"], &user, settings)["spec"]["template"]["spec"]["securityContext"].clone();
    let seccomp = json!({"type": "RuntimeDefault"});
    let wanted = json!({"seccompProfile": seccomp, "runAsUser": 1001, "runAsGroup": 0, "fsGroup": 2000, "supplementalGroups": [5]});
    assert_eq!(context(&settings()), wanted);
    assert_eq!(context(&VolumeSettings { run_as_user: Some(7), ..settings() })["runAsUser"], 7);
    assert_eq!(PodUser::of(&json!({"spec": {"template": {"spec": {"securityContext": {"runAsUser": "x"}}}}})), PodUser::default());
}

/// Runs the script as the pod would, in a folder of this machine.
fn print(shell: &[&str], volume: &Path, folder: &str, files: &str, path: Option<&Path>) -> Output {
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).args(["-c", SCRIPT, COLLECTOR, "-name", "junit*.xml", "-o", "-name", "TEST-*.xml"]);
    command
        .env("TOWPATH_SINCE", "1000000000")
        .env("TOWPATH_VOLUME", volume)
        .env("TOWPATH_FOLDER", folder)
        .env("TOWPATH_FILES_MAX", files)
        .env("TOWPATH_BYTES_MAX", "100");
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command.output().unwrap()
}

/// The shells that are here.
fn shells() -> Vec<Vec<&'static str>> {
    let busybox = Path::new("/bin/busybox").exists().then(|| vec!["/bin/busybox", "sh"]);
    [vec!["/bin/sh"]].into_iter().chain(busybox).collect()
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_script_prints_reports_that_are_there_and_nothing_else() {
    let volume = tempfile::tempdir().unwrap();
    let at = |name: &str| volume.path().join(name);
    fs::create_dir_all(at("junit/deep er")).unwrap();
    fs::write(at("junit/junit-a.xml"), "<testsuite name=\"a\"/>").unwrap();
    fs::write(at("junit/deep er/TEST-$(id) `id`.xml"), "<testsuite name=\"b\"/>\n").unwrap();
    fs::write(at("junit/other.xml"), "no").unwrap();
    fs::write(at("junit-above.xml"), "no").unwrap();
    symlink("/etc/passwd", at("junit/junit-link.xml")).unwrap();
    symlink("/etc", at("out")).unwrap();
    for shell in shells() {
        let (code, text) = said(&print(&shell, volume.path(), "junit", "10", None));
        assert_eq!(code, Some(0), "{text}");
        let mut begun: Vec<&str> = text.lines().filter(|line| line.starts_with("-----BEGIN")).collect();
        begun.sort_unstable();
        let wanted = [
            "-----BEGIN JUNIT REPORT ./deep er/TEST-$(id) `id`.xml (gzip+base64)-----",
            "-----BEGIN JUNIT REPORT ./junit-a.xml (gzip+base64)-----",
        ];
        assert_eq!(begun, wanted, "{text}");
        assert_eq!(text.matches("-----END JUNIT REPORT-----\n").count(), 2);
        assert_eq!(said(&print(&shell, volume.path(), "none", "10", None)), (Some(0), "the volume has no folder none\n".to_owned()));
        let (code, text) = said(&print(&shell, volume.path(), "out", "10", None));
        assert_eq!((code, text.as_str()), (Some(3), "the folder out leads out of the volume\n"));
        let (code, text) = said(&print(&shell, volume.path(), "junit", "1", None));
        assert!(code == Some(3) && text.ends_with("there are more than 1 reports\n"), "{text}");
    }
}

#[test]
fn what_an_earlier_run_left_is_passed_over() {
    let volume = tempfile::tempdir().unwrap();
    fs::write(volume.path().join("junit-new.xml"), "<testsuite/>").unwrap();
    let old = fs::File::create(volume.path().join("junit-old.xml")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(999_999_999)).unwrap();
    for shell in shells() {
        let (code, text) = said(&print(&shell, volume.path(), "", "1", None));
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("REPORT ./junit-new.xml") && !text.contains("REPORT ./junit-old.xml"), "{text}");
        assert!(text.contains("reports that are older than the test, and passed over: 1\n"), "{text}");
    }
}

#[test]
fn without_packers_it_prints_plainly_and_what_is_too_large_makes_it_fail() {
    let volume = tempfile::tempdir().unwrap();
    fs::write(volume.path().join("junit.xml"), "<testsuite name=\"a\"/>").unwrap();
    let tools = tempfile::tempdir().unwrap();
    for tool in ["find", "date", "wc", "cat"] {
        let found = ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(tool)).find(|path| path.exists());
        symlink(found.unwrap(), tools.path().join(tool)).unwrap();
    }
    let plain = "-----BEGIN JUNIT REPORT ./junit.xml-----\n<testsuite name=\"a\"/>\n-----END JUNIT REPORT-----\n".to_owned();
    assert_eq!(said(&print(&["/bin/sh"], volume.path(), "", "10", Some(tools.path()))), (Some(0), plain));
    fs::write(volume.path().join("junit.xml"), "x".repeat(101)).unwrap();
    for shell in shells() {
        let (code, text) = said(&print(&shell, volume.path(), "", "10", None));
        assert_eq!((code, text.as_str()), (Some(3), "./junit.xml is larger than 100 bytes\n"));
    }
    // A name that is two lines is no file: it fails, rather than that a report is passed over.
    fs::write(volume.path().join("junit.xml"), "").unwrap();
    fs::write(volume.path().join("junit-\n.xml"), "").unwrap();
    for shell in shells() {
        assert_ne!(said(&print(&shell, volume.path(), "", "10", None)).0, Some(0));
    }
}
