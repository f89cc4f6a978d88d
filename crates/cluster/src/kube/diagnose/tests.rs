use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use serde_json::json;

use super::*;
use crate::kube::watching::Seen;

/// A pod of the job `smoke`, with `rest` merged into it.
fn pod(name: &str, rest: Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "creationTimestamp": format!("2026-01-01T00:00:0{}Z", &name[name.len() - 1..]),
            "ownerReferences": [{"uid": "uid-smoke"}]},
        "spec": {"containers": [{"name": "main", "resources": {"limits": {"memory": "64Mi"}}}],
            "initContainers": [{"name": "first", "resources": {"limits": {"memory": "8Mi"}}}]},
        "status": {"phase": "Pending"}});
    merge(&mut pod, &rest);
    pod
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn job() -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "smoke", "uid": "uid-smoke"}})
}

fn event(about: &str, reason: &str, message: &str, at: u32) -> Value {
    json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("{about}.{reason}{at}")}, "involvedObject": {"uid": about},
        "reason": reason, "message": message, "lastTimestamp": format!("2026-01-01T00:00:{at:02}Z")})
}

fn kind_of(object: &Value) -> &'static str {
    match text(object, "/kind") {
        "Pod" => "Pod",
        "Event" => "Event",
        "Job" => "Job.batch",
        "PersistentVolumeClaim" => "PersistentVolumeClaim",
        "StatefulSet" => "StatefulSet.apps",
        other => panic!("{other}"),
    }
}

fn seen(objects: &[Value]) -> Seen {
    let mut seen = Seen::default();
    for object in objects {
        seen.take(kind_of(object), Event::Apply(serde_json::from_value::<DynamicObject>(object.clone()).unwrap()));
    }
    seen
}

fn delete(seen: &mut Seen, object: &Value) {
    seen.take(kind_of(object), Event::Delete(serde_json::from_value::<DynamicObject>(object.clone()).unwrap()));
}

fn key() -> ObjectKey {
    "Job.batch/smoke".parse().unwrap()
}

/// The first finding of a job whose pod is like this.
#[track_caller]
fn found(rest: Value, events: &[Value]) -> Option<Finding> {
    let mut objects = vec![job(), pod("pod-1", rest)];
    objects.extend_from_slice(events);
    let seen = seen(&objects);
    findings(&View::new(&seen), &key()).into_iter().next()
}

#[track_caller]
fn check(rest: Value, events: &[Value], reason: &Reason, words: &[&str]) -> Finding {
    let found = found(rest.clone(), events).unwrap_or_else(|| panic!("nothing is found in {rest}"));
    assert_eq!(&found.reason, reason, "{found:#?}");
    for word in words {
        assert!(found.message.contains(word), "{word}: {found:#?}");
    }
    found
}

fn container(list: &str, name: &str, state: Value) -> Value {
    let mut status = json!({"name": name, "image": "quay.io/a/b:1", "ready": false, "restartCount": 0});
    merge(&mut status, &state);
    json!({"status": {list: [status]}})
}

fn waiting(reason: &str, message: &str) -> Value {
    container("containerStatuses", "main", json!({"state": {"waiting": {"reason": reason, "message": message}}}))
}

#[test]
fn pods_that_did_nothing_wrong_are_lost_whoever_says_it() {
    for reason in
        ["Evicted", "OutOfcpu", "OutOfmemory", "UnexpectedAdmissionError", "NodeAffinity", "Preempting", "Shutdown", "TaintToleration"]
    {
        let lost = check(
            json!({"status": {"phase": "Failed", "reason": reason, "message": "The node was low on resource."}}),
            &[],
            &Reason::PodLost,
            &[reason, "low on resource", "no fault of its own"],
        );
        assert_eq!(lost.after, WHEN_TIME_IS_UP, "who wants it makes another");
    }
    let target = json!([{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "preempting"}]);
    check(json!({"status": {"phase": "Failed", "conditions": target}}), &[], &Reason::PodLost, &["PreemptionByScheduler"]);
    check(
        json!({"status": {"phase": "Running", "reason": "NodeLost", "message": "Node n is unresponsive"}}),
        &[],
        &Reason::PodLost,
        &["NodeLost"],
    );
    let stuck = check(
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:09Z", "deletionGracePeriodSeconds": 5}}),
        &[],
        &Reason::PodLost,
        &["does not"],
    );
    assert_eq!(stuck.after, Duration::from_secs(95));
    assert!(found(json!({"status": {"phase": "Failed"}}), &[]).is_none(), "a failure that is its own");
}

#[test]
fn out_of_memory_is_told_of_main_and_init_containers_and_of_the_run_before() {
    let killed = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}});
    let main =
        check(container("containerStatuses", "main", json!({"state": killed})), &[], &Reason::OutOfMemory, &["container main", "64Mi"]);
    assert!(!main.restarted && main.container.as_deref() == Some("main"));
    check(container("initContainerStatuses", "first", json!({"state": killed})), &[], &Reason::OutOfMemory, &["container first", "8Mi"]);
    let again = json!({"state": {"running": {}}, "lastState": killed, "restartCount": 1});
    assert!(check(container("containerStatuses", "main", again.clone()), &[], &Reason::OutOfMemory, &[]).restarted);
    let mut well = again;
    well["ready"] = json!(true);
    assert!(found(container("containerStatuses", "main", well), &[]).is_none(), "it came up again");
}

#[test]
fn what_keeps_a_container_from_starting_is_told_by_its_reason() {
    for (reason, message, expected, words) in [
        ("CreateContainerConfigError", "configmap \"c\" not found", Reason::ConfigMissing, "configmap \"c\" not found"),
        ("InvalidImageName", "", Reason::ImageMissing, "is no image's name"),
        ("ErrImageNeverPull", "Container image is not present with pull policy of Never", Reason::ImageMissing, "pull policy of Never"),
        ("ErrImagePull", "manifest unknown", Reason::ImageMissing, "manifest unknown"),
        ("ImagePullBackOff", "Back-off pulling image", Reason::ImageUnavailable, "could not be had"),
        ("CreateContainerError", "no command specified", Reason::CommandMissing, "no command specified"),
        ("RunContainerError", "exec: no such file", Reason::CommandMissing, "no such file"),
    ] {
        check(waiting(reason, message), &[], &expected, &[words]);
    }
    assert!(found(waiting("ErrImagePull", "connection refused"), &[]).is_none(), "the first try may fail");
    let pulled = event("uid-pod-1", "Failed", "Failed to pull image \"quay.io/a/b:1\": not found", 1);
    let unexplained = seen(&[job(), pod("pod-1", waiting("ImagePullBackOff", "Back-off pulling image"))]);
    assert_eq!(findings(&View::new(&unexplained), &key())[0].after, Duration::from_secs(40), "nobody has said yet what went wrong");
    check(waiting("ImagePullBackOff", "Back-off pulling image"), &[pulled], &Reason::ImageMissing, &["not found"]);
    let start =
        json!({"state": {"terminated": {"reason": "StartError", "exitCode": 128, "message": "exec: \"nope\": not found in $PATH"}}});
    check(container("containerStatuses", "main", start), &[], &Reason::CommandMissing, &["nope"]);
}

#[test]
fn a_crash_loop_counts_from_the_second_end_on_also_of_an_init_container() {
    let ended = |restarts: i64| json!({"restartCount": restarts, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 127, "reason": "Error"}}});
    assert!(found(container("containerStatuses", "main", ended(1)), &[]).is_none());
    let loops = check(container("containerStatuses", "main", ended(2)), &[], &Reason::CrashLoop, &["exit code 127", "was not found"]);
    assert!(loops.restarted);
    check(container("initContainerStatuses", "first", ended(2)), &[], &Reason::CrashLoop, &["container first"]);
}

#[test]
fn volumes_and_networks_that_do_not_come_are_told_and_given_time() {
    let creating = waiting("ContainerCreating", "");
    let missing = event("uid-pod-1", "FailedMount", "MountVolume.SetUp failed for volume \"v\" : secret \"s\" not found", 1);
    let slow = event("uid-pod-1", "FailedMount", "Unable to attach or mount volumes: timed out waiting for the condition", 2);
    let found_missing = check(creating.clone(), &[missing, slow.clone()], &Reason::ConfigMissing, &["secret \"s\" not found"]);
    assert!(found_missing.after > Duration::ZERO);
    check(creating, std::slice::from_ref(&slow), &Reason::Host, &["cannot set it up", "timed out"]);
    let runs = container("containerStatuses", "main", json!({"state": {"running": {}}, "ready": true}));
    assert!(found(runs, &[slow]).is_none(), "it is mounted by now");
}

#[test]
fn pods_that_are_refused_are_told_by_events_until_they_are_made() {
    let refused =
        |message: &str, at: u32| event("uid-smoke", "FailedCreate", &format!("Error creating: pods \"x\" is forbidden: {message}"), at);
    let seen_of = |events: &[Value], with_pod: bool| {
        let mut objects = vec![job()];
        objects.extend_from_slice(events);
        objects.extend(with_pod.then(|| pod("pod-1", json!({"status": {"phase": "Running"}}))));
        seen(&objects)
    };
    for (message, reason, at_once) in [
        ("exceeded quota: q, requested: pods=1", Reason::QuotaExceeded, true),
        ("admission webhook \"policy.example.com\" denied the request: no", Reason::PodRejected, true),
        ("unable to validate against any security context constraint", Reason::PodRejected, true),
        ("error looking up service account: serviceaccount \"a\" not found", Reason::ConfigMissing, false),
        ("Internal error occurred: failed calling webhook \"w\": connection refused", Reason::Unreachable, false),
    ] {
        let seen = seen_of(&[refused(message, 5)], false);
        let found = findings(&View::new(&seen), &key());
        assert_eq!((&found[0].reason, found[0].after.is_zero()), (&reason, at_once), "{found:#?}");
    }
    let beside = seen_of(&[event("uid-smoke", "SuccessfulCreate", "made", 3), refused("exceeded quota", 5)], true);
    assert_eq!(findings(&View::new(&beside), &key())[0].after, Duration::from_secs(60), "there is room when others are gone");
    let over = seen_of(&[refused("exceeded quota", 3), event("uid-smoke", "SuccessfulCreate", "made", 5)], true);
    assert!(findings(&View::new(&over), &key()).is_empty());
}

#[test]
fn a_job_is_judged_by_its_last_attempt_also_when_that_is_gone() {
    let evicted = |name: &str| pod(name, json!({"status": {"phase": "Failed", "reason": "Evicted", "message": "disk"}}));
    let failed = |name: &str| {
        let state = json!({"state": {"terminated": {"exitCode": 3, "finishedAt": "2026-01-01T00:00:20Z"}}});
        let mut failed = pod(name, container("containerStatuses", "main", state));
        failed["status"]["phase"] = json!("Failed");
        failed
    };
    let lost = |objects: &[Value]| last_attempt(&View::new(&seen(objects)), &key(), false).map(|finding| finding.reason);
    assert_eq!(lost(&[job(), evicted("pod-1"), failed("pod-2")]), None, "the second came to an end of its own");
    assert_eq!(lost(&[job(), failed("pod-1"), evicted("pod-2")]), Some(Reason::PodLost));

    // Deleted by somebody, or with its node, while it ran; the container then ends by a signal.
    for (deleted, finished, exit, expected) in [
        ("2026-01-01T00:00:30Z", "2026-01-01T00:00:28Z", 143, Some(Reason::PodLost)),
        ("2026-01-01T00:00:30Z", "2026-01-01T00:00:10Z", 3, None),
        ("2026-01-01T00:00:30Z", "2026-01-01T00:00:25Z", 143, Some(Reason::PodLost)),
        ("2026-01-01T00:00:30Z", "2026-01-01T00:00:25Z", 3, None),
    ] {
        let state = json!({"state": {"terminated": {"exitCode": exit, "finishedAt": finished}}});
        let mut gone = pod("pod-1", container("containerStatuses", "main", state));
        merge(&mut gone, &json!({"metadata": {"deletionTimestamp": deleted, "deletionGracePeriodSeconds": 5}}));
        let mut seen = seen(&[job(), gone.clone()]);
        delete(&mut seen, &gone);
        assert_eq!(last_attempt(&View::new(&seen), &key(), false).map(|finding| finding.reason), expected, "{finished} {exit}");
        assert_eq!(last_attempt(&View::new(&seen), &key(), true), None, "a job that took too long deletes its pods itself");
    }
}

#[test]
fn the_container_that_ended_badly_first_is_at_fault_and_a_helper_is_not() {
    let end = |name: &str, exit: i64, at: u32| json!({"name": name, "state": {"terminated": {"exitCode": exit, "finishedAt": format!("2026-01-01T00:00:{at:02}Z")}}});
    let pod = json!({"spec": {"initContainers": [{"name": "helper", "restartPolicy": "Always"}]}, "status": {
        "initContainerStatuses": [end("helper", 143, 1)], "containerStatuses": [end("second", 137, 9), end("main", 3, 8), end("good", 0, 2)]}});
    let bad = container::bad_end(&pod).unwrap();
    assert_eq!((bad.container, bad.exit), ("main", 3));
}

#[test]
fn a_claim_that_waits_for_its_first_pod_is_as_wanted_until_a_pod_uses_it() {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "uid": "uid-data"}, "status": {"phase": "Pending"}});
    let waits = event("uid-data", "WaitForFirstConsumer", "waiting for first consumer to be created before binding", 1);
    let uses = pod("pod-1", json!({"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}}));
    let waits_with = |objects: &[Value]| waits_for_consumer(&View::new(&seen(objects)), &claim);
    assert!(waits_with(&[claim.clone(), waits.clone()]));
    assert!(!waits_with(std::slice::from_ref(&claim)), "nothing says what it waits for");
    assert!(!waits_with(&[claim.clone(), waits, uses]));
}

#[test]
fn only_pods_of_the_revision_that_is_seen_count() {
    let set = |observed: i64| {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "uid": "uid-smoke", "generation": 2},
            "status": {"observedGeneration": observed, "updateRevision": "b"}})
    };
    let of = |name: &str, hash: &str| pod(name, json!({"metadata": {"labels": {"controller-revision-hash": hash}}}));
    let names = |observed: i64| {
        let seen = seen(&[set(observed), of("pod-1", "a"), of("pod-2", "b")]);
        let pods = pods(&View::new(&seen), &"StatefulSet.apps/db".parse().unwrap());
        pods.iter().map(|pod| text(pod, "/metadata/name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(2), ["pod-2"]);
    assert!(names(1).is_empty(), "its controller has not looked at it yet");
}
