//! Deployments: rolled out, held back, refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use towpath_cluster::{Cluster, Reason};
use towpath_domain::{FailureClass, RunId};

use crate::support::{Machine, PATIENCE, container, get, is_running, namespace, until, web};

const WEB: &[&str] = &["Deployment.apps/web", "Service/web"];

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_serves_under_its_service_and_tells_its_digests() {
    let machine = Machine::start();
    machine.apply("run-1", web("v1", |_| {})).await.unwrap();
    let ready = machine.wait("run-1", WEB).await.unwrap();
    assert_eq!(ready.digests.keys().collect::<Vec<_>>(), ["registry.test/shop/web:v1"]);
    assert_eq!(get(&machine.address("web").await), Ok("v1".into()));
    let status = machine.status("Deployment.apps/web").await;
    assert!(status.ready && status.pods.len() == 2 && status.pods.iter().all(|pod| pod.ready && pod.pids.len() == 1));
    assert_eq!(status.owner.run.as_str(), "run-1");
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_loses_no_request_and_ends_with_the_new_version_alone() {
    let machine = Machine::start();
    machine.apply("run-1", web("v1", |_| {})).await.unwrap();
    machine.wait("run-1", WEB).await.unwrap();
    let address = machine.address("web").await;
    let old: Vec<u32> = machine.status("Deployment.apps/web").await.pods.iter().flat_map(|pod| pod.pids.clone()).collect();

    let over = Arc::new(AtomicBool::new(false));
    let hammers: Vec<_> = (0..4)
        .map(|_| {
            let (over, address) = (over.clone(), address.clone());
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    seen.push(get(&address));
                }
                seen
            })
        })
        .collect();
    machine.apply("run-2", web("v2", |_| {})).await.unwrap();
    machine.wait("run-2", WEB).await.unwrap();
    assert_eq!(get(&address), Ok("v2".into()), "success means that the service has been switched");
    until("the old pods are gone", async || old.iter().all(|pid| !is_running(*pid))).await;
    over.store(true, Ordering::Relaxed);
    let seen: Vec<_> = hammers.into_iter().flat_map(|hammer| hammer.join().unwrap()).collect();
    let bad: Vec<_> = seen.iter().filter(|answer| answer.is_err()).collect();
    assert!(bad.is_empty(), "{} of {} requests failed: {:?}", bad.len(), seen.len(), &bad[..bad.len().min(5)]);
    let versions: BTreeSet<_> = seen.into_iter().flatten().collect();
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), ["v1", "v2"]);
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_never_becomes_ready_leaves_the_old_one_serving() {
    let machine = Machine::start();
    machine.apply("run-1", web("v1", |_| {})).await.unwrap();
    machine.wait("run-1", WEB).await.unwrap();
    let address = machine.address("web").await;
    let sick =
        web("v2", |deployment| container(deployment)["env"].as_array_mut().unwrap().push(json!({"name": "UNHEALTHY", "value": "1"})));
    machine.apply("run-2", sick).await.unwrap();
    let failure = machine.wait_for("run-2", WEB, Duration::from_millis(1500)).await.unwrap_err();
    assert_eq!((failure.reason.clone(), failure.class), (Reason::ProbeFailing, FailureClass::Own), "{failure:?}");
    assert!(failure.message.contains("GET /healthz on port http: status 503"), "{}", failure.message);
    assert_eq!(failure.log_tail, ["serving v2"]);
    assert_eq!(get(&address), Ok("v1".into()));

    // Back to the old version: its pods never went away, so that it is well at once.
    let before: Vec<_> = machine.status("Deployment.apps/web").await.pods;
    machine.apply("run-3", web("v1", |_| {})).await.unwrap();
    machine.wait("run-3", WEB).await.unwrap();
    let after = machine.status("Deployment.apps/web").await;
    let v1 = after.revision.unwrap();
    let pids = |pods: &[towpath_cluster::PodStatus]| {
        pods.iter().filter(|pod| pod.revision == v1).flat_map(|pod| pod.pids.clone()).collect::<Vec<_>>()
    };
    assert_eq!(pids(&before), pids(&after.pods));
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_become_well_is_told_in_under_a_second() {
    for (change, reason, says) in [
        (json!({"command": ["no-such-command"]}), Reason::CommandMissing, "no-such-command"),
        (json!({"command": ["sh", "-c", "echo broken; exit 7"]}), Reason::CrashLoop, "exit code 7"),
        (json!({"image": "registry.test/shop/web:missing"}), Reason::ImageMissing, "web:missing"),
        (json!({"envFrom": [{"secretRef": {"name": "nowhere"}}]}), Reason::ConfigMissing, "nowhere"),
    ] {
        // The quickest of three: the machine may have other things to do.
        let mut quickest = PATIENCE;
        for _ in 0..3 {
            let machine = Machine::start();
            let broken = web("v1", |deployment| {
                for (name, value) in change.as_object().unwrap() {
                    container(deployment)[name] = value.clone();
                }
            });
            let begun = Instant::now();
            machine.apply("run-1", broken).await.unwrap();
            let failure = machine.wait("run-1", &WEB[..1]).await.unwrap_err();
            quickest = quickest.min(begun.elapsed());
            assert_eq!((&failure.reason, failure.class), (&reason, FailureClass::Own));
            assert!(failure.message.contains(says), "{}", failure.message);
            if reason == Reason::CrashLoop {
                assert_eq!(failure.log_tail, ["broken", "broken", "broken"]);
            }
            machine.end().await;
            if quickest < Duration::from_secs(1) {
                break;
            }
        }
        assert!(quickest < Duration::from_secs(1), "{reason:?} took {quickest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_gives_failed_pods_a_fresh_start() {
    let machine = Machine::start();
    let flag = machine.dir.path().join("mended");
    let script = format!("test -e {} && exec server; exit 1", flag.display());
    let objects = web("v1", |deployment| container(deployment)["command"] = json!(["sh", "-c", script]));
    machine.apply("run-1", objects.clone()).await.unwrap();
    assert_eq!(machine.wait("run-1", WEB).await.unwrap_err().reason, Reason::CrashLoop);
    std::fs::write(&flag, "").unwrap();
    machine.apply("run-2", objects).await.unwrap();
    machine.wait("run-2", WEB).await.unwrap();
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_needs_too_much_memory_is_told_apart_from_one_that_crashes() {
    let machine = Machine::start();
    let hungry = web("v1", |deployment| {
        container(deployment)["env"].as_array_mut().unwrap().push(json!({"name": "EAT_MB", "value": "200"}));
        container(deployment)["resources"] = json!({"limits": {"memory": "32Mi"}});
    });
    machine.apply("run-1", hungry).await.unwrap();
    match machine.wait("run-1", &WEB[..1]).await {
        Err(failure) => assert_eq!(failure.reason, Reason::OutOfMemory, "{failure:?}"),
        // Where no control groups may be made, nothing is enforced, and that is told.
        Ok(ready) => assert!(ready.notes.iter().any(|note| note.contains("limits are not enforced")), "{ready:?}"),
    }
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_liveness_probe_that_fails_starts_the_container_again() {
    let machine = Machine::start();
    let objects = web("v1", |deployment| {
        deployment["spec"]["replicas"] = json!(1);
        container(deployment)["livenessProbe"] =
            json!({"exec": {"command": ["sh", "-c", "test ! -e \"$HOME/ill\""]}, "periodSeconds": 1, "failureThreshold": 1});
        container(deployment)["command"] = json!(["sh", "-c", "rm -f \"$HOME/ill\"; exec server"]);
    });
    machine.apply("run-1", objects).await.unwrap();
    machine.wait("run-1", WEB).await.unwrap();
    let pod = machine.status("Deployment.apps/web").await.pods.remove(0);
    let scratch = machine.dir.path().join("cluster/pods/shop").join(&pod.name).join("scratch/web/ill");
    std::fs::write(scratch, "").unwrap();
    until("the container was started again and is ready", async || {
        let pod = machine.status("Deployment.apps/web").await.pods.remove(0);
        pod.restarts == 1 && pod.ready
    })
    .await;
    assert!(!is_running(pod.pids[0]));
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_tag_is_a_new_revision_for_the_next_run() {
    let machine = Machine::start();
    machine.apply("run-1", web("v1", |_| {})).await.unwrap();
    let first = machine.wait("run-1", WEB).await.unwrap();
    machine.images.moved.lock().unwrap().insert("v1".into(), towpath_domain::Digest::from_bytes([7; 32]));
    machine.apply("run-2", web("v1", |_| {})).await.unwrap();
    let second = machine.wait("run-2", WEB).await.unwrap();
    assert_ne!(first.digests, second.digests);
    assert_eq!(second.digests.values().next(), Some(&towpath_domain::Digest::from_bytes([7; 32])));
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_at_its_deadline_and_when_another_run_takes_over() {
    let machine = Machine::start();
    let slow = || web("v1", |deployment| container(deployment)["command"] = json!(["sleep", "1000"]));
    machine.apply("run-1", slow()).await.unwrap();
    let waiting = machine.wait_for("run-1", WEB, PATIENCE);
    let taking_over = async {
        until("pods run", async || machine.status("Deployment.apps/web").await.pods.iter().any(|pod| !pod.pids.is_empty())).await;
        machine.apply("run-2", slow()).await.unwrap();
    };
    let (waited, ()) = tokio::join!(waiting, taking_over);
    assert_eq!(waited.unwrap_err().reason, Reason::Superseded);
    let failure = machine.wait_for("run-2", WEB, Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(failure.reason, Reason::ProbeFailing);
    assert!(failure.message.contains("must listen on $PORT"), "{}", failure.message);
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_readiness_probe_a_program_that_ends_at_once_is_still_no_success() {
    let machine = Machine::start();
    let broken = web("v1", |deployment| {
        container(deployment).as_object_mut().unwrap().remove("readinessProbe");
        container(deployment)["command"] = json!(["false"]);
    });
    machine.apply("run-1", broken).await.unwrap();
    assert_eq!(machine.wait("run-1", WEB).await.unwrap_err().reason, Reason::CrashLoop);
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_while_waiting_and_as_events() {
    let machine = Machine::start();
    machine.apply("run-1", web("v1", |_| {})).await.unwrap();
    let told = std::sync::Mutex::new(Vec::new());
    let keys = ["Deployment.apps/web".parse().unwrap()];
    let progress = |progress: towpath_cluster::Progress| told.lock().unwrap().push(progress.message);
    machine.cluster.wait(&namespace(), &keys, &RunId::new("run-1").unwrap(), PATIENCE, &progress).await.unwrap();
    let told = told.into_inner().unwrap();
    assert_eq!(told.last().map(String::as_str), Some("ready"), "{told:?}");

    let events = machine.cluster.events(&namespace(), 0).await;
    let of_web: Vec<_> = events.iter().filter(|event| event.object == keys[0]).map(|event| event.message.as_str()).collect();
    assert_eq!((of_web[0], of_web[of_web.len() - 1]), ("created by web-title, run run-1", "ready"));
    assert!(of_web.iter().any(|message| message.contains("of 2 pods of revision")), "{of_web:?}");
    let last = events[events.len() - 1].number;
    assert!(machine.cluster.events(&namespace(), last).await.is_empty());
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_leads_to_all_pods_in_turn_and_scaling_down_ends_the_rest() {
    let machine = Machine::start();
    let objects = |replicas: u32| {
        web("v1", |deployment| {
            deployment["spec"]["replicas"] = json!(replicas);
            container(deployment)["command"] = json!(["sh", "-c", "VERSION=$POD_NAME exec server"]);
        })
    };
    machine.apply("run-1", objects(3)).await.unwrap();
    machine.wait("run-1", WEB).await.unwrap();
    let address = machine.address("web").await;
    let answers = |times: usize| (0..times).map(|_| get(&address).unwrap()).collect::<BTreeSet<_>>();
    assert_eq!(answers(3).len(), 3);
    machine.apply("run-2", objects(1)).await.unwrap();
    machine.wait("run-2", WEB).await.unwrap();
    until("one pod is left", async || machine.status("Deployment.apps/web").await.pods.len() == 1).await;
    assert_eq!(answers(3).len(), 1);
    machine.end().await;
}
