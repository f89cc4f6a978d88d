//! Waiting in 200 namespaces at once, each with a deployment that does not become ready, its replica set, pods and events: what it takes in memory
//! and in connections.
//!
//! ```sh
//! cargo bench -p towpath-cluster --bench watching
//! ```

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has nothing to say")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use towpath_cluster::{Cluster, Connection, KubeCluster, KubeSettings, ObjectKey, Owner, Progress, Scope};
use towpath_domain::{NamespaceName, RunId, TargetId};
use towpath_testbed::Kube;

const NAMESPACES: usize = 200;

/// Beside a deployment and its replica set.
const PODS: usize = 8;
const EVENTS: usize = 10;

/// The memory that the process may take at its peak, in MiB.
const MEMORY_MAX: u64 = 150;

/// How long everything is watched once it is known.
const WATCHED_FOR: Duration = Duration::from_secs(15);

const RUN: &str = "run-1";

fn namespace(number: usize) -> NamespaceName {
    NamespaceName::new(format!("watched-{number:03}")).unwrap()
}

fn connect(kubeconfig: &Path) -> KubeCluster {
    let connection = Connection::Kubeconfig { path: kubeconfig.to_path_buf(), context: None };
    KubeCluster::new("bench", connection, KubeSettings::default())
}

fn owner(number: usize) -> Owner {
    Owner {
        target: TargetId::new(format!("target-{number}")).unwrap(),
        title: "bench".to_owned(),
        run: RunId::new(RUN).unwrap(),
        commit: "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap(),
        saas_file: "bench".to_owned(),
        template: "bench".to_owned(),
        environment: "bench".to_owned(),
        heir_of: Vec::new(),
        scope: Scope { types: vec!["Deployment".to_owned()], ..Scope::default() },
    }
}

/// A pod's template as applications have them: environment, probes, volumes.
fn template() -> Value {
    let env: Vec<Value> =
        (0..30).map(|n| json!({"name": format!("SETTING_{n}"), "value": format!("value of setting number {n}")})).collect();
    let probe = json!({"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 10});
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {
        "containers": [{"name": "main", "image": "quay.io/example/app:0123456", "env": env, "readinessProbe": probe, "livenessProbe": probe,
            "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}]}],
        "volumes": [{"name": "config", "configMap": {"name": "app"}}]}})
}

/// Fills the namespaces, in a process of its own: what that takes is not what is measured.
async fn fill(kubeconfig: PathBuf) {
    let cluster = connect(&kubeconfig);
    let file = kube::config::Kubeconfig::read_from(&kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(file, &kube::config::KubeConfigOptions::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    stream::iter(0..NAMESPACES).for_each_concurrent(16, |number| fill_one(&cluster, client.clone(), number)).await;
}

async fn fill_one(cluster: &KubeCluster, client: kube::Client, number: usize) {
    let namespace = namespace(number);
    let resource = |version: &str, kind: &str, plural: &str| {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        ApiResource { group: group.into(), version: version.into(), api_version, kind: kind.into(), plural: plural.into() }
    };
    let object = |value: Value| serde_json::from_value::<DynamicObject>(value).unwrap();
    let all: Api<DynamicObject> = Api::all_with(client.clone(), &resource("v1", "Namespace", "namespaces"));
    let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.as_str()}});
    all.create(&PostParams::default(), &object(made)).await.unwrap();

    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": PODS, "selector": {"matchLabels": {"app": "web"}}, "template": template()}});
    cluster.apply(&namespace, &owner(number), &[deployment]).await.unwrap();
    let of = |version: &str, kind: &str, plural: &str| -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), namespace.as_str(), &resource(version, kind, plural))
    };
    let deployments = of("apps/v1", "Deployment", "deployments");
    let revision = json!({"deployment.kubernetes.io/revision": "1"});
    let patch = |value: Value| Patch::Merge(value);
    let merge = PatchParams::default();
    // An annotation counts as another generation.
    deployments.patch("web", &merge, &patch(json!({"metadata": {"annotations": revision}}))).await.unwrap();
    let status = json!({"observedGeneration": 2, "replicas": PODS, "updatedReplicas": PODS, "unavailableReplicas": PODS, "conditions": [
        {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "Deployment does not have minimum availability."}]});
    let live = deployments.patch_status("web", &merge, &patch(json!({"status": status}))).await.unwrap();
    let owned_by = |kind: &str, version: &str, owner: &DynamicObject| json!([{"apiVersion": version, "kind": kind, "name": owner.metadata.name, "uid": owner.metadata.uid, "controller": true}]);
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-1", "annotations": revision,
        "labels": {"app": "web"}, "ownerReferences": owned_by("Deployment", "apps/v1", &live)},
        "spec": {"replicas": PODS, "selector": {"matchLabels": {"app": "web"}}, "template": template()}});
    let set = of("apps/v1", "ReplicaSet", "replicasets").create(&PostParams::default(), &object(set)).await.unwrap();
    let pods = of("v1", "Pod", "pods");
    let conditions: Vec<Value> = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .iter()
        .map(|kind| json!({"type": kind, "status": if kind.ends_with("Ready") { "False" } else { "True" }, "lastTransitionTime": "2026-01-01T00:00:00Z",
            "reason": "ContainersNotReady", "message": "containers with unready status: [main]"}))
        .collect();
    for pod in 0..PODS {
        let name = format!("web-1-{pod}");
        let mut made = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web", "pod-template-hash": "1"},
            "ownerReferences": owned_by("ReplicaSet", "apps/v1", &set)}});
        made["spec"] = template()["spec"].clone();
        pods.create(&PostParams::default(), &object(made)).await.unwrap();
        let status = json!({"phase": "Running", "podIP": "10.1.2.3", "hostIP": "10.0.0.1", "startTime": "2026-01-01T00:00:00Z", "conditions": conditions,
            "containerStatuses": [{"name": "main", "image": "quay.io/example/app:0123456", "ready": false, "restartCount": 0, "started": true,
                "containerID": format!("containerd://{}", "a".repeat(64)), "imageID": format!("quay.io/example/app@sha256:{}", "b".repeat(64)),
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "lastState": {}}]});
        pods.patch_status(&name, &merge, &patch(json!({"status": status}))).await.unwrap();
    }
    let events = of("v1", "Event", "events");
    for event in 0..EVENTS {
        let made = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("web-1-0.{event:016x}"), "namespace": namespace.as_str()},
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": "web-1-0", "namespace": namespace.as_str(), "uid": "6f1d0000-0000-0000-0000-000000000000"},
            "type": "Normal", "reason": "Pulled", "count": 1, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
            "message": "Container image \"quay.io/example/app:0123456\" already present on machine", "source": {"component": "kubelet", "host": "node-1"}});
        events.create(&PostParams::default(), &object(made)).await.unwrap();
    }
}

/// A line of `/proc/self/status`, in MiB.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// The connections of this process to the port.
fn connections(port: u16) -> usize {
    let own: BTreeSet<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| Some(std::fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned()))
        .collect();
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let to_port = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields[2].ends_with(&to_port) && fields[3] == "01" && own.contains(&format!("socket:[{}]", fields[9]))
        })
        .count()
}

async fn watch(kubeconfig: PathBuf, port: u16) {
    let (cluster, known) = (connect(&kubeconfig), Arc::new(AtomicUsize::new(0)));
    let before = memory("VmRSS");
    let begun = Instant::now();
    for number in 0..NAMESPACES {
        let (cluster, known) = (cluster.clone(), Arc::clone(&known));
        tokio::spawn(async move {
            let keys = [ObjectKey { kind: "Deployment".to_owned(), group: "apps".to_owned(), name: "web".to_owned() }];
            let first = std::sync::Once::new();
            let heard = |progress: Progress| {
                if progress.message.contains("pods are ready") {
                    first.call_once(|| {
                        known.fetch_add(1, Ordering::Relaxed);
                    });
                }
            };
            let run = RunId::new(RUN).unwrap();
            let ended = cluster.wait(&namespace(number), &keys, &run, Duration::from_secs(3600), &heard).await;
            panic!("nothing here becomes ready or fails: {ended:?}");
        });
    }
    while known.load(Ordering::Relaxed) < NAMESPACES {
        assert!(begun.elapsed() < Duration::from_secs(120), "only {} of {NAMESPACES} are known", known.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let all_known = begun.elapsed();
    let busy = cpu();
    tokio::time::sleep(WATCHED_FOR).await;
    let busy = (cpu() - busy).as_secs_f64() / WATCHED_FOR.as_secs_f64() * 100.0;
    let peak = memory("VmHWM");
    println!("{NAMESPACES} namespaces with {} objects each, waited for at once", PODS + EVENTS + 2);
    println!("all known after     {:>8.2} s", all_known.as_secs_f64());
    println!("memory              {:>8} MiB, peak {peak} MiB, before {before} MiB", memory("VmRSS"));
    println!("connections         {:>8}", connections(port));
    println!("processor at rest   {busy:>8.1} %");
    assert!(peak < MEMORY_MAX, "{peak} MiB are too many");
}

/// The processor time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn main() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let arguments: Vec<String> = std::env::args().collect();
    towpath_testbed::init();
    if let [_, word, kubeconfig] = arguments.as_slice()
        && word == "fill"
    {
        return runtime().block_on(fill(kubeconfig.into()));
    }
    // `cargo test` starts benchmarks, too, to see that they start.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let Some(kube) = Kube::api() else { return };
    let filled = Command::new(std::env::current_exe().unwrap()).arg("fill").arg(&kube.kubeconfig).status().unwrap();
    assert!(filled.success());
    let server = kube.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]);
    let port = server.rsplit_once(':').unwrap().1.parse().unwrap();
    runtime().block_on(watch(kube.kubeconfig.clone(), port));
}
