//! Clowder's controllers, played through the API: what they make of a `ClowdApp` and of a `ClowdJobInvocation`, and what they say of it.
//!
//! An app's pods run `/serve` of its image, and its tests `/smoke`. An invocation runs once, when its app is ready, and never again; it is
//! completed when its jobs are over, however they ended. One with the annotation `played` is treated as that says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use towpath_testbed::{Kube, KubeProxy};

use super::http;

const CLOWDER: &str = "/apis/cloud.redhat.com/v1alpha1";
const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";

/// Between two looks: also a real controller needs a moment.
const LOOK: Duration = Duration::from_millis(200);

/// The controllers, at work until this is dropped.
pub struct Clowder {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clowder {
    /// At work in these namespaces.
    pub fn play(kube: &Kube, namespaces: &[&str]) -> Self {
        kube.install_crds();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let player = Player { api: kube.proxy() };
        let namespaces: Vec<String> = namespaces.iter().map(|&namespace| namespace.to_owned()).collect();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                namespaces.iter().for_each(|namespace| player.look(namespace));
                std::thread::park_timeout(LOOK);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Clowder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ended = thread.join();
        }
    }
}

struct Player {
    api: KubeProxy,
}

impl Player {
    fn look(&self, namespace: &str) {
        let apps = self.list(&format!("{CLOWDER}/namespaces/{namespace}/clowdapps"));
        for app in &apps {
            self.reconcile(namespace, app);
        }
        for invocation in self.list(&format!("{CLOWDER}/namespaces/{namespace}/clowdjobinvocations")) {
            self.invoke(namespace, &apps, &invocation);
        }
    }

    fn list(&self, path: &str) -> Vec<Value> {
        http::call(&self.api.address, "GET", path, ("application/json", b""))
            .map(|answer| answer.json()["items"].as_array().cloned().unwrap_or_default())
            .unwrap_or_default()
    }

    fn change(&self, method: &str, path: &str, kind: &str, object: &Value) {
        match http::call(&self.api.address, method, path, (kind, object.to_string().as_bytes())) {
            Ok(answer) if answer.status < 300 => {}
            // What is gone by now, or changed meanwhile, is looked at again.
            Ok(answer) => eprintln!("clowder: {method} {path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)),
            Err(error) => eprintln!("clowder: {method} {path}: {error}"),
        }
    }

    /// A deployment for each one of the app, and the app's conditions.
    fn reconcile(&self, namespace: &str, app: &Value) {
        let name = text(app, "/metadata/name");
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
        let wanted = app.pointer("/spec/deployments").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_seen = app["status"]["generation"] == app["metadata"]["generation"];
        for deployment in wanted.iter().filter(|_| !is_seen) {
            let deployed = format!("{name}-{}", text(deployment, "/name"));
            let pod = json!({
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": deployed, "image": deployment["podSpec"]["image"], "command": ["sh", "/serve"]}],
            });
            let object = json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": deployed, "labels": {"app": name}, "ownerReferences": [owner(app)]},
                "spec": {
                    "replicas": deployment["minReplicas"].as_u64().unwrap_or(1),
                    "selector": {"matchLabels": {"pod": deployed}},
                    "template": {"metadata": {"labels": {"app": name, "pod": deployed}}, "spec": pod},
                },
            });
            self.change("PATCH", &format!("{path}/{deployed}?fieldManager=clowder&force=true"), APPLY, &object);
        }
        let made: Vec<Value> = self
            .list(&path)
            .into_iter()
            .filter(|made| text(made, "/metadata/ownerReferences/0/uid") == text(app, "/metadata/uid"))
            .collect();
        let ready = made.iter().filter(|made| is_rolled_out(made)).count();
        let all = ready == wanted.len();
        let condition = |kind: &str, is: bool| json!({"type": kind, "status": if is { "True" } else { "False" }, "reason": "Played", "message": format!("{ready} of {} deployments are ready", wanted.len()), "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let status = json!({
            "generation": app["metadata"]["generation"],
            "ready": all,
            "deployments": {"managedDeployments": wanted.len(), "readyDeployments": ready},
            "conditions": [
                condition("ReconciliationSuccessful", true), condition("ReconciliationFailed", false), condition("DeploymentsReady", all),
            ],
        });
        if app.get("status") != Some(&status) {
            self.change("PATCH", &format!("{CLOWDER}/namespaces/{namespace}/clowdapps/{name}/status"), MERGE, &json!({"status": status}));
        }
    }

    /// A job for the test, once, and how it stands.
    fn invoke(&self, namespace: &str, apps: &[Value], invocation: &Value) {
        let name = text(invocation, "/metadata/name");
        let jobs = format!("/apis/batch/v1/namespaces/{namespace}/jobs");
        let say = |status: Value| {
            let path = format!("{CLOWDER}/namespaces/{namespace}/clowdjobinvocations/{name}/status");
            self.change("PATCH", &path, MERGE, &json!({"status": status}));
        };
        if invocation.pointer("/status/completed") == Some(&json!(true)) {
            return;
        }
        match text(invocation, "/metadata/annotations/played") {
            "never" => return,
            "empty" => return say(json!({"completed": true, "jobMap": {}})),
            _ => {}
        }
        let job = format!("{name}-iqe");
        let started = invocation.pointer("/status/jobMap").and_then(Value::as_object).is_some_and(|map| !map.is_empty());
        if !started {
            let app = apps.iter().find(|app| text(app, "/metadata/name") == text(invocation, "/spec/appName"));
            let is_ready = |app: &&Value| app["status"]["ready"] == true && app["status"]["generation"] == app["metadata"]["generation"];
            let Some(app) = app.filter(is_ready) else { return };
            let labels = json!({"clowdjob": name, "job": job});
            let image = &app["spec"]["deployments"][0]["podSpec"]["image"];
            let container = json!({"name": job, "image": image, "command": ["sh", "/smoke"]});
            let object = json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {"name": format!("{job}-abc1234"), "labels": labels, "ownerReferences": [owner(invocation)]},
                "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": [container]}}},
            });
            self.change("POST", &jobs, "application/json", &object);
            return say(json!({"completed": false, "jobMap": {format!("{job}-abc1234"): "Invoked"}}));
        }
        let mine: Vec<Value> = self.list(&jobs).into_iter().filter(|job| text(job, "/metadata/labels/clowdjob") == name).collect();
        let ends: Vec<(String, &str)> = mine.iter().map(|job| (text(job, "/metadata/name").to_owned(), end(job))).collect();
        if ends.iter().any(|(_, end)| *end != "Invoked") {
            let map: serde_json::Map<String, Value> = ends.iter().map(|(name, end)| (name.clone(), json!(end))).collect();
            // Of success it says nothing.
            say(json!({"completed": ends.iter().all(|(_, end)| *end != "Invoked"), "jobMap": map}));
        }
    }
}

fn owner(of: &Value) -> Value {
    json!({
        "apiVersion": "cloud.redhat.com/v1alpha1", "kind": if of["spec"].get("envName").is_some() { "ClowdApp" } else { "ClowdJobInvocation" },
        "name": of["metadata"]["name"], "uid": of["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    })
}

fn is_rolled_out(deployment: &Value) -> bool {
    let (status, spec) = (&deployment["status"], &deployment["spec"]);
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|count| status[count] == spec["replicas"])
}

fn end(job: &Value) -> &'static str {
    let is = |kind: &str| {
        job["status"]["conditions"].as_array().into_iter().flatten().any(|found| found["type"] == kind && found["status"] == "True")
    };
    if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else {
        "Invoked"
    }
}

fn text<'o>(object: &'o Value, pointer: &str) -> &'o str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
