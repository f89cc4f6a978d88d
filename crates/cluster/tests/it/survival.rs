//! What happens when things are killed.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::json;
use towpath_cluster::Cluster;
use towpath_cluster::{ClusterError, LocalCluster, LogRequest, LogSource, Reason, Settings};

use crate::support::{Machine, container, get, is_running, job, namespace, until, web};

const WEB: &[&str] = &["Deployment.apps/web", "Service/web"];

async fn pids(machine: &Machine) -> BTreeSet<u32> {
    machine.status("Deployment.apps/web").await.pods.iter().flat_map(|pod| pod.pids.clone()).collect()
}

/// The process ids of the shims, from their status files.
fn shims(machine: &Machine, kind: &str) -> Vec<u32> {
    let dir = machine.dir.path().join("cluster").join(kind).join("shop");
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let status = fs::read(entry.unwrap().path().join("status.json")).unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        found.push(u32::try_from(status["shim"]["pid"].as_u64().unwrap()).unwrap());
    }
    found
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_survive_towpath_and_are_found_again() {
    let machine = Machine::start();
    machine.apply("run-1", web("v1", |_| {})).await.unwrap();
    machine.wait("run-1", WEB).await.unwrap();
    let (before, address) = (pids(&machine).await, machine.address("web").await);
    let machine = machine.restart().await;
    assert_eq!(get(&address), Ok("v1".into()), "the service serves while nobody looks");
    machine.wait("run-1", WEB).await.unwrap();
    assert_eq!(pids(&machine).await, before);
    assert_eq!(machine.address("web").await, address);

    // And they are still looked after.
    machine.apply("run-2", web("v2", |_| {})).await.unwrap();
    machine.wait("run-2", WEB).await.unwrap();
    assert_eq!(get(&address), Ok("v2".into()));
    until("the old pods are gone", async || before.iter().all(|pid| !is_running(*pid))).await;
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_was_cut_short_goes_on() {
    let machine = Machine::start();
    machine.apply("run-1", web("v1", |_| {})).await.unwrap();
    let machine = machine.restart().await;
    machine.wait("run-1", WEB).await.unwrap();
    machine.apply("run-2", web("v2", |_| {})).await.unwrap();
    let machine = machine.restart().await;
    machine.wait("run-2", WEB).await.unwrap();
    assert_eq!(get(&machine.address("web").await), Ok("v2".into()));
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_shim_is_killed_its_containers_die_with_it_and_are_started_again() {
    let machine = Machine::start();
    let objects = web("v1", |deployment| {
        // A child in the background would outlive its parent, if nobody saw to it.
        container(deployment)["command"] = json!(["sh", "-c", "sleep 4242 & exec server"]);
    });
    machine.apply("run-1", objects).await.unwrap();
    machine.wait("run-1", WEB).await.unwrap();
    let before = pids(&machine).await;
    for shim in shims(&machine, "pods") {
        kill(shim);
    }
    until("the pods have new processes and are ready", async || {
        let status = machine.status("Deployment.apps/web").await;
        status.ready && pids(&machine).await.is_disjoint(&before)
    })
    .await;
    assert!(before.iter().all(|pid| !is_running(*pid)));
    assert_eq!(get(&machine.address("web").await), Ok("v1".into()));
    let dir = machine.dir.path().display().to_string();
    machine.end().await;
    let left = fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&dir)
    });
    assert!(!left, "something of the pods still runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_services_proxy_is_killed_the_service_comes_back_at_its_address() {
    let machine = Machine::start();
    machine.apply("run-1", web("v1", |_| {})).await.unwrap();
    machine.wait("run-1", WEB).await.unwrap();
    let address = machine.address("web").await;
    for shim in shims(&machine, "services") {
        kill(shim);
    }
    until("the service answers again", async || get(&address) == Ok("v1".into())).await;
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_cut_short_is_not_done_twice_behind_anybodys_back() {
    let machine = Machine::start();
    let count = machine.dir.path().join("count");
    machine.apply("run-1", job(&format!("echo x >> {}; sleep 1000", count.display()), |_| {})).await.unwrap();
    until("the job has begun", async || count.exists()).await;
    for shim in shims(&machine, "pods") {
        kill(shim);
    }
    let failure = machine.wait("run-1", &["Job.batch/test"]).await.unwrap_err();
    assert_eq!((failure.reason.clone(), failure.class.is_retried()), (Reason::Interrupted, true), "{failure:?}");
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_towpaths_do_not_share_a_directory() {
    let machine = Machine::start();
    let settings = Settings::new(machine.dir.path().join("cluster"), Vec::new(), String::new());
    assert!(matches!(LocalCluster::open(settings, machine.images.clone()), Err(ClusterError::InUse { .. })));
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_rotated_and_its_end_is_kept() {
    let machine = Machine::start();
    machine.apply("run-1", job("n=0; while [ $n -lt 3000 ]; do echo line $n; n=$((n+1)); done", |_| {})).await.unwrap();
    machine.wait("run-1", &["Job.batch/test"]).await.unwrap();
    let pod = machine.status("Job.batch/test").await.pods.remove(0).name;
    let dir = machine.dir.path().join("cluster/pods/shop").join(&pod).join("logs/test");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 2);
    let request = LogRequest { namespace: namespace(), source: LogSource::Pod(pod), container: None, from: 0, follow: false };
    let mut chunks = machine.cluster.logs(request).await.unwrap();
    let (mut text, mut next) = (String::new(), None);
    while let Some(chunk) = chunks.recv().await {
        assert!(chunk.offset > 0 && next.is_none_or(|next| next == chunk.offset), "offsets go on without a gap");
        next = Some(chunk.offset + chunk.bytes.len() as u64);
        text.push_str(&String::from_utf8(chunk.bytes).unwrap());
    }
    assert!(text.ends_with("line 2998\nline 2999\n"));
    machine.end().await;
}
