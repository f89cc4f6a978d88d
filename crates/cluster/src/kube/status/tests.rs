use serde_json::{Value, json};

use super::*;

/// A word for a status: `current`, `waits`, or the reason.
fn word(object: &Value) -> String {
    match status(object) {
        Status::Current => "current".to_owned(),
        Status::InProgress(_) => "waits".to_owned(),
        Status::Failed { reason, .. } => format!("{reason:?}"),
    }
}

#[track_caller]
fn check(version: &str, kind: &str, rest: Value, expected: &str) {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x", "generation": 2}});
    for (name, value) in rest.as_object().unwrap() {
        object[name] = value.clone();
    }
    assert_eq!(word(&object), expected, "{object:#}");
}

#[test]
fn a_deployment_is_current_only_when_the_new_revision_is_all_there_is() {
    let done = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2});
    let with = |field: &str, value: Value| {
        let mut status = done.clone();
        status[field] = value;
        json!({"spec": {"replicas": 2}, "status": status})
    };
    let failed = |kind: &str, reason: &str, message: &str| {
        with(
            "conditions",
            json!([{"type": kind, "status": if kind == "Progressing" { "False" } else { "True" }, "reason": reason, "message": message}]),
        )
    };
    for (rest, expected) in [
        (json!({"spec": {"replicas": 2}, "status": done}), "current"),
        (json!({"spec": {"replicas": 2}}), "waits"),
        (with("observedGeneration", json!(1)), "waits"),
        (with("updatedReplicas", json!(1)), "waits"),
        (with("replicas", json!(3)), "waits"),
        (with("availableReplicas", json!(1)), "waits"),
        (json!({"spec": {"replicas": 0}, "status": {"observedGeneration": 2}}), "current"),
        (failed("Progressing", "ProgressDeadlineExceeded", "no"), "DeadlineExceeded"),
        (failed("ReplicaFailure", "FailedCreate", "pods \"x\" is forbidden: exceeded quota: q"), "QuotaExceeded"),
        (failed("ReplicaFailure", "FailedCreate", "admission webhook denied the request"), "PodRejected"),
    ] {
        check("apps/v1", "Deployment", rest, expected);
    }
}

#[test]
fn sets_count_their_updated_pods() {
    let set = |updated: i64, revision: &str| {
        json!({"spec": {"replicas": 2}, "status": {"observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "updatedReplicas": updated,
            "currentRevision": "a", "updateRevision": revision}})
    };
    check("apps/v1", "StatefulSet", set(2, "a"), "current");
    check("apps/v1", "StatefulSet", set(1, "b"), "waits");
    check(
        "apps/v1",
        "StatefulSet",
        json!({"spec": {"replicas": 2}, "status": {"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 2}}),
        "waits",
    );
    let daemon = |updated: i64, available: i64| json!({"status": {"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": updated, "numberAvailable": available}});
    check("apps/v1", "DaemonSet", daemon(2, 2), "current");
    check("apps/v1", "DaemonSet", daemon(1, 2), "waits");
    check("apps/v1", "DaemonSet", daemon(2, 1), "waits");
    check(
        "apps/v1",
        "ReplicaSet",
        json!({"spec": {"replicas": 1}, "status": {"observedGeneration": 2, "availableReplicas": 1}}),
        "current",
    );
}

#[test]
fn a_job_is_current_when_it_came_to_a_good_end() {
    let ended = |kind: &str, reason: &str| json!({"status": {"conditions": [{"type": kind, "status": "True", "reason": reason}]}});
    check("batch/v1", "Job", ended("Complete", ""), "current");
    check("batch/v1", "Job", ended("Failed", "BackoffLimitExceeded"), "JobFailed { exit: None }");
    check("batch/v1", "Job", ended("Failed", "DeadlineExceeded"), "DeadlineExceeded");
    check("batch/v1", "Job", json!({"status": {"active": 1}}), "waits");
    // Newer servers say this while pods are still ending.
    check("batch/v1", "Job", ended("SuccessCriteriaMet", ""), "waits");
}

#[test]
fn an_invocation_passes_only_when_all_that_was_asked_ran_and_is_complete() {
    let cji = |spec: Value, completed: bool, map: Value| json!({"spec": spec, "status": {"completed": completed, "jobMap": map}});
    let jobs = json!({"jobs": ["smoke"]});
    for (rest, expected) in [
        (cji(jobs.clone(), true, json!({"app-smoke-x": "Complete"})), "current"),
        (cji(jobs.clone(), true, json!({})), "NothingRan"),
        (cji(jobs.clone(), false, json!({"app-smoke-x": "Failed"})), "JobFailed { exit: None }"),
        (cji(jobs.clone(), true, json!({"app-smoke-x": "Failed"})), "JobFailed { exit: None }"),
        (cji(jobs.clone(), false, json!({"app-smoke-x": "Invoked"})), "waits"),
        (cji(jobs.clone(), true, json!({"app-smoke-x": "Invoked"})), "NothingRan"),
        (cji(json!({"jobs": ["smoke"], "testing": {"iqe": {"imageTag": "a"}}}), true, json!({"app-smoke-x": "Complete"})), "NothingRan"),
        (cji(json!({"jobs": ["smoke"], "disabled": true}), true, json!({})), "NothingRan"),
        (cji(json!({}), true, json!({})), "NothingRan"),
        (json!({"spec": jobs}), "waits"),
    ] {
        check("cloud.redhat.com/v1alpha1", "ClowdJobInvocation", rest, expected);
    }
}

#[test]
fn a_clowdapp_is_current_when_it_is_reconciled_and_its_deployments_are_ready() {
    let app = |generation: i64, good: &str, ready: &str| {
        json!({"status": {"generation": generation, "ready": true, "conditions": [
            {"type": "ReconciliationSuccessful", "status": good}, {"type": "DeploymentsReady", "status": ready}]}})
    };
    check("cloud.redhat.com/v1alpha1", "ClowdApp", app(2, "True", "True"), "current");
    check("cloud.redhat.com/v1alpha1", "ClowdApp", app(1, "True", "True"), "waits");
    check("cloud.redhat.com/v1alpha1", "ClowdApp", app(2, "False", "True"), "waits");
    check("cloud.redhat.com/v1alpha1", "ClowdApp", app(2, "True", "False"), "waits");
    check("cloud.redhat.com/v1alpha1", "ClowdApp", json!({}), "waits");
}

#[test]
fn the_rest_by_its_own_rules() {
    let with = |kind: &str, status: &str| json!({"status": {"observedGeneration": 2, "conditions": [{"type": kind, "status": status}]}});
    for (version, kind, rest, expected) in [
        ("v1", "PersistentVolumeClaim", json!({"status": {"phase": "Bound"}}), "current"),
        ("v1", "PersistentVolumeClaim", json!({"status": {"phase": "Pending"}}), "waits"),
        ("v1", "PersistentVolumeClaim", json!({"status": {"phase": "Lost"}}), "ConditionFailed"),
        ("v1", "Service", json!({"spec": {"type": "ClusterIP"}}), "current"),
        ("v1", "Service", json!({"spec": {"type": "LoadBalancer"}}), "waits"),
        (
            "v1",
            "Service",
            json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}),
            "current",
        ),
        ("v1", "Namespace", json!({"status": {"phase": "Active"}}), "current"),
        ("v1", "Namespace", json!({"status": {"phase": "Terminating"}}), "waits"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", with("Established", "True"), "current"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", with("NamesAccepted", "False"), "ConditionFailed"),
        ("apiregistration.k8s.io/v1", "APIService", with("Available", "False"), "waits"),
        (
            "route.openshift.io/v1",
            "Route",
            json!({"status": {"ingress": [{"conditions": [{"type": "Admitted", "status": "True"}]}]}}),
            "current",
        ),
        (
            "route.openshift.io/v1",
            "Route",
            json!({"status": {"ingress": [{"conditions": [{"type": "Admitted", "status": "False"}]}]}}),
            "ConditionFailed",
        ),
        ("route.openshift.io/v1", "Route", json!({}), "waits"),
        ("batch/v1beta1", "CronJob", json!({}), "current"),
        ("example.com/v1", "Anything", with("Ready", "True"), "current"),
        ("example.com/v1", "Anything", with("Ready", "False"), "waits"),
        ("example.com/v1", "Anything", with("Stalled", "True"), "ConditionFailed"),
        ("example.com/v1", "Anything", json!({"status": {"observedGeneration": 1}}), "waits"),
        ("example.com/v1", "Anything", json!({}), "current"),
    ] {
        check(version, kind, rest, expected);
    }
}

#[test]
fn what_is_below_an_object_counts_only_once_its_controller_has_seen_what_is_wanted() {
    let object = |version: &str, kind: &str, status: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x", "generation": 2}, "status": status});
    for (field, seen) in [(1, false), (2, true)] {
        assert_eq!(is_seen(&object("apps/v1", "StatefulSet", json!({"observedGeneration": field}))), seen);
        assert_eq!(is_seen(&object("cloud.redhat.com/v1alpha1", "ClowdApp", json!({"generation": field}))), seen);
    }
    assert!(is_seen(&object("batch/v1", "Job", json!({}))), "a job never changes");
}
