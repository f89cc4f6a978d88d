//! Servers that have no time, fail, or are cut off. An API server is enough: the test plays the controllers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use towpath_cluster::{Change, Cluster, ClusterError, ObjectKey};
use towpath_domain::FailureClass;

use super::given::{Given, Heard, PATIENCE, config, deployment, owner};
use super::proxy::{Answer, Proxy};

fn too_much(seconds: u64) -> Answer {
    // In plain text, as priority and fairness does it.
    let text = "Too many requests, please try again later.";
    Answer::Say(format!("HTTP/1.1 429 Too Many Requests\r\nretry-after: {seconds}\r\ncontent-length: {}\r\n\r\n{text}", text.len()))
}

fn fails(code: u16, message: &str) -> Answer {
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": "InternalError", "code": code})
            .to_string();
    Answer::Say(format!("HTTP/1.1 {code} Failed\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{status}", status.len()))
}

#[tokio::test]
async fn a_server_that_has_no_time_is_left_alone_by_all_for_as_long_as_it_asks() {
    let Some(given) = Given::api() else { return };
    let asked: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let (times, mut refused) = (Arc::clone(&asked), None);
    let proxy = Proxy::of_requests(given.kube, move |line| {
        if line.starts_with("PATCH ") && refused.is_none() {
            refused = Some(Instant::now());
            return too_much(2);
        }
        if refused.is_some() {
            times.lock().unwrap().push(Instant::now());
        }
        Answer::Pass
    });
    let cluster = proxy.cluster();
    let begun = Instant::now();
    let applied = cluster.apply(&given.namespace, &owner("web", "run-1"), &[config("a", "1")]).await.unwrap();
    assert_eq!(applied.objects[0].change, Change::Created);
    assert!(begun.elapsed() >= Duration::from_secs(2));
    assert_eq!(asked.lock().unwrap().len(), 1, "once more, and then it went well");
}

#[tokio::test]
async fn failures_that_pass_are_waited_out_and_one_that_lasts_is_told() {
    let Some(given) = Given::api() else { return };
    let (count, lasts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, lasting) = (Arc::clone(&count), Arc::clone(&lasts));
    let proxy = Proxy::of_requests(given.kube, move |line| {
        if !line.starts_with("PATCH ") {
            return Answer::Pass;
        }
        if lasting.load(Ordering::Relaxed) > 0 {
            return fails(503, "etcdserver: leader changed");
        }
        match counted.fetch_add(1, Ordering::Relaxed) {
            0 => fails(500, "etcdserver: request timed out"),
            1 => Answer::Hang,
            2 => fails(504, "timeout"),
            _ => Answer::Pass,
        }
    });
    let cluster = proxy.cluster();
    cluster.apply(&given.namespace, &owner("web", "run-1"), &[config("a", "1")]).await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 4);
    lasts.store(1, Ordering::Relaxed);
    let begun = Instant::now();
    let error = cluster.apply(&given.namespace, &owner("web", "run-2"), &[config("a", "2")]).await.unwrap_err();
    assert!(matches!(error, ClusterError::Unreachable { .. }) && error.to_string().contains("leader changed"), "{error}");
    assert_eq!(error.class(), FailureClass::Environment);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

/// Waits for a deployment whose controller the test plays, and does `meanwhile` once it is watched.
async fn waits_through(given: &Given, cluster: &towpath_cluster::KubeCluster, meanwhile: impl FnOnce()) {
    let (owner, heard) = (owner("web", "run-1"), Heard::default());
    given.apply(&owner, &[deployment("web", json!({"image": "a/b:1"}))]).await.unwrap();
    let keys: Vec<ObjectKey> = vec!["Deployment.apps/web".parse().unwrap()];
    let waiting = cluster.wait(&given.namespace, &keys, &owner.run, PATIENCE, &heard);
    let playing = async {
        while heard.progress.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        meanwhile();
        let done = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1});
        given.report("apis/apps/v1", "deployments", "web", &done);
    };
    let (ready, ()) = tokio::join!(waiting, playing);
    ready.unwrap();
}

#[tokio::test]
async fn a_wait_goes_on_after_its_connections_were_cut() {
    let Some(given) = Given::api() else { return };
    let (proxy, dir) = (Proxy::of_bytes(given.kube), tempfile::tempdir().unwrap());
    let cluster = proxy.cluster_by_tls(given.kube, dir.path());
    waits_through(&given, &cluster, || assert!(proxy.cut() > 0)).await;
}

#[tokio::test]
async fn a_wait_begins_anew_when_the_server_has_forgotten_where_it_was() {
    let Some(given) = Given::api() else { return };
    let gone = Arc::new(AtomicUsize::new(usize::MAX));
    let told = Arc::clone(&gone);
    let proxy = Proxy::of_requests(given.kube, move |line| {
        if !line.contains("watch=true") || told.load(Ordering::Relaxed) == usize::MAX {
            return Answer::Pass;
        }
        // Once for each of the kinds that are watched; then they are listed anew.
        if told.fetch_add(1, Ordering::Relaxed) >= 4 {
            return Answer::Pass;
        }
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410,
            "message": "too old resource version: 1 (2)"});
        let event = json!({"type": "ERROR", "object": status}).to_string() + "\n";
        Answer::Say(format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{event}", event.len()))
    });
    let cluster = proxy.cluster();
    waits_through(&given, &cluster, || {
        gone.store(0, Ordering::Relaxed);
        assert!(proxy.cut() > 0);
    })
    .await;
    assert!(gone.load(Ordering::Relaxed) > 0, "it was told so");
}

#[tokio::test]
async fn a_target_with_many_objects_holds_up_none_with_few() {
    let Some(given) = Given::api() else { return };
    let many: Vec<serde_json::Value> = (0..600).map(|number| config(&format!("many-{number}"), "1")).collect();
    let (big, small) = (owner("big", "run-1"), owner("small", "run-1"));
    let done = Mutex::new(Vec::new());
    let large = async {
        given.cluster.apply(&given.namespace, &big, &many).await.unwrap();
        done.lock().unwrap().push("large");
    };
    let little = async {
        for number in 0..5 {
            let object = [config(&format!("few-{number}"), "1")];
            given.cluster.apply(&given.namespace, &small, &object).await.unwrap();
        }
        done.lock().unwrap().push("little");
    };
    tokio::join!(large, little);
    assert_eq!(*done.lock().unwrap(), ["little", "large"]);
}
