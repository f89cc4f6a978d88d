//! What a task becomes.

use std::time::Duration;

use towpath_domain::{NamespaceName, RepoUrl, RunId};

use super::*;
use crate::executor::{Amounts, Checkout, TaskReason, TaskResources, task_name};

/// A build of the shop's front end.
pub(crate) fn task() -> Task {
    let run = RunId::new("build-web-5f8f0e1-0123456789").unwrap();
    Task {
        name: task_name("web", "build", &run),
        run,
        image: Some("quay.io/builders/go:1".parse().unwrap()),
        command: ["sh", "-c", "make it's"].map(str::to_owned).to_vec(),
        env: [("TOWPATH_IMAGE".to_owned(), "quay.io/shop/web".to_owned())].into(),
        checkout: Some(Checkout {
            url: RepoUrl::new("https://git.example.com/web").unwrap(),
            commit: "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap(),
            merge: None,
        }),
        resources: TaskResources { limits: Amounts { cpu: None, memory: Some("64Mi".to_owned()) }, ..TaskResources::default() },
        memory_at_least: None,
        timeout: Duration::from_secs(1800),
        labels: [("towpath.dev/source".to_owned(), "web".to_owned()), ("towpath.dev/why".to_owned(), "a merge, by Ann".to_owned())].into(),
        parameters: [("image".to_owned(), "quay.io/shop/web".to_owned()), ("tag".to_owned(), "5f8f0e1".to_owned())].into(),
    }
}

fn settings() -> JobSettings {
    JobSettings::new(NamespaceName::new("ci").unwrap())
}

fn made(settings: &JobSettings) -> Value {
    job(&task(), settings).unwrap()
}

#[track_caller]
fn check(job: &Value, pointer: &str, expected: Value) {
    assert_eq!(job.pointer(pointer), Some(&expected), "{pointer} of {job:#}");
}

#[test]
fn a_job_is_tried_once_in_its_time_with_no_rights_and_no_token() {
    let job = made(&settings());
    check(&job, "/metadata/name", json!("web-build-0123456789"));
    check(&job, "/metadata/annotations/towpath.dev~1run", json!("build-web-5f8f0e1-0123456789"));
    check(&job, "/metadata/labels/towpath.dev~1task-of", json!("build-web-5f8f0e1-0123456789"));
    check(&job, "/metadata/labels/towpath.dev~1source", json!("web"));
    check(&job, "/metadata/annotations/towpath.dev~1why", json!("a merge, by Ann"));
    check(&job, "/spec/backoffLimit", json!(0));
    check(&job, "/spec/activeDeadlineSeconds", json!(1800));
    check(&job, "/spec/ttlSecondsAfterFinished", json!(86400));
    let pod = "/spec/template/spec";
    check(&job, &format!("{pod}/restartPolicy"), json!("Never"));
    check(&job, &format!("{pod}/automountServiceAccountToken"), json!(false));
    check(&job, &format!("{pod}/securityContext/seccompProfile/type"), json!("RuntimeDefault"));
    for container in ["containers/0", "initContainers/0"] {
        let rights = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true});
        check(&job, &format!("{pod}/{container}/securityContext"), rights);
        check(&job, &format!("{pod}/{container}/resources/limits"), json!({"memory": "64Mi"}));
        check(&job, &format!("{pod}/{container}/image"), json!("quay.io/builders/go:1"));
    }
    check(&job, &format!("{pod}/containers/0/command"), json!(["sh", "-c", "make it's"]));
    check(&job, &format!("{pod}/containers/0/workingDir"), json!("/workspace/source"));
    assert_eq!(job, made(&settings()), "the same task makes the same Job");
}

#[test]
fn builders_of_images_can_be_given_more_and_the_checkout_never_is() {
    let security = PodSecurity { capabilities: vec!["SETUID".into(), "SYS_ADMIN".into()], read_only_root: false, ..PodSecurity::default() };
    let job = made(&JobSettings { security, ..settings() });
    let rights = |container: &str| job.pointer(&format!("/spec/template/spec/{container}/0/securityContext")).unwrap().clone();
    let given = json!({"allowPrivilegeEscalation": true, "capabilities": {"drop": ["ALL"], "add": ["SETUID", "SYS_ADMIN"]}, "readOnlyRootFilesystem": false});
    assert_eq!(rights("containers"), given);
    assert_eq!(rights("initContainers")["allowPrivilegeEscalation"], false);
    assert_eq!(rights("initContainers")["capabilities"], json!({"drop": ["ALL"]}));

    let security = PodSecurity { privileged: true, ..PodSecurity::default() };
    let job = made(&JobSettings { security, ..settings() });
    check(&job, "/spec/template/spec/containers/0/securityContext", json!({"privileged": true, "readOnlyRootFilesystem": true}));
    check(&job, "/spec/template/spec/securityContext", json!({}));
}

#[test]
fn secrets_are_named_and_mounted_where_they_are_needed_only() {
    let settings =
        JobSettings { git_secret: Some("git".into()), push_secret: Some("push".into()), pull_secret: Some("pull".into()), ..settings() };
    let job = made(&settings);
    let mounts = |container: &str| job.pointer(&format!("/spec/template/spec/{container}/0/volumeMounts")).unwrap().to_string();
    assert!(mounts("initContainers").contains("git-secret") && !mounts("initContainers").contains("registries"));
    assert!(mounts("containers").contains("registries") && !mounts("containers").contains("git-secret"));
    check(&job, "/spec/template/spec/imagePullSecrets", json!([{"name": "pull"}]));
    assert!(job.to_string().contains(r#"{"name":"REGISTRY_AUTH_FILE","value":"/var/run/towpath/registries/config.json"}"#), "{job:#}");
}

#[test]
fn what_differs_from_task_to_task_is_never_read_as_a_command() {
    let mut evil = task();
    let url = "https://git.example.com/$(touch${IFS}x);'\"";
    evil.checkout.as_mut().unwrap().url = RepoUrl::new(url).unwrap();
    let (one, other) = (job(&task(), &settings()).unwrap(), job(&evil, &settings()).unwrap());
    let command = |job: &Value| job.pointer("/spec/template/spec/initContainers/0/command").unwrap().clone();
    assert_eq!(command(&one), command(&other));
    assert!(other.pointer("/spec/template/spec/initContainers/0/env").unwrap().to_string().contains("touch"));
}

#[test]
fn a_secret_in_the_address_is_refused_before_anything_is_made() {
    let mut task = task();
    task.checkout.as_mut().unwrap().url = RepoUrl::new("https://ann:hunter2@git.example.com/web").unwrap();
    let refused = job(&task, &settings()).unwrap_err();
    assert_eq!(refused.reason, TaskReason::Refused);
    assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
}

#[test]
fn a_task_without_an_image_gets_the_executors_and_the_checkout_its_own_one() {
    let named = |text: &str| Some(text.parse().unwrap());
    let task = Task { image: None, ..task() };
    let refused = job(&task, &settings()).unwrap_err();
    assert!(refused.reason == TaskReason::Refused && refused.message.contains("`build.image`"), "{refused}");
    let job = job(&task, &JobSettings { image: named("quay.io/a/usual:1"), git_image: named("quay.io/a/git:2"), ..settings() }).unwrap();
    check(&job, "/spec/template/spec/containers/0/image", json!("quay.io/a/usual:1"));
    check(&job, "/spec/template/spec/initContainers/0/image", json!("quay.io/a/git:2"));
}

#[test]
fn a_dollar_reaches_the_command_as_it_is_written() {
    let mut task = task();
    task.command = ["sh", "-c", "echo $$ $(TOWPATH_IMAGE)"].map(str::to_owned).to_vec();
    task.env.insert("PRICE".to_owned(), "$(HOME)".to_owned());
    let job = job(&task, &settings()).unwrap();
    check(&job, "/spec/template/spec/containers/0/command", json!(["sh", "-c", "echo $$$$ $$(TOWPATH_IMAGE)"]));
    check(&job, "/spec/template/spec/containers/0/env/0", json!({"name": "PRICE", "value": "$$(HOME)"}));
}
