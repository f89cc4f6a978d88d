//! A cluster, a namespace of the test's own, and the objects that tests apply.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use towpath_cluster::{
    Applied, Cluster, ClusterError, Connection, KubeCluster, KubeSettings, LogLine, ObjectKey, Observer, Owner, Progress, Ready, Scope,
    WaitFailure,
};
use towpath_domain::{NamespaceName, RunId, TargetId};
use towpath_testbed::Kube;

/// Longer than anything takes that goes well.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The image that the node has: it serves, prints, or fails, as its arguments say.
pub const PAUSE: &str = "registry.local/pause:1.0";

/// A namespace on a real cluster.
pub struct Given {
    pub kube: &'static Kube,
    pub cluster: KubeCluster,
    pub namespace: NamespaceName,
}

impl Given {
    /// With an API server, where nothing reconciles.
    pub fn api() -> Option<Self> {
        Kube::api().map(Self::on)
    }

    /// With a node, where pods run.
    pub fn node() -> Option<Self> {
        Kube::node().map(Self::on)
    }

    fn on(kube: &'static Kube) -> Self {
        towpath_testbed::init();
        let namespace = NamespaceName::new(kube.namespace("cluster")).unwrap();
        Self { kube, cluster: connect(kube), namespace }
    }

    pub async fn apply(&self, owner: &Owner, objects: &[Value]) -> Result<Applied, ClusterError> {
        self.cluster.check(&self.namespace, owner, objects).await?;
        self.cluster.apply(&self.namespace, owner, objects).await
    }

    pub async fn wait(&self, owner: &Owner, objects: &[Value], within: Duration, heard: &Heard) -> Result<Ready, Box<WaitFailure>> {
        let keys: Vec<ObjectKey> = objects.iter().map(key).collect();
        self.cluster.wait(&self.namespace, &keys, &owner.run, within, heard).await
    }

    /// Applies, and waits for a failure.
    pub async fn fails(&self, objects: &[Value]) -> WaitFailure {
        let owner = owner("web", "run-1");
        self.apply(&owner, objects).await.unwrap();
        let heard = Heard::default();
        *self.wait(&owner, objects, PATIENCE, &heard).await.expect_err("it cannot become well")
    }

    /// The cluster as somebody sees it who may do there what `rules` allow, and nothing else.
    pub fn limited(&self, rules: &str) -> KubeCluster {
        let path = self.kube.limited_kubeconfig(self.namespace.as_str(), rules);
        KubeCluster::new("test", Connection::Kubeconfig { path, context: None }, KubeSettings::default())
    }

    /// Plays a controller that says something of an object, such as `api/v1` `pods` `web-1`.
    pub fn report(&self, version: &str, plural: &str, name: &str, status: &Value) {
        self.kube.set_status(&format!("/{version}/namespaces/{}/{plural}/{name}", self.namespace), status);
    }

    pub fn get(&self, what: &[&str]) -> Value {
        let mut arguments = vec!["-n", self.namespace.as_str()];
        arguments.extend(what);
        self.kube.get(&arguments)
    }
}

pub fn connect(kube: &Kube) -> KubeCluster {
    let connection = Connection::Kubeconfig { path: kube.kubeconfig.clone(), context: None };
    KubeCluster::new("test", connection, KubeSettings::default())
}

/// What an observer heard.
#[derive(Default)]
pub struct Heard {
    pub lines: Mutex<Vec<(String, String)>>,
    pub progress: Mutex<Vec<String>>,
    /// Lines that count as told before.
    pub told: u64,
}

impl Heard {
    pub fn texts(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }
}

impl Observer for Heard {
    fn progress(&self, progress: Progress) {
        self.progress.lock().unwrap().push(progress.message);
    }

    fn line(&self, line: LogLine<'_>) {
        self.lines.lock().unwrap().push((line.container.to_owned(), line.text.to_owned()));
    }

    fn told(&self, _: &str, _: &str) -> u64 {
        self.told
    }
}

pub fn owner(target: &str, run: &str) -> Owner {
    let types = [
        "ConfigMap",
        "Secret",
        "Service",
        "Deployment",
        "StatefulSet",
        "Job.batch",
        "ClowdApp",
        "ClowdJobInvocation",
        "HorizontalPodAutoscaler",
    ];
    Owner {
        target: TargetId::new(target).unwrap(),
        title: format!("{target}-title"),
        run: RunId::new(run).unwrap(),
        commit: "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap(),
        saas_file: "shop".into(),
        template: "shop".into(),
        environment: "stage".into(),
        heir_of: Vec::new(),
        scope: Scope { types: types.map(str::to_owned).to_vec(), ..Scope::default() },
    }
}

pub fn key(object: &Value) -> ObjectKey {
    let group = object["apiVersion"].as_str().unwrap().split_once('/').map_or("", |(group, _)| group);
    ObjectKey {
        kind: object["kind"].as_str().unwrap().to_owned(),
        group: group.to_owned(),
        name: object["metadata"]["name"].as_str().unwrap().to_owned(),
    }
}

pub fn config(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}})
}

/// A deployment whose container is `container`, with a name put to it.
pub fn deployment(name: &str, container: Value) -> Value {
    let mut container = container;
    container["name"] = json!("main");
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}},
    }})
}

pub fn job(name: &str, container: Value) -> Value {
    let mut container = container;
    container["name"] = json!("main");
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {
        "backoffLimit": 0,
        "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
    }})
}
