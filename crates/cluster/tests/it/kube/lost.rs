//! Pods that end for reasons that are not theirs. The test plays kubelet and controllers through an API server.

use std::time::Duration;

use serde_json::{Value, json};
use towpath_cluster::{Cluster, Reason, WaitFailure};
use towpath_domain::FailureClass;

use super::given::{Given, Heard, PATIENCE, deployment, job, owner};

/// A pod of the job, as its controller would make it.
fn pod_of(given: &Given, name: &str, uid: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: {}\n  ownerReferences: [{{apiVersion: batch/v1, kind: Job, name: smoke, uid: {uid}, controller: true}}]\n\
         spec: {{restartPolicy: Never, containers: [{{name: main, image: \"a/b:1\"}}]}}\n",
        given.namespace
    )
}

/// Waits for a job with one attempt, which ends as `end` plays it.
async fn ends(given: &Given, end: impl FnOnce(&Given)) -> WaitFailure {
    let (owner, heard) = (owner("smoke", "run-1"), Heard::default());
    let objects = [job("smoke", json!({"image": "a/b:1"}))];
    given.apply(&owner, &objects).await.unwrap();
    let uid = given.get(&["job", "smoke"])["metadata"]["uid"].as_str().unwrap().to_owned();
    given.kube.apply(&pod_of(given, "smoke-1", &uid));
    let waiting = given.wait(&owner, &objects, PATIENCE, &heard);
    let playing = async {
        while heard.progress.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        end(given);
        let failed = json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]);
        given.report("apis/batch/v1", "jobs", "smoke", &json!({"failed": 1, "conditions": failed}));
    };
    let (ended, ()) = tokio::join!(waiting, playing);
    *ended.expect_err("it is not passed")
}

#[track_caller]
fn is_inconclusive(failure: &WaitFailure, words: &[&str]) {
    assert_eq!((&failure.reason, failure.class), (&Reason::PodLost, FailureClass::Environment), "{failure:#?}");
    for word in ["inconclusive: "].iter().chain(words) {
        assert!(failure.message.contains(word), "{word}: {failure:#?}");
    }
}

#[tokio::test]
async fn a_test_whose_pod_was_evicted_is_inconclusive() {
    let Some(given) = Given::api() else { return };
    let failure = ends(&given, |given| {
        let status = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
        given.report("api/v1", "pods", "smoke-1", &status);
    })
    .await;
    is_inconclusive(&failure, &["Evicted: The node was low on resource: memory."]);
}

#[tokio::test]
async fn a_test_whose_pod_the_node_did_not_admit_is_inconclusive() {
    let Some(given) = Given::api() else { return };
    let failure = ends(&given, |given| {
        given.report(
            "api/v1",
            "pods",
            "smoke-1",
            &json!({"phase": "Failed", "reason": "OutOfcpu", "message": "Pod Node didn't have enough resource: cpu"}),
        );
    })
    .await;
    is_inconclusive(&failure, &["OutOfcpu"]);
}

#[tokio::test]
async fn a_test_whose_pod_was_deleted_with_its_node_is_inconclusive() {
    let Some(given) = Given::api() else { return };
    let failure = ends(&given, |given| {
        given.report("api/v1", "pods", "smoke-1", &json!({"phase": "Running", "containerStatuses": [
            {"name": "main", "image": "a/b:1", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}));
        given.kube.kubectl(&["delete", "pod", "smoke-1", "--grace-period=0", "--force", "-n", given.namespace.as_str()]);
    })
    .await;
    is_inconclusive(&failure, &["was deleted before it came to an end"]);
}

#[tokio::test]
async fn a_test_that_failed_by_itself_is_not_excused_by_an_attempt_that_was_lost() {
    let Some(given) = Given::api() else { return };
    let failure = ends(&given, |given| {
        given.report("api/v1", "pods", "smoke-1", &json!({"phase": "Failed", "reason": "Evicted", "message": "disk"}));
        let uid = given.get(&["job", "smoke"])["metadata"]["uid"].as_str().unwrap().to_owned();
        // Times of creation are whole seconds.
        std::thread::sleep(Duration::from_millis(1100));
        given.kube.apply(&pod_of(given, "smoke-2", &uid));
        given.report("api/v1", "pods", "smoke-2", &json!({"phase": "Failed", "containerStatuses": [
            {"name": "main", "image": "a/b:1", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 3, "finishedAt": "2026-01-01T00:00:00Z"}}}]}));
    })
    .await;
    assert_eq!((&failure.reason, failure.class), (&Reason::JobFailed { exit: Some(3) }, FailureClass::Own), "{failure:#?}");
}

#[tokio::test]
async fn a_test_that_never_began_is_inconclusive_when_time_is_up() {
    let Some(given) = Given::api() else { return };
    let mut object = job("smoke", json!({"image": "a/b:1"}));
    object["spec"]["backoffLimit"] = json!(1);
    let (owner, objects) = (owner("smoke", "run-1"), [object]);
    given.apply(&owner, &objects).await.unwrap();
    let failure = given.wait(&owner, &objects, Duration::from_secs(3), &Heard::default()).await.unwrap_err();
    assert_eq!((&failure.reason, failure.class), (&Reason::DeadlineExceeded, FailureClass::Environment), "{failure:#?}");
    assert!(failure.message.contains("inconclusive: not ready within 3 s"), "{failure:#?}");
}

#[tokio::test]
async fn the_pods_of_a_real_cluster_are_listed_with_their_objects() {
    let Some(given) = Given::api() else { return };
    let owner = owner("web", "run-1");
    given.apply(&owner, &[deployment("web", json!({"image": "a/b:1"}))]).await.unwrap();
    let uid = |kind: &str, name: &str| given.get(&[kind, name])["metadata"]["uid"].as_str().unwrap().to_owned();
    let below =
        |kind: &str, name: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}]);
    let make = |object: Value| given.kube.apply(&object.to_string());
    let meta = |name: &str, owners: Value| json!({"name": name, "namespace": given.namespace.as_str(), "labels": {"app": "web", "pod-template-hash": "abc"}, "ownerReferences": owners});
    let spec = json!({"containers": [{"name": "main", "image": "a/b:1"}]});
    make(
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta("web-abc", below("Deployment", "web", &uid("deployment", "web"))),
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec}}}),
    );
    make(
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta("web-abc-1", below("ReplicaSet", "web-abc", &uid("replicaset", "web-abc"))), "spec": spec}),
    );
    given.report("api/v1", "pods", "web-abc-1", &json!({"phase": "Running", "startTime": "2026-01-01T00:00:00Z",
        "conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [{"name": "main", "image": "a/b:1", "imageID": "", "ready": false,
        "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}}]}));
    let listed = given.cluster.list(Some(&given.namespace)).await.unwrap();
    let pod = &listed[0].pods[0];
    assert_eq!(
        (pod.name.as_str(), pod.phase.as_str(), pod.ready, pod.restarts, pod.revision.as_str()),
        ("web-abc-1", "starting", false, 3, "abc")
    );
    assert!(pod.since.is_some() && pod.message.contains("it ended 3 times, last with exit code 1"), "{pod:?}");
}
