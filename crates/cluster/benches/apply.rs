//! Applying 1,000 objects to one namespace: `kubectl apply --server-side`, and this crate, against the same API server in the same run.
//!
//! ```sh
//! cargo bench -p towpath-cluster --bench apply
//! ```

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has nothing to say")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use towpath_cluster::{Change, Cluster, Connection, KubeCluster, KubeSettings, Owner, Scope};
use towpath_domain::{NamespaceName, RunId, TargetId};
use towpath_testbed::Kube;

const OBJECTS: usize = 1_000;

/// Deployments, services, config maps and secrets in equal parts.
fn objects() -> Vec<Value> {
    (0..OBJECTS)
        .map(|number| {
            let name = format!("object-{number:04}");
            match number % 4 {
                0 => json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": name}}),
                1 => json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"key": "dmFsdWU="}}),
                2 => json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"clusterIP": "None",
                    "ports": [{"port": 80, "protocol": "TCP"}], "selector": {"app": name}}}),
                _ => json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
                    "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "main", "image": "example.com/app:1"}]}}}}),
            }
        })
        .collect()
}

fn owner(run: &str) -> Owner {
    Owner {
        target: TargetId::new("bench").unwrap(),
        title: "bench".to_owned(),
        run: RunId::new(run).unwrap(),
        commit: "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap(),
        saas_file: "bench".to_owned(),
        template: "bench".to_owned(),
        environment: "bench".to_owned(),
        heir_of: Vec::new(),
        scope: Scope { types: ["ConfigMap", "Secret", "Service", "Deployment"].map(str::to_owned).to_vec(), ..Scope::default() },
    }
}

fn main() {
    // `cargo test` starts benchmarks, too, to see that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    towpath_testbed::init();
    let Some(kube) = Kube::api() else { return };
    let objects = objects();
    let dir = tempfile::tempdir().unwrap();
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap();
        std::fs::write(dir.path().join(format!("{name}.json")), object.to_string()).unwrap();
    }
    let (theirs, ours) = (kube.namespace("kubectl"), NamespaceName::new(kube.namespace("towpath")).unwrap());
    let servers = Servers::of(&kube.kubeconfig);
    let by_kubectl = || {
        let (begun, busy) = (Instant::now(), servers.busy());
        kube.kubectl(&["apply", "--server-side", "-n", &theirs, "-f", dir.path().to_str().unwrap()]);
        (begun.elapsed(), servers.busy() - busy)
    };
    let first_kubectl = by_kubectl();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let connection = Connection::Kubeconfig { path: kube.kubeconfig.clone(), context: None };
    let cluster = KubeCluster::new("bench", connection, KubeSettings::default());
    let timed = |run: &str, expected: Change| {
        let (begun, busy) = (Instant::now(), servers.busy());
        let applied = runtime.block_on(cluster.apply(&ours, &owner(run), &objects)).unwrap();
        assert!(applied.objects.iter().all(|object| object.change == expected));
        (begun.elapsed(), servers.busy() - busy)
    };
    let first = timed("run-1", Change::Created);
    let begun = Instant::now();
    runtime.block_on(cluster.check(&ours, &owner("run-2"), &objects)).unwrap();
    let checked = begun.elapsed();
    let again = timed("run-2", Change::Unchanged);
    let again_kubectl = by_kubectl();
    println!("{OBJECTS} objects           kubectl     towpath   factor     servers' processor time, both");
    let row = |what: &str, theirs: (Duration, Duration), ours: (Duration, Duration)| {
        println!(
            "{what:<18} {:>8.2} s {:>9.2} s {:>8.1} {:>16.2} s {:>9.2} s",
            theirs.0.as_secs_f64(),
            ours.0.as_secs_f64(),
            theirs.0.as_secs_f64() / ours.0.as_secs_f64(),
            theirs.1.as_secs_f64(),
            ours.1.as_secs_f64()
        );
    };
    row("new", first_kubectl, first);
    row("unchanged", again_kubectl, again);
    println!("check, unchanged {:>23.2} s", checked.as_secs_f64());
}

/// The API server and its etcd: what their processors do bounds what any client can.
struct Servers(Vec<PathBuf>);

impl Servers {
    /// Those that the tests started, beside this kubeconfig.
    fn of(kubeconfig: &Path) -> Self {
        let folder = kubeconfig.ancestors().nth(2).unwrap().join("run");
        let pid = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.pid"))).unwrap();
        Self(["kube-apiserver", "etcd"].iter().map(|name| Path::new("/proc").join(pid(name).trim()).join("stat")).collect())
    }

    /// Their processor time so far.
    fn busy(&self) -> Duration {
        let ticks = |stat: &PathBuf| {
            let text = std::fs::read_to_string(stat).unwrap();
            let after_name = text.rsplit_once(") ").unwrap().1;
            after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>()
        };
        // A tick is a hundredth of a second wherever Linux runs.
        Duration::from_millis(self.0.iter().map(ticks).sum::<u64>() * 10)
    }
}
