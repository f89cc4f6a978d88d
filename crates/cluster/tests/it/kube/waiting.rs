//! Waiting for what really runs: a node is needed.

use std::time::Duration;

use serde_json::{Value, json};
use towpath_cluster::{Cluster, Reason, WaitFailure};
use towpath_domain::FailureClass;

use super::given::{Given, Heard, PATIENCE, PAUSE, deployment, job, owner};

/// A container that serves until it is ended.
fn serves(port: u16) -> Value {
    json!({"image": PAUSE, "args": ["serve", port.to_string(), "ok"]})
}

#[track_caller]
fn check(failure: &WaitFailure, reason: &Reason, class: FailureClass, words: &[&str]) {
    assert_eq!((&failure.reason, failure.class), (reason, class), "{failure:#?}");
    for word in words {
        assert!(failure.message.contains(word), "{word}: {failure:#?}");
    }
}

#[tokio::test]
async fn a_rollout_is_waited_for_to_its_end_and_a_new_revision_anew() {
    let Some(given) = Given::node() else { return };
    let (owner, heard) = (owner("web", "run-1"), Heard::default());
    let objects = [deployment("web", serves(8080))];
    given.apply(&owner, &objects).await.unwrap();
    given.wait(&owner, &objects, PATIENCE, &heard).await.unwrap();
    let running = given.cluster.running(&given.namespace, &owner.target).await.unwrap();
    assert_eq!((running.len(), running[0].image.as_str()), (1, PAUSE), "{running:?}");

    // The old pods are well: what counts is the new revision, which is not.
    let broken = [deployment("web", json!({"image": PAUSE, "args": ["fail"]}))];
    given.apply(&owner, &broken).await.unwrap();
    let failure = given.wait(&owner, &broken, PATIENCE, &heard).await.unwrap_err();
    check(&failure, &Reason::CrashLoop, FailureClass::Own, &["container main", "its log tells why"]);
    assert!(!failure.events.is_empty(), "{failure:#?}");
}

#[tokio::test]
async fn an_image_that_is_not_there_fails_fast() {
    let Some(given) = Given::node() else { return };
    let failure = given.fails(&[deployment("web", json!({"image": "127.0.0.1:1/none:1"}))]).await;
    assert!(matches!(failure.reason, Reason::ImageUnavailable | Reason::ImageMissing), "{failure:#?}");
    assert!(failure.message.contains("127.0.0.1:1/none:1"), "{failure:#?}");
    let failure = given.fails(&[job("smoke", json!({"image": "Not An Image"}))]).await;
    check(&failure, &Reason::ImageMissing, FailureClass::Environment, &["inconclusive: ", "is no image's name"]);
}

#[tokio::test]
async fn what_a_pod_needs_and_is_not_there_fails_fast() {
    let Some(given) = Given::node() else { return };
    let mut container = serves(8080);
    container["envFrom"] = json!([{"configMapRef": {"name": "missing"}}]);
    let failure = given.fails(&[deployment("web", container)]).await;
    check(&failure, &Reason::ConfigMissing, FailureClass::Own, &["missing"]);
}

#[tokio::test]
async fn a_probe_that_fails_is_told() {
    let Some(given) = Given::node() else { return };
    let mut container = serves(8080);
    container["readinessProbe"] = json!({"tcpSocket": {"port": 9}, "periodSeconds": 1});
    let failure = given.fails(&[deployment("web", container)]).await;
    check(&failure, &Reason::ProbeFailing, FailureClass::Own, &["its probe failed", "Readiness"]);
}

#[tokio::test]
async fn a_quota_without_room_is_told_at_once() {
    let Some(given) = Given::node() else { return };
    given.kube.apply(&format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: none, namespace: {}}}\nspec: {{hard: {{pods: \"0\"}}}}\n",
        given.namespace
    ));
    let failure = given.fails(&[deployment("web", serves(8080))]).await;
    check(&failure, &Reason::QuotaExceeded, FailureClass::Environment, &["exceeded quota"]);
    let failure = given.fails(&[job("smoke", json!({"image": PAUSE, "args": ["echo", "hello"]}))]).await;
    check(&failure, &Reason::QuotaExceeded, FailureClass::Environment, &["inconclusive: ", "exceeded quota"]);
}

#[tokio::test]
async fn a_pod_that_no_node_takes_is_told_when_time_is_up() {
    let Some(given) = Given::node() else { return };
    let mut object = deployment("web", serves(8080));
    object["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "golden"});
    let owner = owner("web", "run-1");
    given.apply(&owner, std::slice::from_ref(&object)).await.unwrap();
    let failure = given.wait(&owner, &[object], Duration::from_secs(5), &Heard::default()).await.unwrap_err();
    check(&failure, &Reason::Unschedulable, FailureClass::Environment, &["not ready within 5 s", "no node takes it"]);
}

#[tokio::test]
async fn a_jobs_lines_are_told_also_when_it_is_over_at_once() {
    let Some(given) = Given::node() else { return };
    let objects = [job("smoke", json!({"image": PAUSE, "args": ["echo", "all is well"]}))];
    let (owner, heard) = (owner("smoke", "run-1"), Heard::default());
    given.apply(&owner, &objects).await.unwrap();
    given.wait(&owner, &objects, PATIENCE, &heard).await.unwrap();
    assert_eq!(heard.texts(), ["all is well"]);
    // A worker that takes the wait over finds the job ended, and tells nothing twice.
    let later = Heard { told: 1, ..Heard::default() };
    given.apply(&owner, &objects).await.unwrap();
    given.wait(&owner, &objects, PATIENCE, &later).await.unwrap();
    assert!(later.texts().is_empty(), "{:?}", later.texts());
}

#[tokio::test]
async fn a_job_that_fails_tells_its_exit_code_and_last_lines() {
    let Some(given) = Given::node() else { return };
    let failure = given.fails(&[job("smoke", json!({"image": PAUSE, "args": ["fail"]}))]).await;
    assert!(matches!(failure.reason, Reason::JobFailed { exit: Some(code) } if code != 0), "{failure:#?}");
    check(&failure, &failure.reason, FailureClass::Own, &["exit code"]);
}

#[tokio::test]
async fn what_is_deleted_or_deployed_anew_while_it_is_waited_for_is_superseded() {
    let Some(given) = Given::node() else { return };
    let mut object = deployment("web", serves(8080));
    object["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "golden"});
    let first = owner("web", "run-1");
    given.apply(&first, std::slice::from_ref(&object)).await.unwrap();
    let heard = Heard::default();
    let objects = [object];
    let waiting = given.wait(&first, &objects, PATIENCE, &heard);
    let deleting = async {
        while heard.progress.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        given.kube.kubectl(&["delete", "deployment", "web", "-n", given.namespace.as_str()]);
    };
    let (failure, ()) = tokio::join!(waiting, deleting);
    check(&failure.unwrap_err(), &Reason::Superseded, FailureClass::Unknown, &["no longer there"]);
}
