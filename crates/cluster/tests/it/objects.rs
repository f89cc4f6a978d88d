//! Objects: whose they are, what is refused, what reaches a pod.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use towpath_cluster::{Change, Cluster, ClusterError, LogRequest, LogSource, Owner};
use towpath_domain::TargetId;

use crate::support::{Machine, job, namespace, owner, web};

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"mode": "fast"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn applying_again_changes_nothing_and_applying_something_else_does() {
    let machine = Machine::start();
    let change = async |objects: Value| machine.apply("run-1", objects).await.unwrap().objects[0].change;
    assert_eq!(change(json!([config("a")])).await, Change::Created);
    assert_eq!(change(json!([config("a")])).await, Change::Unchanged);
    let mut other = config("a");
    other["data"]["mode"] = json!("slow");
    assert_eq!(change(json!([other])).await, Change::Changed);
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_heir_takes_over_what_a_target_that_is_gone_left_and_nobody_elses() {
    let machine = Machine::start();
    machine.apply("run-1", json!([config("a"), config("b")])).await.unwrap();
    let heir = Owner { heir_of: vec![TargetId::new("web").unwrap()], ..owner("front", "run-2") };
    let applied = machine.cluster.apply(&namespace(), &heir, &[config("a")]).await.unwrap();
    assert_eq!(applied.objects[0].change, Change::Unchanged, "what runs goes on running");
    let owners: Vec<_> = machine.list().await.into_iter().map(|status| status.owner.target.to_string()).collect();
    assert_eq!(owners, ["front", "web"]);
    let stranger = Owner { heir_of: vec![TargetId::new("web").unwrap()], ..owner("stranger", "run-3") };
    machine.cluster.apply(&namespace(), &stranger, &[config("a")]).await.unwrap_err();
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_target_touches_what_belongs_to_another() {
    let machine = Machine::start();
    machine.apply("run-1", json!([config("a"), config("b")])).await.unwrap();
    let other = owner("other", "run-2");
    let cluster: &dyn Cluster = &machine.cluster;
    let refused = cluster.apply(&namespace(), &other, &[config("c"), config("a")]).await.unwrap_err();
    assert!(refused.to_string().contains("ConfigMap/a: belongs to target web-title of saas file shop"), "{refused}");
    assert_eq!(machine.list().await.len(), 2, "a refusal touches nothing, not even what was good");

    machine.cluster.apply(&namespace(), &other, &[config("c")]).await.unwrap();
    let keep = ["ConfigMap/a".parse().unwrap()];
    let pruned = machine.cluster.prune(&namespace(), &owner("web", "run-9"), &keep).await.unwrap();
    assert_eq!(pruned, ["ConfigMap/b".parse().unwrap()]);
    let names: Vec<_> = machine.list().await.into_iter().map(|status| status.key.name).collect();
    assert_eq!(names, ["a", "c"]);
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_machine_cannot_act_on_is_refused_when_nothing_else_would_act() {
    let machine = Machine::start();
    let app = json!({"apiVersion": "cloud.redhat.com/v1alpha1", "kind": "ClowdApp", "metadata": {"name": "app"}, "spec": {}});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app"}});
    let Err(ClusterError::Refused { refusals }) = machine.apply("run-1", json!([app, account])).await else { panic!() };
    assert_eq!(refusals.len(), 1);
    assert!(refusals[0].to_string().starts_with("ClowdApp/app: kind: nothing on the local runtime acts on it"));

    let mut objects = job("true", |_| {});
    objects.as_array_mut().unwrap().extend([app, account]);
    let applied = machine.apply("run-1", objects).await.unwrap();
    assert!(applied.notes[0].contains("ClowdApp/app is kept, but nothing"), "{:?}", applied.notes);
    machine.wait("run-1", &["Job.batch/test", "ClowdApp.cloud.redhat.com/app", "ServiceAccount/app"]).await.unwrap();
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_objects_are_all_named_before_anything_is_touched() {
    let machine = Machine::start();
    let mut elsewhere = config("a");
    elsewhere["metadata"]["namespace"] = json!("prod");
    let mut objects = web("v1", |deployment| deployment["spec"]["replicas"] = json!("two"));
    objects.as_array_mut().unwrap().extend([elsewhere, config("twice"), config("twice"), json!({"kind": "X"})]);
    let Err(ClusterError::Refused { refusals }) = machine.apply("run-1", objects).await else { panic!() };
    let fields: Vec<_> = refusals.iter().map(|refusal| format!("{} {}", refusal.object, refusal.field)).collect();
    assert_eq!(fields, ["ConfigMap/a metadata.namespace", "ConfigMap/twice ", "Deployment/web spec.replicas", "X/(no name) apiVersion"]);
    assert!(machine.list().await.is_empty());
    machine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_and_secrets_reach_the_pod_and_nothing_of_towpath_does() {
    let machine = Machine::start();
    let mut objects = job("env | sort; cat $TOWPATH_ROOT/etc/conf/mode; /scripts/hello; pwd", |job| {
        let pod = &mut job["spec"]["template"]["spec"];
        pod["volumes"] = json!([
            {"name": "conf", "configMap": {"name": "settings"}},
            {"name": "scripts", "configMap": {"name": "scripts", "defaultMode": 0o755}},
        ]);
        let container = &mut pod["containers"][0];
        container["command"] = json!(["sh", "-c", "env | sort; cat $TOWPATH_ROOT/etc/conf/mode; $TOWPATH_ROOT/scripts/hello $(GREETING)"]);
        container["volumeMounts"] = json!([{"name": "conf", "mountPath": "/etc/conf"}, {"name": "scripts", "mountPath": "/scripts"}]);
        container["envFrom"] = json!([{"configMapRef": {"name": "settings"}, "prefix": "CONF_"}]);
        container["env"] = json!([
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
            {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "GREETING", "value": "hello-$(WHO)"},
            {"name": "DATABASE", "value": "$(DB_SERVICE_HOST):$(DB_SERVICE_PORT)"},
        ]);
    });
    objects.as_array_mut().unwrap().extend([
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": "fast\n"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"}, "data": {"hello": "#!/bin/sh\necho said $1\n"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "data": {"password": "aHVudGVyMg=="}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": {"ports": [{"port": 5432}]}}),
    ]);
    machine.apply("run-1", objects).await.unwrap();
    let ready = machine.wait("run-1", &["Job.batch/test"]).await.unwrap();
    assert!(ready.notes.iter().any(|note| note.contains("command sh was taken from the host")), "{:?}", ready.notes);

    let source = LogSource::Object("Job.batch/test".parse().unwrap());
    let request = LogRequest { namespace: namespace(), source, container: Some("test".into()), from: 0, follow: false };
    let mut chunks = machine.cluster.logs(request).await.unwrap();
    let text = String::from_utf8(chunks.recv().await.unwrap().bytes).unwrap();
    let database = format!("DATABASE={}\n", machine.address("db").await);
    for line in ["PASSWORD=hunter2\n", "CONF_mode=fast\n", "GREETING=hello-shop\n", "said hello-shop\n", "POD_NAMESPACE=shop\n", &database]
    {
        assert!(text.contains(line), "{line:?} is missing in {text}");
    }
    assert!(!text.contains("CARGO"), "the environment of Towpath leaked: {text}");
    secrets_stay_private(machine.dir.path());
    machine.end().await;
}

/// Every file that holds the secret is its owner's only, and no status file holds it.
fn secrets_stay_private(dir: &Path) {
    let mut left = vec![dir.to_owned()];
    let mut holders = 0;
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                left.push(path);
            } else if metadata.is_file() && fs::read(&path).unwrap().windows(7).any(|window| window == b"hunter2") {
                holders += 1;
                assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", path.display());
                assert!(!path.ends_with("status.json"), "{}", path.display());
            }
        }
    }
    assert!(holders > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_outlives_pods_and_an_empty_folder_is_shared_within_one() {
    let machine = Machine::start();
    let objects = |script: &str| {
        job(script, |job| {
            let pod = &mut job["spec"]["template"]["spec"];
            pod["volumes"] = json!([{"name": "kept", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "shared", "emptyDir": {}}]);
            let mounts = json!([{"name": "kept", "mountPath": "/data"}, {"name": "shared", "mountPath": "/shared"}]);
            pod["containers"][0]["volumeMounts"] = mounts.clone();
            pod["initContainers"] = json!([{
                "name": "first", "image": "registry.test/shop/test:1", "volumeMounts": mounts,
                "command": ["sh", "-c", "echo from-init > $TOWPATH_ROOT/shared/note"],
            }]);
        })
    };
    machine.apply("run-1", objects("cp $TOWPATH_ROOT/shared/note $TOWPATH_ROOT/data/note")).await.unwrap();
    machine.wait("run-1", &["Job.batch/test"]).await.unwrap();
    machine.apply("run-2", objects("grep from-init $TOWPATH_ROOT/data/note")).await.unwrap();
    machine.wait("run-2", &["Job.batch/test"]).await.unwrap();
    machine.end().await;
}
