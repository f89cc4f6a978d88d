//! What only this machine does: it keeps quotas itself, and its pods are processes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use towpath_cluster::{Cluster as _, ClusterError, NamespaceStanding, NamespaceWanted, ObjectKey};
use towpath_domain::{NamespaceName, RunId};

use super::bench::{Bench, Here, INSTALLATION, config, deployment, secret, secrets};
use crate::support::{Machine, PATIENCE, is_running, owner, until};

async fn apply(bench: &Here, namespace: &NamespaceName, run: &str, objects: &[Value]) -> Result<(), ClusterError> {
    bench.machine.cluster.apply(namespace, &owner("web", run), objects).await.map(drop)
}

async fn pids(bench: &Here, namespace: &NamespaceName) -> Vec<u32> {
    let list = bench.machine.cluster.list(Some(namespace)).await.unwrap();
    list.iter().flat_map(|status| &status.pods).flat_map(|pod| pod.pids.clone()).collect()
}

/// A job that leaves a file in a claim.
fn writes() -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "writes"}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "containers": [{"name": "main", "image": "registry.test/shop/test:1", "command": ["sh", "-c", "echo left > $TOWPATH_ROOT/data/note"],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
    }}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_namespace_ends_its_processes_and_deletes_its_claims() {
    let bench = Here::start();
    let wanted = bench.wanted();
    bench.make_ready(&wanted).await;
    apply(&bench, &wanted.name, "run-1", &[writes(), deployment("web")]).await.unwrap();
    let keys: Vec<ObjectKey> = ["Job.batch/writes", "Deployment.apps/web"].map(|key| key.parse().unwrap()).to_vec();
    bench.machine.cluster.wait(&wanted.name, &keys, &RunId::new("run-1").unwrap(), PATIENCE, &|_| {}).await.unwrap();
    let running = pids(&bench, &wanted.name).await;
    assert!(!running.is_empty() && running.iter().all(|pid| is_running(*pid)));
    let claim = bench.dir().join("claims").join(wanted.name.as_str());
    assert!(claim.join("data/note").exists());

    // The claim alone would make it dirty, even when everything else is gone.
    bench.machine.cluster.delete(&wanted.name, &owner("web", "run-2")).await.unwrap();
    let left = NamespaceStanding::Dirty { found: vec!["PersistentVolumeClaim/data".to_owned()] };
    until("only the claim is left", async || bench.spaces().standing(&wanted).await.unwrap() == left).await;
    assert!(running.iter().all(|pid| !is_running(*pid)));

    apply(&bench, &wanted.name, "run-3", &[deployment("web")]).await.unwrap();
    until("it runs again", async || !pids(&bench, &wanted.name).await.is_empty()).await;
    let running = pids(&bench, &wanted.name).await;
    bench.gone(&wanted.name).await;
    assert!(running.iter().all(|pid| !is_running(*pid)));
    assert!(!claim.exists());
    bench.over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_more_than_the_quota_is_refused_when_it_is_applied() {
    let bench = Here::start();
    let wanted = NamespaceWanted { quotas: vec![json!({"hard": {"pods": "2", "limits.memory": "100Mi"}})], ..bench.wanted() };
    bench.make_ready(&wanted).await;
    // Each pod gets 64Mi by the limit range.
    let refused = apply(&bench, &wanted.name, "run-1", &[deployment("a"), deployment("b")]).await.unwrap_err();
    assert!(refused.to_string().contains("exceeded quota: limits.memory would be 134217728 bytes of at most 104857600 bytes"), "{refused}");
    apply(&bench, &wanted.name, "run-1", &[deployment("a")]).await.unwrap();
    let shown = bench.read(&wanted.name, "Deployment.apps", "a").await.unwrap();
    assert_eq!(shown["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"], "64Mi", "and so it runs");
    let again = bench.machine.cluster.diff(&wanted.name, &owner("web", "run-2"), &[deployment("a")]).await.unwrap();
    assert_eq!(again, [], "what was filled in is no difference");
    let refused = apply(&bench, &wanted.name, "run-2", &[deployment("a"), deployment("c")]).await.unwrap_err();
    assert!(refused.to_string().contains("exceeded quota"), "{refused}");
    let mut larger = deployment("a");
    larger["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "100Mi"}});
    apply(&bench, &wanted.name, "run-3", &[larger]).await.unwrap();
    // Namespaces that are no pool's are bounded by nothing.
    let ordinary = bench.ordinary().await;
    apply(&bench, &ordinary, "run-4", &["a", "b", "c"].map(deployment)).await.unwrap();
    bench.machine.cluster.delete(&ordinary, &owner("web", "run-5")).await.unwrap();
    until("they are gone", async || pids(&bench, &ordinary).await.is_empty()).await;
    bench.over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_machine_cannot_keep_is_refused_and_nothing_is_made() {
    let bench = Here::start();
    let environment =
        json!({"apiVersion": "cloud.redhat.com/v1alpha1", "kind": "ClowdEnvironment", "metadata": {"name": "env"}, "spec": {}});
    for (wanted, words) in [
        (
            NamespaceWanted { quotas: vec![json!({"hard": {"requests.storage": "1Gi"}})], ..bench.wanted() },
            "hard.requests.storage: cannot be kept here",
        ),
        (
            NamespaceWanted { manifests: vec![environment], ..bench.wanted() },
            "ClowdEnvironment/env: kind: nothing on the local runtime acts on it",
        ),
        (NamespaceWanted { quotas: vec![json!({"hard": {"configmaps": "0"}})], ..bench.wanted() }, "exceeded quota: configmaps would be 1"),
    ] {
        let refused = bench.spaces().make(&wanted).await.unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
        assert_eq!(bench.spaces().standing(&wanted).await.unwrap(), NamespaceStanding::Absent);
    }
    bench.over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_forgotten_when_the_process_is_killed_between_any_two_steps() {
    let mut bench = Here::start();
    let base = bench.ordinary().await;
    let wanted = NamespaceWanted { secrets: secrets(&base, &["login"]), ..bench.wanted() };
    // Cut short after it was written down.
    bench.spaces().make(&wanted).await.unwrap_err();
    bench = again(bench).await;
    assert!(matches!(bench.spaces().standing(&wanted).await.unwrap(), NamespaceStanding::Broken { .. }));
    bench.put(&base, &secret("login", "hunter2")).await;
    bench.make_ready(&wanted).await;
    bench = again(bench).await;
    assert_eq!(bench.made(&wanted).await, NamespaceStanding::Ready);
    let ann = towpath_cluster::Requester { name: "ann".to_owned(), subject: None, role: "edit".to_owned() };
    bench.spaces().grant(&wanted.name, INSTALLATION, &ann).await.unwrap();
    bench = again(bench).await;
    assert!(matches!(bench.made(&wanted).await, NamespaceStanding::Dirty { .. }), "it is still ann's");
    let refused = apply(&bench, &wanted.name, "run-1", &["a", "b", "c", "d"].map(deployment)).await.unwrap_err();
    assert!(refused.to_string().contains("exceeded quota: count/deployments.apps"), "its quota still holds: {refused}");
    apply(&bench, &wanted.name, "run-1", &[deployment("web")]).await.unwrap();
    until("it runs", async || !pids(&bench, &wanted.name).await.is_empty()).await;
    assert!(!bench.spaces().end(&wanted.name, INSTALLATION).await.unwrap().is_gone());
    bench = again(bench).await;
    let refused = apply(&bench, &wanted.name, "run-2", &[config("late", "x")]).await.unwrap_err();
    assert!(refused.to_string().contains("is being deleted"), "{refused}");
    assert!(matches!(bench.spaces().standing(&wanted).await.unwrap(), NamespaceStanding::Ending { .. }));
    bench.gone(&wanted.name).await;
    bench = again(bench).await;
    assert_eq!(bench.spaces().standing(&wanted).await.unwrap(), NamespaceStanding::Absent);
    bench.over().await;
}

/// Another Towpath on the same directory, as after a kill.
async fn again(bench: Here) -> Here {
    let names = bench.new_name();
    drop(names);
    let machine: Machine = bench.machine.restart().await;
    Here::on(machine)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_is_made_proven_and_given_in_a_fraction_of_a_second() {
    let bench = Here::start();
    let ann = towpath_cluster::Requester { name: "ann".to_owned(), subject: None, role: "edit".to_owned() };
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let (wanted, begun) = (bench.wanted(), Instant::now());
        bench.spaces().make(&wanted).await.unwrap();
        let made = begun.elapsed();
        assert_eq!(bench.spaces().standing(&wanted).await.unwrap(), NamespaceStanding::Ready, "it has nothing to wait for");
        bench.spaces().grant(&wanted.name, INSTALLATION, &ann).await.unwrap();
        slowest = slowest.max(begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(2), "made in {made:?}, given after {:?}", begun.elapsed());
    }
    eprintln!("made, proven clean and given within {slowest:?} at most");
    bench.over().await;
}
